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
from labelkit.platforms import Interface, WorkedExample

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


GRADES = ("useless", "poor", "fair", "good", "perfect")


@pytest.fixture
def graded(label_studio_server: Any, tmp_path: Path) -> Any:
    """Seven tasks with five grades, a link, a box for remarks and a worked example."""
    example = WorkedExample({"query": "red sofa", "title": "Sofa cover"}, "poor", "a part of it")
    platform = lk.LabelStudio(
        label_studio_server.url,
        label_studio_server.token,
        interface=Interface(links=("page",), comments=True, examples=(example,)),
        order="priority",
    )
    n = 7
    batch = pl.DataFrame(
        {
            "query": ["running shoes women"] * n,
            "item": range(n),
            "inclusion_probability": [1.0] * n,
            "stratum": ["informative"] * n,
            "rank": range(n, 0, -1),
        }
    )
    items = pl.DataFrame(
        {
            "item": range(n),
            "title": [f"Road shoe, model {i}" for i in range(n)],
            "page": [f"https://example.com/shoes?id={i}&size=38" for i in range(n)],
        }
    )
    with lk.Ledger(f"sqlite:///{tmp_path}/rounds.db") as ledger:
        opened = ledger.open_round(
            batch,
            platform=platform,
            items=items,
            label_names=GRADES,
            instructions="How well does this item answer the query?",
            name=f"graded {uuid.uuid4().hex[:8]}",
        )
        opened.push()
        yield ledger, opened


def test_five_tasks_labeled_by_keyboard_and_one_skipped_are_what_the_pull_shows(
    page, label_studio_server, graded, tmp_path
):
    ledger, opened = graded
    log_in(page, label_studio_server)
    page.goto(f"{opened.platform.project_url(opened.project)}?labeling=1")
    page.wait_for_selector("text=a part of it", timeout=60_000)
    screenshot(page, tmp_path, "guidelines")
    page.keyboard.press("Escape")
    # By priority: the last item of the batch has the first rank.
    for item, key in zip((6, 5, 4, 3, 2, 1), ("1", "5", "skip", "3", "2", "4"), strict=True):
        wait_for_task(page, f"model {item}")
        assert chosen(page) == []
        link = page.locator(".labelkit-text a")
        assert link.get_attribute("href") == f"https://example.com/shoes?id={item}&size=38"
        assert link.get_attribute("rel") == "noopener noreferrer nofollow"
        if key == "3":
            box = page.get_by_placeholder("Remark")
            box.click()
            page.keyboard.type("2 sizes only")
            page.keyboard.press("Enter")
            assert chosen(page) == [], "what is typed as a remark chooses no label"
            page.evaluate("document.activeElement.blur()")
        with page.expect_response(lambda answer: "/annotations" in answer.url and answer.ok):
            if key == "skip":
                page.keyboard.press("Control+Space")
            else:
                page.keyboard.press(key)
                if key == "3":
                    screenshot(page, tmp_path, "graded")
                page.keyboard.press("Control+Enter")
    # Begun, and not handed in: a draft is no answer.
    wait_for_task(page, "model 0")
    with page.expect_response(lambda answer: "/drafts" in answer.url and answer.ok):
        page.keyboard.press("5")

    result = opened.pull()
    assert (result.n_new_annotations, result.n_skipped, result.n_answered_tasks) == (6, 1, 5)
    gold = ledger.gold().sort("item")
    assert dict(gold.select("item", "label").rows()) == {1: 3, 2: 1, 3: 2, 5: 4, 6: 0}
    pages = list(opened.platform.answers(opened.project))
    answers = {task.key: task.answers for page in pages for task in page}
    assert all(a.annotator == label_studio_server.username for (a,) in answers.values())
    assert all(a.lead_time_s is not None and a.lead_time_s > 0 for (a,) in answers.values())
    remarks = {key: a.comment for key, (a,) in answers.items() if a.comment}
    assert list(remarks.values()) == ["2 sizes only"]
    assert next(iter(remarks)).endswith(",3]")
    assert opened.pull().n_new_annotations == 0


def screenshot(page: Any, folder: Path, name: str) -> None:
    """Kept where LABELKIT_SCREENSHOTS says, to be looked at."""
    page.screenshot(path=Path(os.environ.get("LABELKIT_SCREENSHOTS") or folder) / f"{name}.png")
