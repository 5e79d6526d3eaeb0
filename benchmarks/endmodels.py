"""End models of text on three published vote sets, beside the votes that they learn from.

    python benchmarks/endmodels.py [--draws 40] [--gold 100]

Features are TF-IDF of single words, the estimator is logistic regression, trained on the training
split's weak labels and judged on its test split: accuracy (on SMS the F1 of spam) and log loss.
Majority vote and label model are judged on the same rows, uncovered ones guessed as they guess.

Intervals are the middle 95 % of draws: each resamples the training examples and the test rows with
replacement, fits everything again, and, in the second half, chooses other ``--gold`` training rows
whose true class the label model is told. "gold alone" trains the same estimator on those rows only.

A second part trains on a million examples of five classes and prints rows and peak memory, and a
third takes calibrated, overconfident and lopsided labels of a simulated world whose truth is known.
"""

from __future__ import annotations

import argparse
import platform
import resource
import subprocess
import sys
import time
import warnings
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import f1_score

from labelkit.endmodels import EndModel
from labelkit.errors import LabelkitWarning
from labelkit.labelmodels import LabelModel, MajorityVote

SHARED = Path(__file__).resolve().parents[2] / "shared" / "data"
SETS = {"ws_youtube": 2, "ws_sms": 2, "ws_trec_questions": 6}
F1_OF_SPAM = ("ws_sms",)
TIE = 1e-5
MEMORY = (1_000_000, 5, 20)

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]


@dataclass(frozen=True)
class TextSet:
    """Votes, texts as TF-IDF, and true classes of the training and the test split."""

    name: str
    k: int
    votes: npt.NDArray[np.int8]
    X: Any
    gold: IntArray
    test_votes: npt.NDArray[np.int8]
    test_X: Any
    truth: IntArray

    @classmethod
    def read(cls, name: str) -> TextSet:
        table = pl.read_parquet(SHARED / name / "votes.parquet")
        train, test = (table.filter(pl.col("split") == split) for split in ("train", "test"))
        votes = pl.selectors.starts_with("lf_")
        vectorizer = TfidfVectorizer(sublinear_tf=True)
        X = vectorizer.fit_transform(train["text"].to_list())
        return cls(
            name,
            SETS[name],
            train.select(votes).to_numpy().astype(np.int8),
            X,
            train["gold"].to_numpy().astype(np.int64),
            test.select(votes).to_numpy().astype(np.int8),
            vectorizer.transform(test["text"].to_list()),
            test["gold"].to_numpy().astype(np.int64),
        )

    def drawn(self, rng: np.random.Generator) -> TextSet:
        train = rng.integers(len(self.gold), size=len(self.gold))
        test = rng.integers(len(self.truth), size=len(self.truth))
        return TextSet(
            self.name, self.k, self.votes[train], self.X[train], self.gold[train],
            self.test_votes[test], self.test_X[test], self.truth[test],
        )  # fmt: skip

    def quality(self, proba: FloatArray, rng: np.random.Generator) -> tuple[float, float]:
        """Accuracy or F1 in per cent, ties broken at random; and log loss, cut at 1e-6."""
        lot = np.where(proba >= proba.max(axis=1, keepdims=True) - TIE, rng.random(proba.shape), -1)
        label = lot.argmax(axis=1)
        right = (
            f1_score(self.truth, label) if self.name in F1_OF_SPAM else np.mean(label == self.truth)
        )
        own = proba[np.arange(len(self.truth)), self.truth]
        return 100 * float(right), float(-np.log(own.clip(1e-6)).mean())


def judged(
    data: TextSet, rng: np.random.Generator, gold: IntArray | None
) -> dict[str, tuple[float, float]]:
    """Quality of the votes and of all end models that learn from them."""
    model = LabelModel(data.k).fit(data.votes, gold)
    soft = model.predict_proba(data.votes)
    covered = np.flatnonzero((data.votes >= 0).any(axis=1))
    X, p = data.X[covered], soft[covered]
    found: dict[str, FloatArray] = {}
    if gold is None:
        found["majority vote"] = MajorityVote(data.k).fit(data.votes).predict_proba(data.test_votes)
    found["label model"] = model.predict_proba(data.test_votes)
    for C in (1, 10):
        estimator = LogisticRegression(C=C, max_iter=2000)
        for loss in ("hard", "expand"):
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", LabelkitWarning)
                end = EndModel(estimator, loss=loss, cross_fit=0).fit(X, p)
            found[f"end model, {loss}, C={C}"] = end.predict_proba(data.test_X)
        if gold is not None:
            told = np.flatnonzero(gold >= 0)
            alone = np.zeros((len(data.truth), data.k))
            fitted = estimator.fit(data.X[told], gold[told])
            alone[:, fitted.classes_] = fitted.predict_proba(data.test_X)
            found[f"gold alone, C={C}"] = alone
    return {name: data.quality(proba, rng) for name, proba in found.items()}


def on_texts(name: str, n_draws: int, n_gold: int) -> None:
    data = TextSet.read(name)
    measure = "F1 of spam" if name in F1_OF_SPAM else "accuracy"
    print(f"\n{name}: {len(data.gold):,} training and {len(data.truth)} test rows; {measure}, %")
    for told in (False, True):
        print(f"  {f'{n_gold} gold rows' if told else 'no gold'}")
        rng = np.random.default_rng(0)
        points, draws = [], []
        for draw in range(n_draws + 1):
            sample = data if draw == 0 else data.drawn(rng)
            gold = None
            if told:
                gold = np.full(len(sample.gold), -1)
                chosen = rng.choice(len(gold), n_gold, replace=False)
                gold[chosen] = sample.gold[chosen]
            (points if draw == 0 else draws).append(judged(sample, rng, gold))
        against = "label model"
        for label, (right, loss) in points[0].items():
            low, high = np.quantile([d[label][0] for d in draws], [0.025, 0.975])
            ahead = [d[label][0] - d[against][0] for d in draws]
            low_d, high_d = np.quantile(ahead, [0.025, 0.975])
            paired = "" if label == against else f"  ahead {low_d:+5.1f} to {high_d:+5.1f}"
            print(
                f"    {label:<28}{right:6.1f} ({low:.1f}–{high:.1f})  log loss {loss:.2f}{paired}"
            )


def simulated(n: int = 20_000) -> None:
    """Labels of a world whose truth is known: calibrated, then surer of one class."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(n, 8))
    truth = (rng.random(n) < 1 / (1 + np.exp(-X @ np.linspace(1.5, 0.2, 8)))).astype(int)
    # Each class is voted for by functions of its own accuracy, one vote each.
    accuracy = np.array([0.75, 0.75])
    voted = np.where(rng.random(n) < accuracy[truth], truth, 1 - truth)
    p_one = np.array([(voted[truth == y] == 1).mean() for y in (0, 1)])
    share = truth.mean()
    posterior = [
        share * q1 / (share * q1 + (1 - share) * q0)
        for q0, q1 in ((1 - p_one[0], 1 - p_one[1]), (p_one[0], p_one[1]))
    ]
    labels = {
        "calibrated": np.array(posterior)[voted],
        "overconfident (0.98 for 0.75)": np.where(voted == 1, 0.98, 0.02),
        "lopsided (0.98 and 0.55)": np.where(voted == 1, 0.98, 0.45),
    }
    half = n // 2
    print(
        f"\nsimulated, {half:,} training rows, two classes: accuracy, %, and log loss on the truth"
    )
    for name, p in labels.items():
        line = f"  {name:<32}"
        for loss in ("hard", "expand"):
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", LabelkitWarning)
                end = EndModel(LogisticRegression(), loss=loss, cross_fit=0)
                end.fit(X[:half], np.column_stack([1 - p, p])[:half])
            q = end.predict_proba(X[half:])
            own = q[np.arange(n - half), truth[half:]]
            right = 100 * np.mean(q.argmax(axis=1) == truth[half:])
            line += f"{loss}: {right:5.1f} {-np.log(own).mean():.3f}   "
        print(line)


def memory(how: str) -> None:
    """One fit in a process of its own, so that its peak memory is its own."""
    n, k, d = MEMORY
    from sklearn.linear_model import SGDClassifier

    rng = np.random.default_rng(0)
    X = rng.normal(size=(n, d))
    sure = rng.random(n) < 0.7
    p = np.where(sure[:, None], np.full(k, 1e-5), rng.dirichlet(np.ones(k), n))
    p[sure, rng.integers(k, size=int(sure.sum()))] += 1 - k * 1e-5
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    estimator = SGDClassifier(loss="log_loss", max_iter=1, tol=None, random_state=0)
    options = {
        "expand, every class": {"loss": "expand", "min_proba": 0.0},
        "expand, p ≥ 1e-4": {"loss": "expand"},
        "expand, in batches of 100,000": {"loss": "expand", "batch_rows": 100_000},
        "hard": {"loss": "hard"},
    }
    start = time.perf_counter()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", LabelkitWarning)
        end = EndModel(estimator, cross_fit=0, **options[how]).fit(X, p)  # type: ignore[arg-type]
    seconds = time.perf_counter() - start
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    print(
        f"  {how:<32}{end.n_rows_:>10,} rows {seconds:6.1f} s  "
        f"peak {peak / 1024:7,.0f} MiB over data"
    )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--draws", type=int, default=40)
    parser.add_argument("--gold", type=int, default=100)
    parser.add_argument("--memory", metavar="HOW", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.memory:
        memory(arguments.memory)
        return
    print(
        f"labelkit {version('labelkit')}, scikit-learn {version('scikit-learn')}, "
        f"Python {platform.python_version()}, {platform.machine()}; {arguments.draws} draws"
    )
    if SHARED.is_dir():
        for name in SETS:
            on_texts(name, arguments.draws, arguments.gold)
    else:
        print("../shared/data is not here: no texts to learn from")
    simulated()
    n, k, d = MEMORY
    print(
        f"\n{n:,} examples, {k} classes, {d} features ({n * d * 8 / 2**20:,.0f} MiB), SGD, one pass"
    )
    for how in ("expand, every class", "expand, p ≥ 1e-4", "expand, in batches of 100,000", "hard"):
        subprocess.run([sys.executable, __file__, "--memory", how], check=True)


if __name__ == "__main__":
    main()
