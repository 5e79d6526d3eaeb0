"""The report: one self-contained page on a run, for whoever has to trust its labels.

What comes in: a run directory. What goes out: ``report.html``, which needs no network, no script
and nothing beside it. It must never compute an estimate, or let a user's text become markup.

- ``sheets``  small frames as text cells, also for the terminal
- ``charts``  Altair charts as inline SVG
- ``learning`` learning curves of strategies
- ``bias``    what there is to say about position bias
- ``functions`` what the labeling functions do together
- ``page``    what there is to say about a run
- ``report.html.j2``, ``report.css``  how it looks
"""

from __future__ import annotations

from pathlib import Path

from labelkit.files import write_text

__all__ = ["write_report"]


def write_report(run_path: str | Path) -> Path:
    """Write ``report.html`` into a run directory, and return its path.

    Raises
    ------
    ProjectError
        The directory is not a complete run.

    Notes
    -----
    Text from the log, the labeling functions and the tables is escaped. A content security policy
    forbids scripts and any request, in case something were to slip through.
    """
    import jinja2
    from markupsafe import Markup

    from labelkit.project import Run
    from labelkit.report.page import describe

    here = Path(__file__).resolve().parent
    run = Run(Path(run_path))
    page = describe(run)
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(here),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
    )
    # Only what this package itself drew or wrote goes in unescaped.
    html = environment.get_template("report.html.j2").render(
        page=page,
        style=Markup((here / "report.css").read_text(encoding="utf-8")),  # noqa: S704
        propensity_svg=Markup(page.propensity_svg),  # noqa: S704
        label_svg=Markup(page.label_svg),  # noqa: S704
        function_parts=[(part, Markup(part.svg)) for part in page.function_parts],  # noqa: S704
        bias_parts=[(part, Markup(part.svg)) for part in page.bias_parts],  # noqa: S704
    )
    path = run.path / "report.html"
    write_text(path, html)
    return path
