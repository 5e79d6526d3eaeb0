"""Which columns evidence has, what a log must bring for each, and which come unasked."""

from __future__ import annotations

from collections.abc import Collection
from difflib import get_close_matches

from labelkit.errors import LogError
from labelkit.logs import InteractionLog

# column → (what the log must have for it, meaning)
COLUMNS: dict[str, tuple[tuple[str, ...], str]] = {
    "impressions": ((), "times shown, n_e"),
    "clicks": ((), "times clicked, C_e"),
    "exposure": ((), "effective exposure Σ_k θ_k n_ek, in examined impressions"),
    "background": ((), "clicks expected without attraction, Σ_k β_k n_ek (trust bias)"),
    "raw_ctr": ((), "clicks ÷ impressions; not debiased"),
    "ips_ctr": ((), "Σ (click − β_k)·w ÷ impressions, w = 1/θ_k clipped"),
    "ctr": ((), "debiased click rate: posterior mean of γ_e"),
    "ctr_low": ((), "lower end of its 95 % interval, θ's uncertainty included"),
    "ctr_high": ((), "upper end of its 95 % interval, θ's uncertainty included"),
    "ess": ((), "effective sample size of the weights, (Σw)²/Σw²"),
    "dwell_max": (("dwell",), "longest dwell, seconds"),
    "dwell_mean": (("dwell",), "mean known dwell, seconds"),
    "dwell_ratio": (("dwell",), "mean known dwell ÷ the query's own median dwell"),
    "long_dwells": (("dwell",), "clicks that stayed longer than the query's long threshold"),
    "bounces": (("dwell",), "clicks that came back sooner than the query's short threshold"),
    "conversions": (("conversion",), "conversions"),
    "conversion_rate": (
        ("conversion|conversion_time",),
        "conversions per click, those still to come allowed for",
    ),
    "conversion_low": (("conversion|conversion_time",), "lower end of its 95 % interval"),
    "conversion_high": (("conversion|conversion_time",), "upper end of its 95 % interval"),
    "skips": (("page|session",), "times shown unclicked above a click on the same page"),
    "last_clicks": (("page|session",), "times that it was the last click of its page"),
    "reformulated": (
        ("session", "timestamp"),
        "times shown on a page without a satisfied click after which the query was changed",
    ),
    "users": (("user",), "distinct users who clicked"),
    "sessions": (("session",), "distinct sessions with a click"),
    "first_seen": (("timestamp",), "first impression"),
    "last_seen": (("timestamp",), "last impression"),
}

# They need a second pass of their own over the log, and come only when they are asked for.
ON_REQUEST = frozenset(
    {
        "background",
        "dwell_ratio",
        "long_dwells",
        "bounces",
        "conversion_rate",
        "conversion_low",
        "conversion_high",
        "last_clicks",
        "reformulated",
    }
)
RATES = frozenset({"ctr", "ctr_low", "ctr_high"})
CONVERSION_RATES = frozenset({"conversion_rate", "conversion_low", "conversion_high"})
DWELL_BY_QUERY = frozenset({"dwell_ratio", "long_dwells", "bounces"})


def available(log: InteractionLog, *, on_request: bool = True) -> tuple[str, ...]:
    """The evidence columns that this log can carry, in order.

    Parameters
    ----------
    on_request : whether to name those too that come only when they are asked for
    """
    skip = frozenset() if on_request else ON_REQUEST
    return tuple(name for name in COLUMNS if name not in skip and not lacking(name, log))


def chosen(columns: Collection[str] | None, log: InteractionLog) -> tuple[str, ...]:
    """The columns to compute, in order; without a choice, all that cost no pass of their own.

    Raises
    ------
    LogError
        A column is unknown, or the log lacks what it is made from.
    """
    if columns is None:
        return available(log, on_request=False)
    for name in columns:
        if name not in COLUMNS:
            near = get_close_matches(name, COLUMNS, n=1)
            hint = f" Did you mean {near[0]!r}?" if near else ""
            raise LogError(f"Unknown evidence column {name!r}.{hint} Known: {', '.join(COLUMNS)}.")
        if missing := lacking(name, log):
            raise LogError(
                f"Evidence column {name!r} is made from {missing}, which the log does not have. "
                f"Map it in columns, or do without {name!r}."
            )
    return tuple(name for name in COLUMNS if name in columns)


def lacking(name: str, log: InteractionLog) -> str:
    """What the log would need for the column, in words; empty if nothing."""
    for need in COLUMNS[name][0]:
        if not set(need.split("|")) & set(log.columns):
            return need.replace("|", " or ")
    return ""
