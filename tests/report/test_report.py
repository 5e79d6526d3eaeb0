"""The report: self-contained, escaped, and honest about what is not known."""

from __future__ import annotations

import re
from html.parser import HTMLParser

import polars as pl
import pytest

from labelkit.errors import ProjectError
from labelkit.project import ResultTable
from labelkit.project.biasing import BY_POSITION, CURVES, PERPLEXITY, WINDOW_CURVES
from labelkit.project.runs import FINDINGS
from labelkit.report import write_report

HOSTILE = "<script>alert(1)</script>\"'&{{ 7*7 }}</svg><img src=x onerror=alert(2)>"


class _Page(HTMLParser):
    """What a browser would see: tags with their attributes, and the text."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data):
        self.text += data


def _read(run) -> tuple[str, _Page]:
    html = write_report(run).read_text(encoding="utf-8")
    return html, _Page(html)


def test_a_run_without_gold_says_that_nobody_knows_and_what_to_run(write_run):
    _, page = _read(write_run())
    assert "Not validated yet" in page.text
    assert "labelkit round plan" in page.text
    assert "194,442" in page.text
    assert "12,345" in page.text


def test_a_validated_run_opens_with_what_the_labels_are_worth(write_run):
    _, page = _read(write_run(validated=True))
    assert "86% [80%, 91%] of the labels are right" in page.text
    assert "naive clicks are right for 69% [63%, 74%]" in page.text
    assert "0.900 [0.600, 0.980]" in page.text, "accuracy on gold stands in the LF table"
    assert "weak labels are better than naive clicks" in page.text
    assert "Not validated yet" not in page.text


def test_the_page_asks_for_nothing_and_runs_nothing(write_run):
    html, page = _read(write_run(validated=True))
    assert not {"script", "link", "iframe", "img", "object", "embed"} & {t for t, _ in page.tags}
    for tag, attributes in page.tags:
        for name, value in attributes.items():
            assert not name.startswith("on"), f"{tag} has {name}"
            if name in ("src", "href", "xlink:href", "action"):
                assert (value or "").startswith("#"), f"{tag} asks for {value}"
    addresses = set(re.findall(r"https?://[^\s\"'<>)]+", html))
    assert addresses <= {"http://www.w3.org/2000/svg", "http://www.w3.org/1999/xlink"}
    assert "url(" not in html.replace("url(#", "")


def test_charts_are_drawn_into_the_page(write_run):
    _, page = _read(write_run())
    assert sum(tag == "svg" for tag, _ in page.tags) >= 2
    assert "propensity" in page.text
    assert "var(--main)" in str(page.tags), "chart colours follow the page's dark mode"


def test_text_from_functions_and_tables_never_becomes_markup(write_run):
    run = write_run(name=HOSTILE, doc=HOSTILE, validated=True)
    frame = pl.DataFrame({HOSTILE: [HOSTILE], "n": [1]})
    ResultTable("t", HOSTILE, HOSTILE, frame).save(run)
    html, page = _read(run)
    assert "<script" not in html
    assert "<img" not in html
    assert page.text.count("<script>alert(1)</script>") >= 5, "it is shown, as text"
    assert "49" not in page.text.replace("0.49", ""), "templates inside data are not run"


def test_hostile_label_names_do_not_break_the_chart(write_run):
    run = write_run()
    manifest = (run / "manifest.json").read_text(encoding="utf-8")
    changed = manifest.replace('"irrelevant"', '"a"').replace(
        '"relevant"\n', '"</svg><script>x</script>",\n    "third"\n'
    )
    assert changed.count("</svg>") == 1
    (run / "manifest.json").write_text(changed, encoding="utf-8")
    html, page = _read(run)
    assert "<script" not in html
    assert "third" in page.text


def test_the_truth_is_drawn_beside_the_curve_where_it_is_known(write_run):
    run = write_run()
    truth = pl.DataFrame({"position": [1, 2, 3], "propensity": [1.0, 0.5, 0.33]})
    truth.write_parquet(run / "propensity_truth.parquet")
    _, page = _read(run)
    assert "The dashed line is the truth" in page.text
    assert "stroke-dasharray" in str(page.tags)


def _bias_tables(run) -> None:
    """What `labelkit bias` leaves in a run, with hostile names where users' names go."""
    k = list(range(1, 5))
    curves = [
        pl.DataFrame(
            {
                "method": name,
                "position": k,
                "propensity": [1 / x for x in k],
                "low": [0.8 / x for x in k],
                "high": [1.2 / x for x in k],
            }
        )
        for name in ("poisson", "allpairs")
    ]
    windows = pl.concat(curves).rename({"method": "group"})
    windows = windows.with_columns(pl.lit(HOSTILE).alias("group"))
    perplexity = pl.DataFrame(
        {
            "model": "PBM",
            "position": k,
            "perplexity": [1.5, 1.3, 1.2, 1.1],
            "perplexity_low": [1.4, 1.2, 1.1, 1.0],
            "perplexity_high": [1.6, 1.4, 1.3, 1.2],
        }
    )
    weights = pl.DataFrame(
        {
            "device": [HOSTILE, "desk"] * 2,
            "position": [1, 1, 2, 2],
            "share_of_clicks": [0.4, 0.3, 0.2, 0.1],
            "share_of_weight": [0.1, 0.2, 0.3, 0.4],
        }
    )
    findings = pl.DataFrame({"level": ["stop"], "finding": ["trust bias"], "message": [HOSTILE]})
    for name, frame in {
        CURVES: pl.concat(curves),
        PERPLEXITY: perplexity,
        BY_POSITION: weights,
        WINDOW_CURVES: windows,
        FINDINGS: findings,
    }.items():
        ResultTable(name, f"title of {name}", "a note", frame).save(run)


def test_what_bias_found_is_drawn_in_its_section_and_nowhere_else(write_run):
    run = write_run()
    _, before = _read(run)
    assert "labelkit bias" in before.text
    _bias_tables(run)
    html, page = _read(run)
    drawn = sum(tag == "svg" for tag, _ in page.tags) - sum(tag == "svg" for tag, _ in before.tags)
    assert drawn == 4
    assert page.text.index("Position bias") < page.text.index(f"title of {CURVES}")
    assert page.text.index(f"title of {WINDOW_CURVES}") < page.text.index("Labeling functions")
    assert "var(--s2)" not in html.split("</style>")[1], "two curves take two colours"
    assert "Run labelkit bias for" not in page.text
    assert "<script" not in html
    assert "stop" in page.text


def test_a_curve_per_context_is_drawn_one_line_each(write_run):
    run = write_run()
    one = pl.read_parquet(run / "propensities.parquet")
    two = [one.select(pl.lit(name).alias("device"), pl.all()) for name in ("desk", HOSTILE)]
    pl.concat(two).write_parquet(run / "propensities.parquet")
    html, page = _read(run)
    assert "desk" in page.text
    assert "<script" not in html


def test_a_directory_that_is_no_run_is_refused(tmp_path):
    with pytest.raises(ProjectError, match=r"no manifest.json"):
        write_report(tmp_path)


def test_writing_it_again_gives_the_same_page(write_run):
    run = write_run(validated=True)
    assert write_report(run).read_bytes() == write_report(run).read_bytes()
