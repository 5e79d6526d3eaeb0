"""``compare_click_models``: is the position-based model a fair description of this log?"""

from __future__ import annotations

from dataclasses import dataclass

import narwhals as nw
import numpy as np
import numpy.typing as npt

from labelkit.bias.clickmodels.base import PageModel
from labelkit.bias.clickmodels.cascade import Cascade
from labelkit.bias.clickmodels.dbn import SimplifiedDBN
from labelkit.bias.clickmodels.dcm import DependentClick
from labelkit.bias.clickmodels.pages import Pages
from labelkit.bias.clickmodels.position_based import PositionBased
from labelkit.bias.clickmodels.position_ctr import PositionRate
from labelkit.bias.clickmodels.scores import clustered_mean, log_likelihood, perplexity
from labelkit.bias.clickmodels.split import DEEPEST, SplitLog, split_pages
from labelkit.bias.clickmodels.ubm import UserBrowsing
from labelkit.bias.clickmodels.verdict import Gain, judge, simplest_of_the_best
from labelkit.bias.propensities import Diagnosis
from labelkit.engine import NativeFrame, to_native_like
from labelkit.errors import LabelkitError
from labelkit.logs import InteractionLog
from labelkit.logs.schema import page_columns

FloatArray = npt.NDArray[np.float64]

MODELS = ("position rate", "PBM", "cascade", "DCM", "DBN", "UBM")
RIVALS = MODELS[2:]
# A rival that removes less than this share of PBM's log loss is not worth another model.
RELEVANT_GAIN = 0.005
NUMBERS = (
    "log_likelihood",
    "low",
    "high",
    "perplexity",
    "perplexity_low",
    "perplexity_high",
    "gain",
    "gain_low",
    "gain_high",
)


@dataclass(frozen=True)
class ClickModelComparison:
    """Click models side by side on pages that none of them was fitted to.

    ::

        frame        one row per model: model, status ("fitted" or "not available"),
                     log_likelihood, low, high      nats per impression, ≤ 0
                     perplexity, perplexity_low, perplexity_high      2^(−mean log₂ p), ≥ 1
                     gain, gain_low, gain_high      log_likelihood less that of PBM, paired
                     n_parameters, converged
        by_position  one row per model and position: model, position, impressions, click_rate,
                     predicted, perplexity, perplexity_low, perplexity_high

    Both frames are of the kind that the log was read from; intervals are clustered by query.

    Parameters
    ----------
    verdict : whether PBM is clearly beaten, by which model, and what that means for the labels
    best : the simplest model within ``relevant_gain`` of the highest held-out likelihood; None if
        none is available
    pbm_beaten : a rival's gain is relevant, and its interval (simultaneous over rivals) above zero
    n_train, n_held_out : impressions fitted to, and judged by
    n_aside : impressions in neither (see ``SplitLog``)
    """

    frame: NativeFrame
    by_position: NativeFrame
    verdict: str
    best: str | None
    pbm_beaten: bool
    n_train: int
    n_held_out: int
    n_aside: int
    level: float

    @property
    def available(self) -> bool:
        """Whether the log could carry the comparison."""
        return self.best is not None

    @property
    def diagnosis(self) -> Diagnosis:
        """The verdict as a finding about the log."""
        fine = self.verdict.startswith("PBM describes")
        return Diagnosis("click model", "fine" if fine else "look", self.verdict)


def compare_click_models(
    log: InteractionLog,
    *,
    held_out: float = 0.2,
    seed: int = 0,
    level: float = 0.95,
    depth: int = DEEPEST,
    relevant_gain: float = RELEVANT_GAIN,
) -> ClickModelComparison:
    """Fit the position-based model and its rivals to most pages, and judge them by the others.

    Parameters
    ----------
    log : with a ``page`` column, or else ``session`` (a page is then a session and a query)
    held_out : share of pages to judge by, in (0, 1); at most about 4 million impressions
    seed : of the split
    level : of the intervals, in (0, 1)
    depth : positions below it are left out
    relevant_gain : the least share of PBM's log loss that a rival must remove to beat it

    Returns
    -------
    ClickModelComparison; where the log cannot tell pages apart, or has too few of them, every
    model's status is "not available" and the verdict says why.

    Raises
    ------
    LogError
        ``held_out`` or ``depth`` is out of range.

    Examples
    --------
    >>> import labelkit as lk
    >>> from labelkit.bias.clickmodels import compare_click_models
    >>> log = lk.read_log(lk.simulate(n_impressions=100_000, seed=1).frame)
    >>> compare_click_models(log).pbm_beaten
    False
    """
    if not 0 < level < 1:
        raise LabelkitError(f"level is in (0, 1); got {level}.")
    if not page_columns(log.columns):
        return _not_available(
            log,
            level,
            None,
            "Rival click models are not available: they need to know which results stood on one "
            "page, and the log has neither a page nor a session column; map one of them.",
        )
    split = split_pages(log, held_out=held_out, seed=seed, depth=depth)
    if not split.train.clicks.any() or not split.held_out.clicked.any():
        return _not_available(
            log,
            level,
            split,
            "Rival click models are not available: with "
            f"{split.n_train:,} impressions to fit and {len(split.held_out):,} to judge by, one "
            "part has no click. Read a longer period"
            + (" or check the page column." if split.n_aside else "."),
        )
    return _compare(log, split, level, relevant_gain)


def _compare(
    log: InteractionLog, split: SplitLog, level: float, relevant_gain: float
) -> ClickModelComparison:
    pages = split.held_out
    pbm = PositionBased().fit(split.train)
    rivals: tuple[PageModel, ...] = (Cascade(), DependentClick(), SimplifiedDBN())
    fitted: list[PageModel] = [PositionRate().fit(split.train), pbm]
    fitted += [model.fit(split.train, split.sample) for model in rivals]
    ubm = UserBrowsing(pbm).fit(split.train)
    fitted.append(ubm)

    reference = log_likelihood(pbm.click_probability(pages), pages.clicked)
    rows: list[dict[str, object]] = []
    positions: list[dict[str, npt.NDArray[np.generic] | list[str]]] = []
    gains: list[Gain] = []
    # Bonferroni: the verdict picks the best of several rivals.
    strict = 1 - (1 - level) / len(RIVALS)
    loss = -float(reference.mean())
    whole = np.zeros(len(pages), dtype=np.int64)
    for model in fitted:
        p = model.click_probability(pages)
        values = log_likelihood(p, pages.clicked)
        total = clustered_mean(values, pages.query, whole, 1)
        gain = clustered_mean(values - reference, pages.query, whole, 1)
        (low,), (high,) = total.interval(level)
        (gain_low,), (gain_high,) = gain.interval(level)
        (mean,), (difference,) = total.mean, gain.mean
        loglik = (mean, low, high, *perplexity(np.array([mean, high, low])))
        numbers = (*loglik, difference, gain_low, gain_high)
        rows.append(
            {
                "model": model.name,
                "status": "fitted",
                **{name: float(v) for name, v in zip(NUMBERS, numbers, strict=True)},
                "n_parameters": model.n_parameters_,
                "converged": model.converged_,
            }
        )
        (below,), (above,) = gain.interval(strict)
        gains.append(Gain(model.name, difference / loss, below / loss, above / loss))
        positions.append(_by_position(model.name, p, values, pages, level))
    judged = {gain.model: gain for gain in gains}
    n_queries = int(pages.query.max()) + 1
    verdict = judge(
        [judged[name] for name in RIVALS],
        judged["position rate"],
        relevant_gain=relevant_gain,
        below_click=ubm.below_click_,
        size=f"{len(pages):,} held-out impressions of {n_queries:,} queries",
    )
    text = verdict.text
    if split.n_aside > 0.1 * log.summary.n_impressions:
        text += (
            f" {split.n_aside / log.summary.n_impressions:.0%} of the impressions took no part: "
            "their page is unknown, deeper than asked, or shows a position twice."
        )
    return ClickModelComparison(
        frame=_native(rows, log),
        by_position=_by_position_frame(positions, log),
        verdict=text,
        best=simplest_of_the_best(gains, relevant_gain).model,
        pbm_beaten=verdict.beaten,
        n_train=split.n_train,
        n_held_out=len(pages),
        n_aside=split.n_aside,
        level=level,
    )


def _by_position(
    name: str, p: FloatArray, values: FloatArray, pages: Pages, level: float
) -> dict[str, npt.NDArray[np.generic] | list[str]]:
    depth = int(pages.position.max())
    k = pages.position - 1
    score = clustered_mean(values, pages.query, k, depth)
    low, high = score.interval(level)
    shown = score.n > 0
    clicks = np.bincount(k, pages.clicked, depth)
    expected = np.bincount(k, p, depth)
    return {
        "model": [name] * int(shown.sum()),
        "position": np.flatnonzero(shown) + 1,
        "impressions": score.n[shown].astype(np.int64),
        "click_rate": clicks[shown] / score.n[shown],
        "predicted": expected[shown] / score.n[shown],
        "perplexity": perplexity(score.mean[shown]),
        "perplexity_low": perplexity(high[shown]),
        "perplexity_high": perplexity(low[shown]),
    }


def _not_available(
    log: InteractionLog, level: float, split: SplitLog | None, reason: str
) -> ClickModelComparison:
    rows: list[dict[str, object]] = [
        {
            "model": name,
            "status": "not available",
            **dict.fromkeys(NUMBERS),
            "n_parameters": None,
            "converged": None,
        }
        for name in MODELS
    ]
    return ClickModelComparison(
        frame=_native(rows, log),
        by_position=_by_position_frame([], log),
        verdict=reason,
        best=None,
        pbm_beaten=False,
        n_train=0 if split is None else split.n_train,
        n_held_out=0 if split is None else len(split.held_out),
        n_aside=log.summary.n_impressions if split is None else split.n_aside,
        level=level,
    )


def _native(rows: list[dict[str, object]], log: InteractionLog) -> NativeFrame:
    import polars as pl

    types = {"model": pl.String, "status": pl.String, **dict.fromkeys(NUMBERS, pl.Float64)}
    schema = {**types, "n_parameters": pl.Int64, "converged": pl.Boolean}
    frame = pl.DataFrame(rows, schema=schema).fill_nan(None)
    return to_native_like(nw.from_native(frame, eager_only=True), log.native)


def _by_position_frame(
    parts: list[dict[str, npt.NDArray[np.generic] | list[str]]], log: InteractionLog
) -> NativeFrame:
    import polars as pl

    schema = {
        "model": pl.String,
        "position": pl.Int64,
        "impressions": pl.Int64,
        **dict.fromkeys(("click_rate", "predicted"), pl.Float64),
        **dict.fromkeys(("perplexity", "perplexity_low", "perplexity_high"), pl.Float64),
    }
    frames = [pl.DataFrame(part, schema=schema) for part in parts]
    frame = pl.concat(frames) if frames else pl.DataFrame(schema=schema)
    return to_native_like(nw.from_native(frame.fill_nan(None), eager_only=True), log.native)
