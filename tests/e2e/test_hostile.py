"""Two hundred hostile texts in Label Studio, in a real browser: nothing runs, nothing is lost."""

from __future__ import annotations

import re
import uuid
from typing import Any

import polars as pl
import pytest
from hostile import TEXTS

import labelkit as lk
from labelkit.platforms import Interface, ScriptedAnnotator
from labelkit.platforms.interface import safe_url

pytestmark = [
    pytest.mark.label_studio,
    pytest.mark.xdist_group("label_studio"),
]

N_TASKS = 10
PER_TASK = len(TEXTS) // N_TASKS
# What an item's text must not become; Label Studio's own icons stand outside of it.
HARMFUL = "script, iframe, object, embed, form, svg, style, img, input, b, a"


def test_the_corpus_is_two_hundred_different_texts():
    assert len(TEXTS) == len(set(TEXTS)) == 200


def test_labels_of_two_hundred_hostile_keys_come_back_intact(label_studio_server, tmp_path):
    platform = lk.LabelStudio(label_studio_server.url, label_studio_server.token)
    batch = pl.DataFrame(
        {
            "query": TEXTS,
            "item": range(len(TEXTS)),
            "inclusion_probability": 1.0,
            "stratum": "informative",
        }
    )
    truth = {(text, i): i % 3 % 2 for i, text in enumerate(TEXTS)}
    with lk.Ledger(f"sqlite:///{tmp_path}/rounds.db") as ledger:
        round_ = ledger.open_round(batch, platform=platform, name=uuid.uuid4().hex)
        round_.push()
        ScriptedAnnotator(truth).answer(round_)
        assert round_.pull().n_new_annotations == len(TEXTS)
        gold = ledger.gold().select("query", "item", "label")
    assert {row[:2]: row[2] for row in gold.rows()} == truth


@pytest.fixture
def watched(page: Any) -> tuple[Any, list[str]]:
    """A page, and all that must not happen on it."""
    happened: list[str] = []

    def dialog(box: Any) -> None:
        happened.append(f"dialog: {box.message}")
        box.dismiss()

    def asked(request: Any) -> None:
        if "evil.invalid" in request.url or "bucket" in request.url:
            happened.append(f"request: {request.url}")

    def said(message: Any) -> None:
        # The browser's own word on a refused address quotes the text; what ran says just this.
        if message.text == "labelkit-ran":
            happened.append(f"console: {message.text}")

    page.on("dialog", dialog)
    page.on("request", asked)
    page.on("console", said)
    return page, happened


@pytest.mark.browser
def test_two_hundred_hostile_texts_are_shown_and_none_of_them_runs(
    watched, label_studio_server, tmp_path
):
    page, happened = watched
    platform = lk.LabelStudio(
        label_studio_server.url,
        label_studio_server.token,
        interface=Interface(images=("picture",), links=("page",), comments=True),
    )
    rows = [TEXTS[i * PER_TASK : (i + 1) * PER_TASK] for i in range(N_TASKS)]
    texts = {f"text {k}": [row[k] for row in rows] for k in range(PER_TASK)}
    batch = pl.DataFrame(
        {
            "query": [row[0] for row in rows],
            "item": range(N_TASKS),
            "inclusion_probability": 1.0,
            "stratum": "informative",
        }
    )
    # Names that mean something to JavaScript and to Label Studio's `$name`.
    odd = {"constructor": ["a"] * N_TASKS, "<b>$query</b>": ["b"] * N_TASKS}
    addresses = {"picture": [row[2] for row in rows], "page": [row[4] for row in rows]}
    items = pl.DataFrame({"item": range(N_TASKS), **texts, **odd, **addresses})
    with lk.Ledger(f"sqlite:///{tmp_path}/rounds.db") as ledger:
        round_ = ledger.open_round(
            batch, platform=platform, items=items, instructions=TEXTS[3], name=uuid.uuid4().hex
        )
        project = round_.push().project
        log_in(page, label_studio_server)
        page.goto(f"{platform.project_url(project)}?labeling=1")
        for number, row in enumerate(rows):
            wait_for_item(page, number)
            if number == 0:
                page.keyboard.press("Escape")  # the instructions
            shown = page.locator(".labelkit-text .lsf-richtext__line").all_inner_texts()
            assert shown[:PER_TASK] == list(row)
            lines = page.locator(".labelkit-text .lsf-richtext__line")
            assert lines.locator(HARMFUL).count() == 0
            # A picture and a link, of whose HTML the text must be text.
            line = page.locator(".lsf-richtext__line")
            drawn = page.locator(".labelkit-text .lsf-richtext__container").filter(has_not=line)
            assert drawn.all_inner_texts() == [row[2], row[4]]
            n_links = sum(safe_url(text) is not None for text in (row[2], row[4]))
            assert drawn.locator(HARMFUL).count() == drawn.locator("a[href^=http]").count()
            assert drawn.locator("a").count() == n_links
            page.keyboard.press("2" if number % 2 else "1")
            with page.expect_response(lambda answer: "/annotations" in answer.url and answer.ok):
                page.keyboard.press("Control+Enter")
        assert page.evaluate("window.labelkitRan") is None
        assert happened == []
        assert round_.pull().n_new_annotations == N_TASKS
        gold = ledger.gold().sort("item")
    assert gold["label"].to_list() == [number % 2 for number in range(N_TASKS)]
    assert gold["query"].to_list() == [row[0] for row in rows]


def log_in(page: Any, server: Any) -> None:
    page.goto(f"{server.url}/user/login")
    page.fill("input[name=email]", server.username)
    page.fill("input[name=password]", server.password)
    page.click("button[type=submit]")
    page.wait_for_url(re.compile(r"(?!.*/user/login)"))


def wait_for_item(page: Any, number: int) -> None:
    key = page.locator(".labelkit-key .lsf-richtext__line").nth(1)
    key.filter(has_text=re.compile(f"^{number}$")).wait_for(timeout=60_000)
    page.wait_for_selector(".labelkit-answer input", timeout=60_000)
