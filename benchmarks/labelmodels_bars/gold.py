"""What a hundred gold labels bring to a label model, over so many draws of them.

Gold is drawn at random from the training rows; the model is fitted to the training votes with it
and without. Two things are asked. The pool: the rest of the training rows, which is what the labels
are for, and what gold was drawn from. The published test split: another population (on TREC
questions its class shares differ, and a pattern that 37 % of the rows show means another class
there), where what gold says of the pool need not hold. Beside it stand logistic regressions on
the gold rows alone: on their votes (one-hot) and on their text (TF-IDF). Accuracy (F1 of spam on
SMS) and log loss; differences have 95 % intervals (Student) over the draws.
"""

from __future__ import annotations

import argparse
import sys
import warnings
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import polars as pl

from labelkit.labelmodels import GoldAssisted, LabelModel

FloatArray = npt.NDArray[np.float64]
SHARED = Path(__file__).resolve().parents[3] / "shared" / "data"
SETS = {"ws_youtube": 2, "ws_sms": 2, "ws_trec_questions": 6}
F1_OF_SPAM = ("ws_sms",)
TIE = 1e-5
RIVALS = ("without gold", "gold rows alone, votes", "gold rows alone, text")


@dataclass(frozen=True)
class Rows:
    """Votes (n, m), texts (n,) and classes (n,)."""

    votes: npt.NDArray[np.int8]
    text: npt.NDArray[np.str_]
    truth: npt.NDArray[np.int64]

    @classmethod
    def read(cls, name: str, split: str) -> Rows:
        table = pl.read_parquet(SHARED / name / "votes.parquet").filter(pl.col("split") == split)
        votes = table.select(pl.selectors.starts_with("lf_")).to_numpy().astype(np.int8)
        return cls(votes, table["text"].to_numpy().astype(str), table["gold"].to_numpy())

    def take(self, index: npt.NDArray[np.intp]) -> Rows:
        return Rows(self.votes[index], self.text[index], self.truth[index])


def quality(name: str, proba: FloatArray, truth: npt.NDArray[np.int64]) -> float:
    """Accuracy or F1 in per cent; a tie is right in part, as if broken at random."""
    tied = proba >= proba.max(axis=1, keepdims=True) - TIE
    share = tied / tied.sum(axis=1, keepdims=True)
    if name in F1_OF_SPAM:
        spam = share[:, 1]
        return float(200 * spam[truth == 1].sum() / (spam.sum() + (truth == 1).sum()))
    return float(100 * share[np.arange(len(truth)), truth].mean())


def log_loss(proba: FloatArray, truth: npt.NDArray[np.int64]) -> float:
    return float(-np.log(np.maximum(proba[np.arange(len(truth)), truth], 1e-6)).mean())


def gold_alone(k: int, gold: Rows, rows: Rows) -> dict[str, FloatArray]:
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression

    words = TfidfVectorizer(sublinear_tf=True, token_pattern=r"\w+").fit(gold.text)
    features = {
        "votes": [(r.votes[:, :, None] == np.arange(k)).reshape(len(r.votes), -1) * 1.0
                  for r in (gold, rows)],
        "text": [words.transform(r.text) for r in (gold, rows)],
    }  # fmt: skip
    found = {}
    for name, (seen, asked) in features.items():
        proba = np.full((len(rows.truth), k), 1e-6)
        model = LogisticRegression(max_iter=1000).fit(seen, gold.truth)
        proba[:, model.classes_] += model.predict_proba(asked)
        found[f"gold rows alone, {name}"] = proba / proba.sum(axis=1, keepdims=True)
    return found


def interval(x: Sequence[float]) -> str:
    from scipy.stats import t

    half = t.ppf(0.975, len(x) - 1) * np.std(x, ddof=1) / np.sqrt(len(x))
    return f"{np.mean(x):+7.2f} [{np.mean(x) - half:+.2f}, {np.mean(x) + half:+.2f}]"


def main(argv: Sequence[str]) -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--draws", type=int, default=20)
    parser.add_argument("--gold", type=int, default=100)
    arguments = parser.parse_args(argv)
    if not SHARED.is_dir():
        sys.exit("../shared/data is not here: there are no published votes to label")
    warnings.simplefilter("ignore")
    # (where, model) -> one mean over the sets for each draw
    total: dict[tuple[str, str], FloatArray] = defaultdict(lambda: np.zeros((arguments.draws, 2)))
    for name, k in SETS.items():
        train, test = Rows.read(name, "train"), Rows.read(name, "test")
        without = LabelModel(k).fit(train.votes)
        here: dict[tuple[str, str], FloatArray] = defaultdict(
            lambda: np.zeros((arguments.draws, 2))
        )
        for draw in range(arguments.draws):
            order = np.random.default_rng(draw).permutation(len(train.truth))
            drawn, rest = order[: arguments.gold], order[arguments.gold :]
            gold = np.full(len(train.truth), -1)
            gold[drawn] = train.truth[drawn]
            models = {
                "without gold": without,
                "auto with gold": LabelModel(k).fit(train.votes, gold=gold),
                "GoldAssisted": GoldAssisted(k).fit(train.votes, gold=gold),
            }
            for where, rows in (("pool", train.take(rest)), ("test", test)):
                probas = {model: fit.predict_proba(rows.votes) for model, fit in models.items()}
                probas |= gold_alone(k, train.take(drawn), rows)
                for model, proba in probas.items():
                    figures = (quality(name, proba, rows.truth), log_loss(proba, rows.truth))
                    here[where, model][draw] = figures
                    total[where, model][draw] += np.array(figures) / len(SETS)
        report(name, here)
    report("mean over the sets", total)
    for where in ("pool", "test"):
        for rival in RIVALS:
            gain = total[where, "auto with gold"][:, 0] - total[where, rival][:, 0]
            met = "met" if gain.mean() > 0 else "MISSED"
            print(f"  bar: {where}, with gold above {rival}: {interval(gain)} {met}")


def report(name: str, found: dict[tuple[str, str], FloatArray]) -> None:
    print(f"\n{name}: quality in per cent, log loss; quality less that without gold")
    for (where, model), figures in found.items():
        gain = figures[:, 0] - found[where, "without gold"][:, 0]
        beside = "" if model == "without gold" else interval(gain)
        score, loss = figures.mean(axis=0)
        print(f"  {where}  {model:<24}{score:6.1f} {loss:7.3f}  {beside}", flush=True)
