"""Learning curves of strategies as one chart, from a table that somebody simulated."""

from __future__ import annotations

from typing import TYPE_CHECKING

from labelkit.report.charts import curve_scale, to_svg

if TYPE_CHECKING:
    import polars as pl


def learning_chart(curves: pl.DataFrame, *, metric: str = "quality") -> str:
    """Quality against labels, a curve a strategy, with its interval over seeds as a band.

    Parameters
    ----------
    curves : ``strategy``, ``n_labels``, ``quality``, ``low``, ``high``: the ``frame`` of
        ``simulate_rounds``
    metric : what quality is, for the axis

    Returns
    -------
    SVG text.
    """
    import altair as alt

    names = curves["strategy"].unique(maintain_order=True).to_list()
    colour = alt.Color("strategy:N", title=None, sort=None, scale=curve_scale(names),
                       legend=alt.Legend(orient="bottom", symbolType="circle"))  # fmt: skip
    x = alt.X("n_labels:Q", title="labels", axis=alt.Axis(grid=False, format="d"))
    scale = alt.Scale(zero=False, nice=True)
    y = alt.Y("quality:Q", title=metric.replace("_", " "), scale=scale, axis=alt.Axis(tickCount=5))
    base = alt.Chart(curves)
    return to_svg(
        alt.layer(
            base.mark_area(opacity=0.12).encode(
                x=x, y=alt.Y("low:Q", scale=scale), y2="high:Q", color=colour
            ),
            base.mark_line(strokeWidth=1.6).encode(x=x, y=y, color=colour),
            base.mark_point(filled=True, size=26, opacity=1).encode(x=x, y=y, color=colour),
        )
    )
