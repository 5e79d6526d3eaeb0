"""A person at a real browser: logs in, reads a task, labels it; the round brings the label back."""

from __future__ import annotations

import os
import re
import uuid
from pathlib import Path
from typing import Any

import polars as pl
import pytest

import labelkit as lk

pytestmark = [
    pytest.mark.label_studio,
    pytest.mark.browser,
    pytest.mark.xdist_group("label_studio"),
]

HOSTILE = (
    "<script>window.hacked = 1</script><img src='x' onerror='window.hacked = 1'>"
    "<b>bold?</b> $query {{7*7}} ${window.hacked = 1} </View><View> &lt;i&gt;"
)


# What Label Studio calls its buttons to screen readers.
SUBMIT, SKIP = "Submit current annotation", "skip-task"


def log_in(page: Any, server: Any) -> None:
    page.goto(f"{server.url}/user/login")
    page.fill("input[name=email]", server.username)
    page.fill("input[name=password]", server.password)
    page.click("button[type=submit]")
    page.wait_for_url(re.compile(r"(?!.*/user/login)"))


def wait_for_task(page: Any, text: str) -> None:
    page.wait_for_selector(f".labelkit-example :text({text!r})", timeout=60_000)
    page.wait_for_selector(".labelkit-answer input", timeout=60_000)
    page.wait_for_load_state("networkidle")


def chosen(page: Any) -> list[str]:
    """Names of the labels that are ticked."""
    return [
        box.get_attribute("name") for box in page.locator(".labelkit-answer input:checked").all()
    ]


def finish(page: Any, button: str) -> None:
    with page.expect_response(lambda answer: "/annotations" in answer.url and answer.ok):
        page.get_by_role("button", name=button, exact=True).click()


@pytest.fixture
def round_(label_studio_server: Any, tmp_path: Path) -> Any:
    """A round of three tasks: one with a guess, one audited, one hostile."""
    platform = lk.LabelStudio(label_studio_server.url, label_studio_server.token)
    batch = pl.DataFrame(
        {
            "query": ["running shoes women", "running shoes women", HOSTILE],
            "item": [1, 2, 3],
            "p_0": [0.1, 0.1, 0.9],
            "p_1": [0.9, 0.9, 0.1],
            "inclusion_probability": [1.0, 0.2, 1.0],
            "stratum": ["informative", "audit", "informative"],
            "rank": [1, 2, 3],
        }
    )
    items = pl.DataFrame(
        {
            "item": [1, 2, 3],
            "title": ["Lightweight road running shoe, women's 36–42", "Leather boots", HOSTILE],
            "text": [
                "Breathable mesh upper, 8 mm drop, 210 g. Reviewed by 1,284 runners; "
                "for daily training on road and track.",
                "Full-grain leather, welted sole.",
                HOSTILE,
            ],
            "price": [89.9, 149.0, None],
        }
    )
    with lk.Ledger(f"sqlite:///{tmp_path}/rounds.db") as ledger:
        opened = ledger.open_round(
            batch,
            platform=platform,
            items=items,
            label_names=("not relevant", "relevant"),
            instructions="Would somebody who typed this query be glad to see this item?",
            name=f"shoes {uuid.uuid4().hex[:8]}",
            model_version="label model 1",
        )
        opened.push()
        yield ledger, opened


def test_what_a_person_answers_in_the_browser_is_what_the_next_pull_brings(
    page, label_studio_server, round_, tmp_path
):
    ledger, opened = round_
    log_in(page, label_studio_server)
    page.goto(f"{opened.platform.project_url(opened.project)}?labeling=1")
    page.wait_for_selector("text=glad to see this item", timeout=60_000)
    page.keyboard.press("Escape")

    wait_for_task(page, "Lightweight road running shoe")
    assert chosen(page) == ["relevant"], "the soft label is shown as a guess"
    screenshot(page, tmp_path, "guessed")
    page.keyboard.press("1")
    assert chosen(page) == ["not relevant"]
    finish(page, SUBMIT)

    wait_for_task(page, "Leather boots")
    assert chosen(page) == [], "the audit sample shows no guess"
    finish(page, SKIP)

    wait_for_task(page, "bold?")
    screenshot(page, tmp_path, "hostile")
    shown = page.locator(".labelkit-text .lsf-richtext__line").all_inner_texts()
    assert shown == [HOSTILE, HOSTILE, "—"], "markup is text, to the last character"
    assert page.locator(".labelkit-example").locator("script, img, b, i").count() == 0
    assert page.evaluate("window.hacked") is None
    page.keyboard.press("2")
    finish(page, SUBMIT)

    result = opened.pull()
    assert (result.n_new_annotations, result.n_skipped, result.n_answered_tasks) == (3, 1, 2)
    gold = ledger.gold()
    assert dict(gold.select("item", "label").rows()) == {1: 0, 3: 1}
    assert gold.filter(item=3)["query"].item() == HOSTILE
    assert opened.pull().n_new_annotations == 0
    assert page.evaluate("window.hacked") is None


def screenshot(page: Any, folder: Path, name: str) -> None:
    """Kept where LABELKIT_SCREENSHOTS says, to be looked at."""
    page.screenshot(path=Path(os.environ.get("LABELKIT_SCREENSHOTS") or folder) / f"{name}.png")
