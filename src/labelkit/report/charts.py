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
    if truth is not None:
        seen = truth.join(known.select("position"), on="position", how="semi")
        dashed = alt.Chart(seen).mark_line(color=_OTHER, strokeDash=[5, 4], strokeWidth=1.5)
        layers.append(dashed.encode(x="position:Q", y="propensity:Q"))
    return _svg(alt.layer(*layers))


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
    return _svg(chart)


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
    return _svg(chart, height=36 * len(counts))


def _svg(chart: Any, height: int = _HEIGHT) -> str:
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
        chart.properties(width=_WIDTH, height=height, background="transparent")
        .configure_axis(**axis)
        .configure_view(stroke=None)
        .to_dict()
    )
    svg: str = vl_convert.vegalite_to_svg(spec)
    for colour, variable in _VARIABLES.items():
        svg = svg.replace(f'"{colour}"', f'"{variable}"')
    return svg
