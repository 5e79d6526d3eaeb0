from __future__ import annotations

from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labelkit.platforms.labeling_config import labeling_config, object_name
from labelkit.rounds import DisplayField, ProjectSpec

# What XML can carry and a column or label can be called.
NAMES = st.text(st.characters(categories=["L", "N", "P", "S", "Zs"]), min_size=1, max_size=20)


def config_of(labels, captions=("query",)):
    fields = tuple(DisplayField(f"f{i}", c, i == 0) for i, c in enumerate(captions))
    spec = ProjectSpec("uid", "title", tuple(labels), fields)
    return spec, ElementTree.fromstring(labeling_config(spec))


@given(
    st.lists(NAMES, min_size=2, max_size=6, unique=True), st.lists(NAMES, min_size=1, max_size=4)
)
def test_whatever_names_are_used_they_are_shown_and_change_nothing_else(labels, captions):
    _, root = config_of(labels, captions)
    assert [choice.get("value") for choice in root.iter("Choice")] == labels
    headers = [header.get("value") for header in root.iter("Header")]
    assert headers == [caption.replace("$", "＄") for caption in captions]
    assert {tag.tag for tag in root.iter()} == {
        "View",
        "Style",
        "Header",
        "Text",
        "Choices",
        "Choice",
    }


def test_labels_have_the_hotkeys_1_2_3_in_their_order():
    _, root = config_of(["bad", "fair", "good"])
    assert [choice.get("hotkey") for choice in root.iter("Choice")] == ["1", "2", "3"]


def test_many_labels_have_different_hotkeys_as_long_as_there_are_keys():
    _, root = config_of([f"label {i}" for i in range(50)])
    keys = [key for choice in root.iter("Choice") if (key := choice.get("hotkey"))]
    assert len(keys) == len(set(keys)) == 36


def test_texts_are_read_from_the_task_and_shown_as_text():
    spec, root = config_of(["a", "b"], ["query", "title"])
    texts = list(root.iter("Text"))
    assert [text.get("value") for text in texts] == ["$f0", "$f1"]
    assert {text.get("valueType") for text in texts} == {"text"}
    assert root.find(".//Choices").get("toName") == object_name(spec) == texts[0].get("name")


@pytest.mark.peer
def test_the_sdk_of_label_studio_takes_the_configuration():
    interface = pytest.importorskip("label_studio_sdk.label_interface")
    spec, _ = config_of(['<"good">', "it's bad"], ["a & b", "c"])
    config = interface.LabelInterface(labeling_config(spec))
    config.validate()
    assert set(config.get_control("label").labels) == {'<"good">', "it's bad"}
