"""A page on the people of a round: agreement, annotators, and when the work will end."""

from __future__ import annotations

from dataclasses import asdict
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING

from labelkit.files import write_text
from labelkit.report.charts import annotator_chart

if TYPE_CHECKING:
    import polars as pl

    from labelkit.project.people import PeopleReport

_PAGE = """\
<!doctype html>
<html lang="en"><head><meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<title>labelkit: people of {{ title }}</title><style>{{ style }}</style></head><body>
{% macro table(frame) -%}
<div class="scroll"><table><thead><tr>{% for c in frame.columns %}<th>{{ c }}</th>{% endfor %}</tr>
</thead><tbody>{% for row in frame.iter_rows() %}<tr>{% for cell in row %}<td>
{%- if cell is none %}—{% elif cell is float %}{{ "%.3g"|format(cell) }}{% else %}{{ cell }}
{%- endif %}</td>{% endfor %}</tr>{% endfor %}</tbody></table></div>
{%- endmacro %}
<main><h1>People of {{ title }}</h1><p>{{ said }}</p>
<h2>Agreement</h2><p>On examples with two answers or more; hidden gold is left out. Intervals are
95 %, over examples. α and κ fall where one class is rare; AC1 hardly does.</p>{{ table(agreed) }}
<h2>Annotators</h2><p>Accuracy on hidden gold where there is any, else by the crowd model, with
95 % intervals.</p>{% if chart %}<figure>{{ chart|safe }}</figure>{% endif %}{{ table(annotators) }}
</main></body></html>
"""


def write_people(found: PeopleReport, directory: Path, *, title: str) -> Path:
    """Write the page into ``directory`` as ``people-<title>.html``; returns where it is."""
    import jinja2
    import polars as pl

    # Names of annotators and rounds are data: everything is escaped but our own chart.
    template = jinja2.Environment(autoescape=True).from_string(_PAGE)
    agreed = pl.DataFrame([asdict(one) for one in found.agreement])
    judged = judged_annotators(found.annotators)
    text = template.render(
        title=title,
        style=files("labelkit.report").joinpath("report.css").read_text(encoding="utf-8"),
        said=found.said,
        agreed=agreed,
        annotators=found.annotators,
        chart=annotator_chart(judged) if len(judged) else "",
    )
    name = "".join(c if c.isalnum() or c in "-_" else "-" for c in title)
    path = directory / f"people-{name}.html"
    write_text(path, text)
    return path


def judged_annotators(annotators: pl.DataFrame) -> pl.DataFrame:
    """``annotator``, ``accuracy``, ``low``, ``high``: by hidden gold, else by the crowd model."""
    import polars as pl

    return annotators.select(
        "annotator",
        accuracy=pl.coalesce("known_accuracy", "crowd_accuracy"),
        low=pl.coalesce("known_low", "crowd_low"),
        high=pl.coalesce("known_high", "crowd_high"),
    ).filter(pl.col("accuracy").is_not_null())
