"""Label efficiency: how many labels does each strategy need for random's final quality?

Logistic regression on published data; 20 labels at random, then batches of 20 up to 200. modAL's
and scikit-activeml's strategies run in the same loop where they are installed and can take the
data.
"""

from __future__ import annotations

import importlib.util
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from scipy import sparse, stats
from sklearn.datasets import load_digits
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import accuracy_score, average_precision_score
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import StandardScaler

from labelkit.selection.batches import choose
from labelkit.selection.scores import entropy

DATA = Path(__file__).resolve().parents[3] / "shared" / "data"
START, STEP, END = 20, 20, 200
# Rows of TF-IDF have length 1, and a hundred labels of them want a weaker prior than numbers do.
C_TEXT = 10.0
OURS = (
    "random",
    "margin",
    "entropy",
    "cluster_power",
    "cluster_margin",
    "k_center",
    "badge",
    "power",
    "typiclust",
)

Ask = Callable[["State", int, np.random.Generator], Any]


@dataclass(frozen=True)
class World:
    """A pool to ask about, and a test set whose ``quality`` counts."""

    name: str
    x: Any
    y: np.ndarray
    test_x: Any
    test_y: np.ndarray
    average_precision: bool

    def quality(self, model: Any) -> float:
        if self.average_precision:
            return average_precision_score(self.test_y, model.predict_proba(self.test_x)[:, -1])
        return accuracy_score(self.test_y, model.predict(self.test_x))


@dataclass(frozen=True)
class State:
    """Where a loop stands: who is labeled, who is not, and the model."""

    world: World
    known: np.ndarray
    left: np.ndarray
    model: Any


def worlds() -> list[World]:
    x, y = load_digits(return_X_y=True)
    a, b, ya, yb = train_test_split(x / 16, y, test_size=0.4, random_state=0, stratify=y)
    found = [World("digits", a, ya, b, yb, False)]
    if DATA.exists():
        found += [_ranking(), _text("ws_sms", True), _text("ws_trec_questions", False)]
    return found


def _ranking() -> World:
    rank = pd.read_parquet(DATA / "rel_lightgbm_rank" / "rank.parquet")
    x = rank.filter(regex=r"^f\d+$").to_numpy()
    y = (rank["relevance"] >= 2).to_numpy().astype(int)
    train = (rank["split"] == "train").to_numpy()
    scale = StandardScaler().fit(x[train])
    return World("LightGBM grades >= 2", scale.transform(x[train]), y[train],
                 scale.transform(x[~train]), y[~train], True)  # fmt: skip


def _text(folder: str, average_precision: bool) -> World:
    table = pd.read_parquet(DATA / folder / "votes.parquet")
    train, y = (table["split"] != "test").to_numpy(), table["gold"].to_numpy()
    vectors = TfidfVectorizer(sublinear_tf=True)
    x = vectors.fit_transform(table["text"][train])
    return World(folder[3:], x, y[train], vectors.transform(table["text"][~train]), y[~train],
                 average_precision)  # fmt: skip


def learner(world: World) -> LogisticRegression:
    """The classifier of every strategy, ours and theirs."""
    return LogisticRegression(C=C_TEXT if sparse.issparse(world.x) else 1.0, max_iter=300)


def _proba(state: State) -> np.ndarray:
    return state.model.predict_proba(state.world.x[state.left])


def ours(name: str) -> Ask:
    def ask(state: State, n: int, rng: np.random.Generator) -> Any:
        if name == "random":
            return rng.choice(len(state.left), n, replace=False)
        p = _proba(state)
        if name in ("margin", "entropy"):
            return choose("top", n, probabilities=p, rng=rng,
                          score=entropy(p) if name == "entropy" else None)  # fmt: skip
        x = state.world.x
        return choose(name, n, probabilities=p, features=x[state.left],
                      labeled=x[state.known], rng=rng)  # fmt: skip

    return ask


class _Learner:
    """What modAL's strategies ask of a learner."""

    on_transformed = False

    def __init__(self, X_training: Any, estimator: Any) -> None:
        self.X_training, self.estimator = X_training, estimator
        self.predict_proba = estimator.predict_proba


def modals() -> dict[str, Ask]:
    if importlib.util.find_spec("modAL") is None:
        return {}
    from modAL.batch import uncertainty_batch_sampling
    from modAL.uncertainty import entropy_sampling, margin_sampling, uncertainty_sampling

    def asks(strategy: Callable[..., Any]) -> Ask:
        def ask(state: State, n: int, rng: np.random.Generator) -> Any:
            asked = _Learner(state.world.x[state.known], state.model)
            return strategy(asked, state.world.x[state.left], n_instances=n)[0]

        return ask

    return {
        "modAL uncertainty": asks(uncertainty_sampling),
        "modAL margin": asks(margin_sampling),
        "modAL entropy": asks(entropy_sampling),
        "modAL ranked batch": asks(uncertainty_batch_sampling),
    }


def skactivemls() -> dict[str, Ask]:
    if importlib.util.find_spec("skactiveml") is None:
        return {}
    from skactiveml.classifier import SklearnClassifier
    from skactiveml.pool import Badge, CoreSet, TypiClust, UncertaintySampling
    from skactiveml.utils import MISSING_LABEL

    def asks(make: Callable[[int], Any], *, clf: bool) -> Ask:
        def ask(state: State, n: int, rng: np.random.Generator) -> Any:
            x, y = state.world.x, state.world.y
            x = x.toarray() if sparse.issparse(x) else x
            labels = np.full(len(y), MISSING_LABEL)
            labels[state.known] = y[state.known]
            more: dict[str, Any] = {}
            if clf:
                model = SklearnClassifier(learner(state.world), classes=np.unique(y))
                more = {"clf": model}
            strategy = make(int(rng.integers(2**31)))
            found = strategy.query(x, labels, batch_size=n, candidates=state.left, **more)
            return np.searchsorted(state.left, found)

        return ask

    return {
        **{f"skactiveml {m}": asks(lambda s, m=m: UncertaintySampling(method=m, random_state=s),
                                   clf=True)
           for m in ("least_confident", "margin_sampling", "entropy")},
        "skactiveml BADGE": asks(lambda s: Badge(random_state=s), clf=True),
        "skactiveml CoreSet": asks(lambda s: CoreSet(random_state=s), clf=False),
        "skactiveml TypiClust": asks(lambda s: TypiClust(random_state=s), clf=False),
    }  # fmt: skip


def course(world: World, ask: Ask, seed: int) -> np.ndarray:
    """Quality after 20, 40, … labels."""
    begin, draw = np.random.default_rng(seed).spawn(2)
    known = begin.choice(len(world.y), START, replace=False)
    while len(np.unique(world.y[known])) < 2:
        known = begin.choice(len(world.y), START, replace=False)
    curve = []
    while True:
        model = learner(world).fit(world.x[known], world.y[known])
        curve.append(world.quality(model))
        if len(known) >= END:
            return np.array(curve)
        left = np.setdiff1d(np.arange(len(world.y)), known)
        at = np.asarray(ask(State(world, known, left, model), STEP, draw))
        known = np.concatenate([known, left[at]])


def main(seeds: int = 20, only: str = "", peers: str = "yes") -> None:
    """Print, for each set and strategy, final quality and labels needed for random's."""
    warnings.simplefilter("ignore")
    asks = {name: ours(name) for name in OURS}
    if peers == "yes":
        asks |= modals() | skactivemls()
    asked = np.arange(START, END + 1, STEP)
    shares: dict[str, list[float]] = {name: [] for name in asks}
    gains: dict[str, list[float]] = {name: [] for name in asks}
    for world in worlds():
        if only and only not in world.name:
            continue
        started = time.perf_counter()
        curves = {}
        for name, ask in asks.items():
            width = world.x.shape[0] * world.x.shape[1] * len(np.unique(world.y))
            if name == "skactiveml BADGE" and width > 3e7:  # n × (k d) floats and several copies
                continue
            curves[name] = np.array([course(world, ask, seed) for seed in range(seeds)])
        goal = curves["random"][:, -1].mean()
        measure = "average precision" if world.average_precision else "accuracy"
        print(f"\n{world.name}: {len(world.y):,} examples, {measure}, {seeds} seeds, "
              f"{time.perf_counter() - started:.0f} s")  # fmt: skip
        print(f"{'':28s}{'final':>7s}{'  over random [95 %]':>26s}{'labels needed':>15s}")
        for name, curve in curves.items():
            gap = curve[:, -1] - curves["random"][:, -1]
            half = stats.t.ppf(0.975, seeds - 1) * gap.std(ddof=1) / np.sqrt(seeds)
            reached = curve.mean(axis=0) >= goal
            needed = int(asked[reached.argmax()]) if reached.any() else None
            shares[name].append((needed or 2 * END) / END)
            # Area under the curve: not only where it ends.
            gains[name].append(float((curve - curves["random"]).mean()))
            print(f"{name:28s}{curve[:, -1].mean():7.3f}{gap.mean():+11.3f} "
                  f"[{gap.mean() - half:+.3f}, {gap.mean() + half:+.3f}]"
                  f"{needed if needed else 'never':>12}", flush=True)  # fmt: skip
    print("\nover the sets (a strategy that never got there counts as needing twice as many)")
    most = max(map(len, shares.values()))
    for name in asks:
        if len(shares[name]) == most:
            print(f"{name:28s}{np.mean(shares[name]):6.0%} of random's labels, "
                  f"mean gain along the curve {np.mean(gains[name]):+.4f}")  # fmt: skip
