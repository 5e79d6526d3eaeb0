"""Model labeling functions on real comments: what they cover, and how right they are.

Run with ``python benchmarks/lfs_models.py`` where ``../shared/data/ws_youtube`` is. Labeled
examples are the 120 comments of its validation split; coverage and accuracy (Wilson's 95 %
interval) are on the 250 of its test split, which no setting was chosen on. Thresholds are the same
for every encoder except the least cosine of a neighbour, which is 0. MiniLM is left out, with a
word, where it is not installed.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import polars as pl
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline

from labelkit.errors import LFError
from labelkit.lfs import BatchFunction, wilson
from labelkit.lfs.models import (
    HashingEncoder,
    MiniLMEncoder,
    TfidfEncoder,
    cached,
    model_vote,
    nearest_vote,
    similar_to,
)

DATA = Path(__file__).resolve().parents[2] / "shared" / "data" / "ws_youtube" / "votes.parquet"
SEEDS = {
    1: [
        "check out my channel",
        "please subscribe to my channel",
        "click this link to win money",
        "follow me and like my page",
    ],
    0: ["I love this song", "best video ever", "who is still watching this", "she is so beautiful"],
}


def functions(labeled: pl.DataFrame, folder: Path) -> Iterator[tuple[str, BatchFunction]]:
    texts, gold = labeled["text"].to_list(), labeled["gold"].to_numpy()
    examples = {y: [t for t, z in zip(texts, gold, strict=True) if z == y] for y in (0, 1)}
    pipeline = make_pipeline(TfidfVectorizer(), LogisticRegression()).fit(texts, gold)
    for above in (0.5, 0.6, 0.7):
        yield f"model_vote, TF-IDF + logistic, {above}", model_vote(pipeline, "text", above=above)
    encoders = {"hashing": HashingEncoder(), "TF-IDF": TfidfEncoder(texts)}
    try:
        local = MiniLMEncoder()
        encoders["MiniLM"] = cached(local, folder / f"{local.version}.sqlite")
    except LFError as error:
        print(f"left out: {error}")
    for name, encoder in encoders.items():
        yield f"similar_to, {name}, 0.5", similar_to("text", SEEDS, encoder=encoder, above=0.5)
        for margin in (0.1, 0.5):
            lf = nearest_vote("text", examples, encoder=encoder, k=7, margin=margin)
            yield f"nearest_vote, {name}, margin {margin}", lf


def main() -> None:
    comments = pl.read_parquet(DATA)
    labeled = comments.filter(split="valid")
    test = comments.filter(split="test")
    gold = test["gold"].to_numpy()
    print(f"{'labeling function':40} {'coverage':>8} {'accuracy':>8}  {'95 % interval':15} seconds")
    with tempfile.TemporaryDirectory() as folder:
        for name, lf in functions(labeled, Path(folder)):
            began = time.perf_counter()
            votes = lf(test)
            seconds = time.perf_counter() - began
            voted = votes >= 0
            right = (votes == gold)[voted]
            low, high = wilson(np.array([right.sum()]), np.array([voted.sum()]))
            accuracy = right.mean() if voted.any() else float("nan")
            interval = f"{low[0]:.3f} - {high[0]:.3f}"
            print(f"{name:40} {voted.mean():8.3f} {accuracy:8.3f}  {interval:15} {seconds:7.2f}")


if __name__ == "__main__":
    main()
