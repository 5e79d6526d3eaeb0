"""A small project on a simulated log, for the tests of every room that works on projects."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path

import polars as pl
import pytest

LFS = '''
"""Votes on what the clicks say."""
from labelkit import col, labeling_function, vote

IRRELEVANT, RELEVANT = 0, 1


@labeling_function
def clicked_often():
    """A debiased click rate this high is rare for an irrelevant item."""
    return vote(RELEVANT, where=col("ctr_low") > 0.15)


@labeling_function
def hardly_clicked():
    """Seen often enough that a relevant item would have been clicked."""
    return vote(IRRELEVANT, where=col("ctr_high") < 0.25)


@labeling_function
def good_page():
    """The item's own quality score, from the user's table."""
    return vote(RELEVANT, where=col("quality") > 0.6) | vote(
        IRRELEVANT, where=col("quality") < 0.3
    )


@labeling_function
def clicks_beat_the_average():
    """More inverse-propensity-weighted clicks than most."""
    return vote(RELEVANT, where=col("ips_ctr") > 0.5) | vote(IRRELEVANT, where=col("ips_ctr") < 0.1)
'''

TOML = """\
[log]
paths = ["log.parquet"]
[log.columns]
query = "qid"
item = "doc"
[tables.items]
path = "items.parquet"
keys = ["query", "item"]
show = ["title"]
[selection]
n = 40
audit_share = 0.5
[run]
seed = 3
"""


@dataclass(frozen=True)
class SmallProject:
    """A project directory that can be labeled, and the relevance behind its log.

    ``truth`` has keys ``query``, ``item`` and ``label``.
    """

    path: Path
    truth: pl.DataFrame

    def append(self, text: str) -> None:
        """Add settings at the end of ``labelkit.toml``."""
        with (self.path / "labelkit.toml").open("a", encoding="utf-8") as file:
            file.write(text)

    def replace(self, old: str, new: str) -> None:
        """Change settings in ``labelkit.toml``."""
        path = self.path / "labelkit.toml"
        text = path.read_text(encoding="utf-8")
        assert old in text
        path.write_text(text.replace(old, new), encoding="utf-8")

    def answer(self, round_name: str, *, most: int | None = None) -> int:
        """Fill in a round's answer sheet from the truth, as a person would; returns how many.

        ``most`` answers at most that many tasks, from the top.
        """
        sheet = self.path / "rounds" / round_name / "annotations.csv"
        with sheet.open(encoding="utf-8", newline="") as file:
            rows = list(csv.DictReader(file))
        label_of = {(str(q), str(i)): y for q, i, y in self.truth.iter_rows()}
        chosen = rows[:most]
        for row in chosen:
            row["label"] = ("irrelevant", "relevant")[label_of[row["query"], row["item"]]]
            row["annotator"] = "ann"
        with sheet.open("w", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, list(rows[0]))
            writer.writeheader()
            writer.writerows(rows)
        return len(chosen)


@pytest.fixture(scope="session")
def simulated_shop() -> tuple[pl.DataFrame, pl.DataFrame]:
    """A simulated log, and the relevance behind it: relevant is what attracts every fourth look."""
    from labelkit.logs.simulator import Catalogue, simulate

    catalogue = Catalogue.synthetic(150, 12, seed=4)
    log = simulate(30_000, seed=4, catalogue=catalogue, extras=("dwell",)).frame
    relevant = (pl.col("attractiveness") > 0.25).cast(pl.Int64)
    return log, catalogue.frame.select("query", "item", label=relevant)


@pytest.fixture
def small_project(tmp_path: Path, simulated_shop) -> SmallProject:
    """A project of its own on the simulated log: 30,000 impressions of 1,800 examples."""
    log, truth = simulated_shop
    path = tmp_path / "shop"
    (path / "labeling_functions").mkdir(parents=True)
    (path / "labelkit.toml").write_text(TOML, encoding="utf-8")
    (path / "labeling_functions" / "clicks.py").write_text(LFS, encoding="utf-8")
    log.rename({"query": "qid", "item": "doc"}).write_parquet(path / "log.parquet")
    noise = pl.int_range(pl.len()) * 37 % 50 / 100
    truth.select(
        "query",
        "item",
        quality=pl.col("label") * 0.4 + noise,
        title=pl.format("Page {} <b>&", "item"),
    ).write_parquet(path / "items.parquet")
    return SmallProject(path, truth)
