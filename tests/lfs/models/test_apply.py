"""Model LFs among others: applied, analysed, and put into a run's manifest."""

from __future__ import annotations

import textwrap

import polars as pl
import pytest

from labelkit import apply, col, labeling_function, vote
from labelkit.errors import CostCapReached, EndpointError, LFError
from labelkit.lfs.models import Endpoint, HashingEncoder, model_vote, prompt_vote, similar_to
from labelkit.project import Project
from labelkit.project.manifest import Manifest

EXAMPLES = pl.DataFrame(
    {
        "query": ["tea"] * 4,
        "item": [1, 2, 3, 4],
        "title": ["green tea", "black tea", "a song", None],
        "n": [5, 1, None, 9],
    }
)


@labeling_function
def many():
    """Many are good."""
    return vote(1, where=col("n") > 4)


def scored(**more):
    return model_vote(lambda x: x["n"] / 10, ["n"], version="1", name="scored", **more)


def near_tea():
    return similar_to("title", {1: ["tea"]}, encoder=HashingEncoder(), above=0.3, name="near_tea")


def prompted(server, folder, **more):
    given = {"endpoint": Endpoint(server.url, backoff_s=0.01, tries=2), "model": "tiny"} | more
    return prompt_vote(
        "{title}?",
        "title",
        labels={"yes": 1, "no": 0},
        cache=folder / "a.sqlite",
        name="asked",
        **given,
    )


def test_all_kinds_vote_side_by_side_on_every_engine(engine, in_engine, server, say, tmp_path):
    server.script = lambda prompt, n: say("yes" if "tea" in prompt else "no")
    lfs = [scored(above=0.8, below=0.2), many, near_tea(), prompted(server, tmp_path)]
    votes = apply(lfs, in_engine(EXAMPLES, engine))
    assert votes.lf_names == ("scored", "many", "near_tea", "asked")
    rows = dict(zip(votes.key_frame["item"].to_list(), votes.matrix.tolist(), strict=True))
    assert rows == {1: [-1, 1, 1, 1], 2: [0, -1, 1, 1], 3: [-1, -1, -1, 0], 4: [1, 1, -1, -1]}
    assert not votes.errors


def test_they_are_checked_before_any_row_is_read(server, tmp_path):
    with pytest.raises(LFError, match=r"'asked' .*no column 'title'"):
        apply([prompted(server, tmp_path)], EXAMPLES.drop("title"))
    with pytest.raises(LFError, match=r"'near_tea' .*'title' is a whole number"):
        apply([near_tea()], EXAMPLES.with_columns(title=1))
    with pytest.raises(LFError, match=r"votes 2, outside the 2 classes"):
        apply([scored(above=0.5, labels={1: 2, 0: 0})], EXAMPLES)
    assert server.asked == []


def test_a_failing_model_abstains_and_is_counted_when_asked_to():
    def broken(x):
        raise ZeroDivisionError

    lf = model_vote(broken, ["n"], above=0.5, version="1", name="broken")
    with pytest.raises(LFError, match=r"'broken' .*ZeroDivisionError"):
        apply([lf], EXAMPLES)
    votes = apply([lf, many], EXAMPLES, on_error="abstain")
    assert votes.matrix[:, 0].tolist() == [-1] * 4
    assert [(failure.lf, failure.count) for failure in votes.errors] == [("broken", 4)]


def test_a_cap_or_an_outage_is_never_taken_for_abstentions(server, say, tmp_path):
    lf = prompted(server, tmp_path, prices=(1e6, 1e6), cost_cap=0.5)
    with pytest.raises(CostCapReached):
        apply([lf], EXAMPLES, on_error="abstain")
    server.script = lambda prompt, n: say(status=500)
    with pytest.raises(EndpointError):
        apply([prompted(server, tmp_path)], EXAMPLES, on_error="abstain")


def test_a_projects_manifest_says_which_model_and_prompt_voted(small_project, server, say):
    server.script = lambda prompt, n: say("no" if "1" in prompt else "I would rather not say")
    module = small_project.path / "labeling_functions" / "models.py"
    module.write_text(
        textwrap.dedent(f"""
        from labelkit import labeling_function
        from labelkit.lfs.models import model_vote, prompt_vote

        @labeling_function
        def quality_model():
            '''The search team's own model.'''
            return model_vote(lambda x: x["quality"], ["quality"], above=0.6, below=0.3,
                              version="search-team-7")

        asked = prompt_vote("{{title}}?", "title", labels={{"yes": 1, "no": 0}},
                            endpoint={server.url!r}, model="tiny", concurrency=8)
        """)
    )
    project = Project(small_project.path)
    run = project.label()
    manifest = Manifest.read(run.path / "manifest.json")
    facts = {fact.name: fact for fact in manifest.lfs}
    assert "search-team-7" in facts["quality_model"].version
    assert facts["quality_model"].doc == "The search team's own model."
    assert facts["asked"].version.startswith(f"tiny at {server.url}; prompt ")
    told = facts["asked"].told
    assert told["voted"] + told["malformed: none of the answers"] == manifest.counts.n_examples
    assert told["answered by tiny-2026-01-01"] == len(server.asked)
    assert facts["clicked_often"].version == ""
    n = len(server.asked)
    project.label()
    assert len(server.asked) == n, "a second run costs nothing"
    coverage = {row["lf"]: row["coverage"] for row in project.lfs().iter_rows(named=True)}
    assert 0 < coverage["asked"] < 1
