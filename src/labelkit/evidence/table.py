"""One row per example with what the log says about it, as one lazy query over the cells."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

import narwhals as nw

from labelkit.bias import DEFAULT_CLIP, PositionBias, Propensities, curve_of
from labelkit.engine import NativeFrame
from labelkit.errors import LogError
from labelkit.evidence.columns import CONVERSION_RATES, DWELL_BY_QUERY, RATES, chosen
from labelkit.evidence.conversion import Delay, add_conversion_rates
from labelkit.evidence.dwell import add_dwell_by_query
from labelkit.evidence.pages import add_last_clicks, add_skips
from labelkit.evidence.people import add_distinct, add_times
from labelkit.evidence.prior import GammaPrior
from labelkit.evidence.rates import PosteriorName, PriorChoice, add_rates, fit_prior
from labelkit.evidence.recency import (
    Decay,
    Moment,
    Span,
    is_moment,
    known_at,
    known_at_each,
    last_time,
    moment,
    require_time,
    seconds,
)
from labelkit.evidence.reformulation import add_reformulated
from labelkit.evidence.seldom import warn_if_seldom_shown
from labelkit.evidence.sums import sum_examples
from labelkit.evidence.units import (
    EXAMPLE,
    keyed_by,
    refuse_query_prior,
    times_by_example,
    with_unit_names,
)
from labelkit.logs import InteractionLog
from labelkit.logs.cells import FIXED_POINT

INTERVALS = {"ctr_low", "ctr_high"}
NOT_FOR_EACH = CONVERSION_RATES | DWELL_BY_QUERY


def evidence(
    log: InteractionLog,
    bias: PositionBias | Propensities,
    *,
    unit: Sequence[str] = EXAMPLE,
    columns: Collection[str] | None = None,
    clip: float = DEFAULT_CLIP,
    level: float = 0.95,
    prior: PriorChoice = "placement",
    posterior: PosteriorName = "poisson",
    as_of: Moment | NativeFrame | None = None,
    window: Span | None = None,
    half_life: Span | None = None,
    conversion_window: Span | None = None,
    conversion_delay: Delay = "exponential",
) -> NativeFrame:
    """One row per (query, item), or per other unit of your choice, with what the log says about it.

    Parameters
    ----------
    log : as read by ``read_log``
    bias : fitted position bias; it does not depend on the unit
    unit : what is labeled: one or two key columns of the log (query, item, user, session, page), or
        ``("impression",)``, the single impression by its row number from 0 in the order of the log
    columns : evidence columns to compute; default all that the log can carry and that cost no
        pass of their own beyond ``users``, ``sessions``, ``skips`` and times, whose pass is saved
        where they are not among ``columns``
    clip : largest inverse propensity weight in ``ips_ctr`` and ``ess``
    level : of ``ctr_low`` and ``ctr_high``, ``conversion_low`` and ``conversion_high``
    prior : what rates are shrunk towards: "placement", what examples get that were shown as far
        up; "query", that and the query's own items; "global", one mean for all; or a fitted prior
    posterior : "poisson", or "bernoulli" where γ comes near 1
    as_of : only what was known at this time enters (see ``known_at``); or a frame with the
        unit's columns and ``as_of``, one time per example. The bias must be fitted on no later
        data: ``PositionBias().fit(known_at(log, as_of))``
    window : how far back impressions count: a timedelta, or seconds
    half_life : after which a click and an impression count half in ``raw_ctr``, ``ips_ctr``,
        ``exposure``, ``ess`` and the debiased rates; other columns count whole
    conversion_window, conversion_delay : see ``conversion.add_conversion_rates``

    Returns
    -------
    A frame of the log's engine (lazy where the engine is): the unit's columns, then ``columns``.
    Join your item and query tables to it.

    Raises
    ------
    LogError
        A column is unknown, the log lacks what it is made from, a key of the unit is empty in
        some rows, or options do not go together.

    Warns
    -----
    WeakEvidenceWarning
        ``ctr_low`` or ``ctr_high`` is asked for, and examples were shown fewer than two times on
        average: see the last note. A ``prior`` that was fitted elsewhere is trusted.

    Notes
    -----
    ``ctr_low`` = ctr/(1 + √(d² + r²)) and ``ctr_high`` = ctr·(1 + √(u² + r²)), where 1 + d and
    1 + u are the factors between the posterior mean and its quantiles, and 1 + r = e^x is that of
    the exposure: x = q·√Var(E_e)/(b + E_e), with q Student's quantile and Var(E_e) from the
    covariance of log θ. Impressions at slots without a propensity count in ``impressions``,
    ``clicks`` and ``raw_ctr`` only.

    How much units differ is learned from those that were shown more than once. With fewer than two
    impressions a unit, as for single impressions, intervals need not cover.
    """
    curve = curve_of(bias)
    wanted = chosen(columns, log)
    log = keyed_by(log, unit)
    refuse_query_prior(log, prior)
    if as_of is not None and not is_moment(as_of):
        as_of = times_by_example(log, as_of)
    seen = _look(log, as_of, window, half_life, prior)
    log = seen.log
    if seen.each and (names := sorted(NOT_FOR_EACH & set(wanted))):
        raise LogError(
            f"Evidence column {names[0]!r} is held against other examples, which have times of "
            "their own: with one as_of per example it would look into the future. Ask for it with "
            "one as_of for all."
        )

    sums = sum_examples(log, curve, clip=clip, decay=seen.decay)
    if RATES & set(wanted):
        sums = sums.collected()
        source = (
            sums
            if seen.prior_log is log
            else sum_examples(seen.prior_log, curve, clip=clip).collected()
        )
        if isinstance(prior, str) and INTERVALS & set(wanted):
            warn_if_seldom_shown(source, log.unit, stacklevel=2)
        fitted = fit_prior(source, prior)
        table = add_rates(log, curve, sums, prior=fitted, posterior=posterior, level=level)
    else:
        table = sums.table
    table = table.with_columns(**sums.ratios())
    if "background" in wanted:
        background = nw.col("background_fp") / FIXED_POINT if curve.has_background else nw.lit(0.0)
        table = table.with_columns(background=background)
    if "dwell_mean" in wanted:
        table = table.with_columns(dwell_mean=_mean_dwell())
    if names := [name for name in wanted if name in DWELL_BY_QUERY]:
        table = add_dwell_by_query(table, log, names)
    if CONVERSION_RATES & set(wanted):
        table = add_conversion_rates(
            table,
            log,
            as_of=seen.limit,
            window=conversion_window,
            delay=conversion_delay,
            level=level,
        )
    if names := [name for name in ("users", "sessions") if name in wanted]:
        table = add_distinct(table, log, names)
    if names := [name for name in ("first_seen", "last_seen") if name in wanted]:
        table = add_times(table, log, names)
    if "skips" in wanted:
        table = add_skips(table, log)
    if "last_clicks" in wanted:
        table = add_last_clicks(table, log)
    if "reformulated" in wanted:
        table = add_reformulated(table, log)
    native: NativeFrame = with_unit_names(table, log, wanted).to_native()
    return native


def _mean_dwell() -> nw.Expr:
    # Null where no dwell is known: 0/0 would be NaN, which Polars holds to be greater than any
    # threshold. And no division by a constant, which Polars turns into a product.
    n = nw.col("dwell_n")
    return nw.when(n > 0).then(nw.col("dwell_ms") / (n * 1000))


def gamma_prior(log: InteractionLog, curve: Propensities) -> GammaPrior:
    """The empirical-Bayes prior of a log's debiased click rates."""
    prior = fit_prior(sum_examples(log, curve).collected(), "global")
    if not isinstance(prior, GammaPrior):
        raise TypeError(type(prior).__name__)
    return prior


@dataclass(frozen=True)
class _Look:
    """What of the log may be looked at.

    Parameters
    ----------
    prior_log : from which the prior is fitted; with a time per example, the part that is known at
        the earliest of them
    limit : the one time at which it is looked at; None if there is none, or one per example
    each : whether there is one per example
    """

    log: InteractionLog
    prior_log: InteractionLog
    limit: Any = None
    each: bool = False
    decay: Decay | None = None


def _look(
    log: InteractionLog,
    as_of: Moment | NativeFrame | None,
    window: Span | None,
    half_life: Span | None,
    prior: PriorChoice,
) -> _Look:
    if as_of is None and window is None and half_life is None:
        return _Look(log, log)
    half = None if half_life is None else seconds(half_life, "half_life")
    dtype = require_time(log, "as_of, window and half_life")
    if as_of is None or is_moment(as_of):
        limit = last_time(log) if as_of is None else moment(as_of, dtype)
        seen = known_at(log, as_of, window=window)
        return _Look(seen, seen, limit, decay=None if half is None else Decay(half, limit))
    seen, earliest = known_at_each(log, as_of, window=window)
    decay = None if half is None else Decay(half)
    if not isinstance(prior, str):
        return _Look(seen, seen, None, True, decay)
    if prior == "query":
        raise LogError(
            "prior='query' would tell an example what came after its own as_of, through the other "
            "items of its query. Use prior='global', or fit a QueryPrior on earlier data."
        )
    # One prior for all must come from before the first of them.
    return _Look(seen, known_at(log, earliest), None, True, decay)
