from __future__ import annotations

from html.parser import HTMLParser
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labelkit.errors import PlatformError
from labelkit.platforms import Interface, WorkedExample
from labelkit.platforms.exchange import human_answer, task_json
from labelkit.platforms.interface import made_name, safe_url
from labelkit.platforms.labeling_config import labeling_config
from labelkit.rounds import DisplayField, ProjectSpec, TaskSpec

TEXTS = ("Text", "HyperText")


def spec_of(*captions, labels=("no", "yes")):
    fields = tuple(DisplayField(c, c, i == 0) for i, c in enumerate(captions))
    return ProjectSpec("uid", "title", tuple(labels), fields)


class Tags(HTMLParser):
    """The tags and the text that a browser would make of some HTML."""

    def __init__(self, html):
        super().__init__()
        self.tags, self.text = [], ""
        self.feed(html)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data):
        self.text += data


@pytest.mark.parametrize(
    "url",
    [
        "https://example.com/a.png",
        "http://example.com:8080/a?b=c&d=e#f",
        "https://xn--bcher-kva.example/",
        "https://8.8.8.8/x",
    ],
)
def test_plain_public_addresses_are_opened(url):
    assert safe_url(url) == url


@pytest.mark.parametrize(
    "text",
    [
        "javascript:alert(1)",
        "JaVaScRiPt:alert(1)",
        " https://example.com",
        "https://example.com/\n",
        "https://exa\tmple.com/",
        "data:text/html,<script>1</script>",
        "file:///etc/passwd",
        "ftp://example.com/x",
        "//example.com/x",
        "/data/upload/x.png",
        "s3://bucket/x",
        "https://user:pw@example.com/",
        "https://example.com@evil.invalid/",
        "https://example.com\\@evil.invalid/",
        'https://example.com/"onload=alert(1)',
        "https://example.com/<b>",
        "https://example.com/$query",
        "https://exämple.com/",
        "https://[::1]/",
        "https://[oops/",
        "http://example.com:99999/",
        "http://localhost:8080/logout",
        "http://LOCALHOST./x",
        "http://printer.local/",
        "http://127.0.0.1/",
        "http://127.1/",
        "http://2130706433/",
        "http://0x7f.0.0.1/",
        "http://0x7f000001/",
        "http://10.1.2.3/",
        "http://192.168.0.1/",
        "http://169.254.169.254/latest/meta-data",
        "http:///x",
        "https://example.com/" + "x" * 3000,
        "—",
        "",
    ],
)
def test_anything_else_is_text(text):
    assert safe_url(text) is None
    spec, interface = (
        spec_of("query", "page", "photo"),
        Interface(images=("photo",), links=("page",)),
    )
    data = {"query": "q", "page": text, "photo": text}
    for html in interface.task_data(spec, TaskSpec("k", data)).values():
        seen = Tags(html)
        assert seen.tags == [("span", {})]
        assert seen.text == text


def test_named_hosts_are_the_only_ones_and_may_be_inside():
    hosts = ("example.com", "10.1.2.3")
    assert safe_url("http://10.1.2.3/x", hosts)
    assert safe_url("https://cdn.example.com/x", hosts)
    assert safe_url("https://badexample.com/x", hosts) is None
    assert safe_url("https://other.org/x", hosts) is None


@given(st.text(max_size=60))
def test_whatever_a_text_holds_it_is_one_picture_or_one_text(text):
    spec, interface = spec_of("query", "photo"), Interface(images=("photo",))
    for value in (text, f"https://example.com/{text}"):
        (html,) = interface.task_data(spec, TaskSpec("k", {"query": "q", "photo": value})).values()
        seen = Tags(html)
        if safe_url(value):
            assert [tag for tag, _ in seen.tags] == ["a", "img"]
            assert seen.tags[0][1]["href"] == seen.tags[1][1]["src"] == value
        else:
            assert seen.tags == [("span", {})]


def test_the_html_of_an_address_has_a_name_that_no_column_has():
    spec = spec_of("photo", "photo_html", "photo_html_")
    assert made_name(spec, spec.fields[0]) == "photo_html__"


def test_two_sides_stand_beside_each_other_and_what_belongs_to_both_above():
    spec = spec_of("query", "left_title", "right_title", "left_page", labels=("l", "r", "tie"))
    root = ElementTree.fromstring(
        labeling_config(spec, Interface(pair=("left_", "right_"), links=("left_page",)))
    )
    by_class = {view.get("className"): view for view in root.iter("View")}
    shown = {
        name: [tag.get("value") for tag in by_class[f"labelkit-{name}"].iter() if tag.tag in TEXTS]
        for name in ("example", "left", "right")
    }
    assert shown == {
        "example": ["$query"],
        "left": ["$left_title", "$left_page_html"],
        "right": ["$right_title"],
    }
    assert [choice.get("hotkey") for choice in root.iter("Choice")] == ["1", "2", "3"]


@pytest.mark.peer
def test_the_sdk_of_label_studio_takes_every_interface():
    interface = pytest.importorskip("label_studio_sdk.label_interface")
    ours = Interface(
        images=("left_photo",), links=("right_page",), pair=("left_", "right_"), comments=True
    )
    spec = spec_of("query", "left_photo", "right_page")
    interface.LabelInterface(labeling_config(spec, ours)).validate()


def test_instructions_and_worked_examples_are_text_in_html_of_ours():
    example = WorkedExample({"<i>query": "<script>1</script>"}, "yes", "a & b")
    html = Interface(examples=(example,)).guidelines("line <one>\nline two")
    assert "line &lt;one&gt;<br>line two" in html
    assert {tag for tag, _ in Tags(html).tags} == {"br", "hr", "div", "i", "b"}
    assert "<script>1</script>" in Tags(html).text
    assert Interface().guidelines(None) is None


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"images": ("foto",)}, "Column 'foto' is to be shown as an image or link"),
        ({"pair": ("left_", "wrong_")}, "No shown column begins with 'wrong_'"),
        ({"examples": (WorkedExample({}, "maybe"),)}, "label 'maybe'; the round offers no, yes"),
    ],
)
def test_an_interface_that_does_not_fit_the_round_is_refused(settings, message):
    with pytest.raises(PlatformError, match=message):
        Interface(**settings).checked(spec_of("query", "left_x", "right_x"))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"images": ("a",), "links": ("a",)}, "image and a link at once"),
        ({"pair": ("a", "ab")}, "two different beginnings"),
        ({"pair": ("", "b")}, "two different beginnings"),
    ],
)
def test_an_interface_that_says_two_things_is_refused(settings, message):
    with pytest.raises(PlatformError, match=message):
        Interface(**settings)


def test_in_order_of_priority_a_task_without_a_guess_has_an_empty_prediction():
    spec = spec_of("query")
    audit = TaskSpec("k", {"query": "q"}, None, "m1", priority=3.0)
    (prediction,) = task_json(spec, audit, ordered=True)["predictions"]
    assert prediction == {"result": [], "score": 3.0, "model_version": "labelkit"}
    guess = TaskSpec("k", {"query": "q"}, (0.1, 0.9), "m1", priority=2.0)
    (prediction,) = task_json(spec, guess, ordered=True)["predictions"]
    assert prediction["score"] == 2.0
    assert prediction["result"][0]["value"] == {"choices": ["yes"]}
    assert "predictions" not in task_json(spec, audit)
    (plain,) = task_json(spec, guess)["predictions"]
    assert (plain["score"], plain["model_version"]) == (0.9, "m1")


def test_a_remark_comes_with_its_answer():
    choice = {"from_name": "label", "type": "choices", "value": {"choices": ["yes"]}}
    remark = {"from_name": "comment", "type": "textarea", "value": {"text": ["hard", "to say"]}}
    answer = human_answer({"id": 1, "result": [remark, choice]}, annotator="a")
    assert (answer.label_name, answer.comment) == ("yes", "hard\nto say")
    assert human_answer({"id": 1, "result": [choice]}, annotator="a").comment is None
