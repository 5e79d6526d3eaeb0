"""Charts as inline SVG: drawn once with Altair, shown anywhere, with no script and no network."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import altair as alt
    import polars as pl

# Drawn in these colours and then handed to the page's style sheet, which has a dark mode.
_INK, _FAINT, _GRID, _MAIN, _OTHER = "#1a1b1e", "#6b7076", "#e3e5e8", "#2f6feb", "#c2410c"
_VARIABLES = {
    _INK: "var(--ink)",
    _FAINT: "var(--faint)",
    _GRID: "var(--line)",
    _MAIN: "var(--main)",
    _OTHER: "var(--other)",
}
# One colour a curve, told apart by people who do not see red and green as others do.
_SERIES = [_MAIN, _OTHER, "#0f8a6c", "#8b5cf6", "#b58900", "#64748b", "#d6409f", "#0891b2"]
_GREY = "#9aa3ad"
_VARIABLES |= {colour: f"var(--s{i})" for i, colour in enumerate(_SERIES) if i > 1}
_VARIABLES[_GREY] = "var(--grey)"
_WIDTH, _HEIGHT = 640, 230


def propensity_chart(propensities: pl.DataFrame, truth: pl.DataFrame | None = None) -> str:
    """The propensity curve with its intervals, and the truth dashed where it is known.

    Parameters
    ----------
    propensities : ``position``, ``propensity``, ``low``, ``high``
    truth : ``position``, ``propensity``, for simulated logs

    Returns
    -------
    SVG text.
    """
    import altair as alt

    known = propensities.drop_nulls("propensity").drop_nans("propensity").sort("position")
    positions, thetas = known["position"].to_list(), known["propensity"].to_list()
    x = alt.X(
        "position:Q",
        title="position",
        scale=alt.Scale(domain=[positions[0] - 0.5, positions[-1] + 0.5], nice=False),
        axis=alt.Axis(tickCount=min(len(positions), 20), format="d", grid=False),
    )
    # A wide interval at the bottom of the page must not flatten the curve.
    y_scale = alt.Scale(domain=[0, max(1.0, *thetas) * 1.15], clamp=True)
    y = alt.Y("propensity:Q", title="propensity", scale=y_scale, axis=alt.Axis(tickCount=5))
    base = alt.Chart(known)
    bars = base.mark_rule(color=_MAIN, strokeWidth=2, opacity=0.45)
    layers: list[alt.Chart] = [
        bars.encode(x=x, y=alt.Y("low:Q", scale=y_scale), y2="high:Q"),
        base.mark_line(color=_MAIN, strokeWidth=1.5).encode(x=x, y=y),
        base.mark_point(color=_MAIN, filled=True, size=48, opacity=1).encode(x=x, y=y),
    ]
    if truth is not None and len(known):
        seen = truth.join(known.select("position"), on="position", how="semi")
        dashed = alt.Chart(seen).mark_line(color=_OTHER, strokeDash=[5, 4], strokeWidth=1.5)
        layers.append(dashed.encode(x="position:Q", y="propensity:Q"))
    return to_svg(alt.layer(*layers))


def curves_chart(
    curves: pl.DataFrame, by: str, *, y: str = "propensity", low: str = "low", high: str = "high"
) -> str:
    """Several curves over position, each with its intervals, told apart by colour.

    Parameters
    ----------
    curves : ``by`` (name of the curve, text), ``position``, and columns ``y``, ``low``, ``high``

    Returns
    -------
    SVG text.
    """
    import altair as alt
    import polars as pl

    known = curves.drop_nulls(y).drop_nans(y)
    names = known[by].unique(maintain_order=True).to_list()
    place = {name: number for number, name in enumerate(names)}
    # Beside each other, so that intervals of one position can be compared.
    step = 0.5 / max(len(names), 1)
    shift = pl.col(by).replace_strict(place, return_dtype=pl.Float64) - (len(names) - 1) / 2
    known = known.select(
        pl.col(by).alias("curve"),
        place=pl.col("position") + step * shift,
        y=pl.col(y),
        low=pl.col(low).fill_nan(None).fill_null(pl.col(y)),
        high=pl.col(high).fill_nan(None).fill_null(pl.col(y)),
    )
    positions = curves["position"]
    first, last = _whole(positions.min()), _whole(positions.max())
    x = alt.X(
        "place:Q",
        title="position",
        scale=alt.Scale(domain=[first - 0.5, last + 0.5], nice=False),
        axis=alt.Axis(tickCount=min(last - first + 1, 20), format="d", grid=False),
    )
    # A wide interval at the bottom of the page must not flatten the curves.
    top, bottom = float(max(known["y"])), float(min(known["y"]))
    ends = [0.0, max(top, 1.0) * 1.15] if y == "propensity" else [bottom * 0.98, top * 1.02]
    scale = alt.Scale(domain=ends, clamp=True, zero=False)
    colour = alt.Color(
        "curve:N",
        title=None,
        sort=None,
        scale=curve_scale(names),
        legend=alt.Legend(
            orient="bottom",
            columns=4 if max(map(len, names), default=0) < 16 else 2,
            columnPadding=18,
            labelLimit=260,
            symbolType="circle",
        ),
    )
    base = alt.Chart(known)
    height = alt.Y("y:Q", title=y.replace("_", " "), scale=scale, axis=alt.Axis(tickCount=5))
    return to_svg(
        alt.layer(
            base.mark_rule(strokeWidth=1.5, opacity=0.45).encode(
                x=x, y=alt.Y("low:Q", scale=scale), y2="high:Q", color=colour
            ),
            base.mark_line(strokeWidth=1.2, opacity=0.6).encode(x=x, y=height, color=colour),
            base.mark_point(filled=True, size=30, opacity=1).encode(x=x, y=height, color=colour),
        )
    )


def curve_scale(names: list[str]) -> alt.Scale:
    """One colour a curve, in the order of ``names``."""
    import altair as alt

    return alt.Scale(domain=names, range=[_SERIES[i % len(_SERIES)] for i in range(len(names))])


def weight_chart(weights: pl.DataFrame) -> str:
    """Which positions the clicks come from, and which positions the weight.

    Parameters
    ----------
    weights : ``position``, ``share_of_clicks``, ``share_of_weight``
    """
    import altair as alt

    shares = ["share_of_clicks", "share_of_weight"]
    # Contexts share positions.
    summed = weights.select("position", *shares).group_by("position").sum().sort("position")
    long = summed.unpivot(shares, index="position", variable_name="of")
    names = {"share_of_clicks": "clicks", "share_of_weight": "weight"}
    long = long.with_columns(long["of"].replace(names))
    chart = (
        alt.Chart(long)
        .mark_bar(opacity=0.9)
        .encode(
            x=alt.X("position:O", title="position", axis=alt.Axis(labelAngle=0)),
            xOffset=alt.XOffset("of:N", sort=None),
            y=alt.Y("value:Q", title="share", axis=alt.Axis(tickCount=4, format="%")),
            color=alt.Color(
                "of:N",
                title=None,
                sort=None,
                scale=alt.Scale(domain=["clicks", "weight"], range=[_GREY, _MAIN]),
                legend=alt.Legend(orient="bottom"),
            ),
        )
    )
    return to_svg(chart)


def agreement_chart(pairs: pl.DataFrame) -> str:
    """A heat map of how LFs agree: the share of joint votes that are alike, pair by pair.

    Parameters
    ----------
    pairs : ``lf``, ``other``, ``together``, ``agreement``, each pair once

    Notes
    -----
    The deeper the colour, the further from a coin: blue where they agree, orange where they
    contradict each other. Pairs that never meet stay empty.
    """
    import altair as alt
    import polars as pl

    names = list(dict.fromkeys([*pairs["lf"], *pairs["other"]]))
    known = pairs.drop_nulls("agreement")
    columns = ["lf", "other", "agreement"]
    turned = known.select(lf="other", other="lf", agreement="agreement")
    both = pl.concat([known.select(columns), turned])
    # Opacity over the paper, in place of a colour scale: it follows the page's dark mode.
    away = (2 * pl.col("agreement") - 1).abs()
    both = both.with_columns(
        side=pl.when(pl.col("agreement") >= 0.5).then(pl.lit("agree")).otherwise(pl.lit("differ")),
        strength=away * 0.85 + 0.05,
        text=pl.col("agreement").round(2),
    )
    size = max(min(44, _WIDTH // max(len(names), 1)), 9)
    scale = alt.Scale(domain=names)
    slanted = alt.Axis(labelAngle=-40, labelLimit=150, grid=False)
    level = alt.Axis(labelLimit=220, grid=False)
    base = alt.Chart(both).encode(
        x=alt.X("other:N", title=None, sort=names, scale=scale, axis=slanted),
        y=alt.Y("lf:N", title=None, sort=names, scale=scale, axis=level),
    )
    cells = base.mark_rect(stroke=_GRID, strokeWidth=1).encode(
        color=alt.Color(
            "side:N",
            title=None,
            scale=alt.Scale(domain=["agree", "differ"], range=[_MAIN, _OTHER]),
            legend=None,
        ),
        opacity=alt.Opacity("strength:Q", scale=None),
    )
    layers: list[alt.Chart] = [cells]
    if size >= 34:
        figures = base.mark_text(fontSize=11, color=_INK)
        layers.append(figures.encode(text=alt.Text("text:Q", format=".2f")))
    return to_svg(alt.layer(*layers), height=size * len(names), width=size * len(names))


def label_chart(bins: pl.DataFrame) -> str:
    """How many examples have which probability of the last label.

    Parameters
    ----------
    bins : ``start``, ``end`` in [0, 1], ``examples``
    """
    import altair as alt

    chart = (
        alt.Chart(bins)
        .mark_rect(color=_MAIN, opacity=0.85)
        .encode(
            x=alt.X(
                "start:Q",
                title="probability",
                scale=alt.Scale(domain=[0, 1]),
                axis=alt.Axis(grid=False, tickCount=10),
            ),
            x2="end:Q",
            y=alt.Y("examples:Q", title="examples", axis=alt.Axis(tickCount=4, format="~s")),
            y2=alt.value(_HEIGHT),
        )
    )
    return to_svg(chart)


def count_chart(counts: pl.DataFrame) -> str:
    """How many examples got which label.

    Parameters
    ----------
    counts : ``label`` (name), ``examples``, in the order of the classes
    """
    import altair as alt

    chart = (
        alt.Chart(counts)
        .mark_bar(color=_MAIN, opacity=0.85)
        .encode(
            x=alt.X("examples:Q", title="examples", axis=alt.Axis(tickCount=5, format="~s")),
            y=alt.Y("label:N", title=None, sort=None),
        )
    )
    return to_svg(chart, height=36 * len(counts))


def annotator_chart(annotators: pl.DataFrame) -> str:
    """Accuracy of each annotator with its interval.

    Parameters
    ----------
    annotators : ``annotator``, ``accuracy``, ``low``, ``high``, in the order of the page
    """
    import altair as alt

    who = alt.Y("annotator:N", title=None, sort=None)
    scale = alt.Scale(domain=[0, 1])
    base = alt.Chart(annotators)
    reach = base.mark_rule(color=_MAIN).encode(
        y=who, x=alt.X("low:Q", title="accuracy", scale=scale), x2="high:Q"
    )
    points = base.mark_point(color=_MAIN, filled=True, size=60, opacity=1).encode(
        y=who, x=alt.X("accuracy:Q", title="accuracy", scale=scale)
    )
    return to_svg(reach + points, height=24 * len(annotators))


def _whole(value: object) -> int:
    return int(value) if isinstance(value, int | float) else 1


def to_svg(chart: Any, height: int = _HEIGHT, width: int = _WIDTH) -> str:
    """A chart as SVG text, in the page's type and colours."""
    import vl_convert

    axis = {
        "labelColor": _FAINT,
        "titleColor": _FAINT,
        "titleFontWeight": "normal",
        "gridColor": _GRID,
        "domainColor": _GRID,
        "tickColor": _GRID,
        "labelFontSize": 12,
        "titleFontSize": 12,
    }
    spec = (
        chart.properties(
            width=width,
            height=height,
            background="transparent",
            # Fonts of a browser may be wider than those that the labels were measured with.
            padding={"left": 16, "top": 5, "right": 5, "bottom": 5},
        )
        .configure_axis(**axis)
        .configure_view(stroke=None)
        .configure_legend(labelColor=_FAINT, labelFontSize=12)
        .to_dict()
    )
    svg: str = vl_convert.vegalite_to_svg(spec)
    for colour, variable in _VARIABLES.items():
        svg = svg.replace(f'"{colour}"', f'"{variable}"')
    return svg
