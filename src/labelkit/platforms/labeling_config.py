"""The labeling interface of a round, as Label Studio's configuration.

Whatever a user wrote (captions, label names) is escaped as XML, and whatever an item says is shown
by ``<Text>`` from the task's data, which Label Studio renders as text and never as markup.
"""

from __future__ import annotations

from xml.sax.saxutils import quoteattr

from labelkit.platforms.interface import FieldKind, Interface, made_name
from labelkit.rounds.platform import DisplayField, ProjectSpec

CHOICES = "label"
"""Name of the control whose value is the answer (``from_name`` in Label Studio's results)."""

COMMENT = "comment"
"""Name of the box for remarks."""

_HOTKEYS = "1234567890qwertyuiopasdfghjklzxcvbnm"


def labeling_config(spec: ProjectSpec, interface: Interface | None = None) -> str:
    """XML that shows the keys and fields of an example and one choice for each label.

    The labels carry the hotkeys 1, 2, … in the order of ``label_names``. Two sides of a pair stand
    beside each other and are answered by a choice like any other question: Label Studio's own
    ``<Pairwise>`` knows no tie and cannot be answered from the keyboard.

    >>> from labelkit.rounds import DisplayField, ProjectSpec
    >>> spec = ProjectSpec("u", "t", ("no", "yes"), (DisplayField("query", "query", True),))
    >>> print(labeling_config(spec).splitlines()[-4].strip())
    <Choice value="yes" hotkey="2"/>
    """
    interface = interface or Interface()
    lines = ['<View className="labelkit">', _STYLE]
    lines += ['  <View className="labelkit-example">']
    for field in spec.fields:
        if interface.side(field) is None:
            lines += _shown(spec, field, interface)
    lines += ["  </View>"]
    if interface.pair is not None:
        lines += ['  <View className="labelkit-pair">']
        for side, name in enumerate(("left", "right")):
            lines += [f'    <View className="labelkit-{name}">']
            for field in spec.fields:
                if interface.side(field) == side:
                    lines += _shown(spec, field, interface)
            lines += ["    </View>"]
        lines += ["  </View>"]
    lines += ['  <View className="labelkit-answer">']
    target = quoteattr(object_name(spec))
    lines += [
        f'    <Choices name="{CHOICES}" toName={target} choice="single-radio" '
        'showInLine="true" required="true" requiredMessage="Choose a label, or skip the task.">'
    ]
    for place, name in enumerate(spec.label_names):
        hotkey = f' hotkey="{_HOTKEYS[place]}"' if place < len(_HOTKEYS) else ""
        lines += [f"      <Choice value={quoteattr(name)}{hotkey}/>"]
    lines += ["    </Choices>"]
    if interface.comments:
        lines += [
            f'    <TextArea name="{COMMENT}" toName={target} placeholder="Remark, if any" '
            'rows="1" maxSubmissions="1" editable="true" required="false"/>'
        ]
    lines += ["  </View>", "</View>"]
    return "\n".join(lines)


def object_name(spec: ProjectSpec) -> str:
    """Name of the tag that answers refer to (``to_name`` in Label Studio's results)."""
    return f"shown_{spec.fields[0].name}"


def _shown(spec: ProjectSpec, field: DisplayField, interface: Interface) -> list[str]:
    style = "key" if field.is_key else "text"
    # Label Studio would fill in `$name` here from the task's data.
    caption = quoteattr(field.caption.replace("$", "＄"))
    return [
        f'    <View className="labelkit-{style}">',
        f'      <Header value={caption} size="6"/>',
        f"      {_tag(spec, field, interface.kind(field))}",
        "    </View>",
    ]


def _tag(spec: ProjectSpec, field: DisplayField, kind: FieldKind) -> str:
    name = quoteattr(f"shown_{field.name}")
    if kind == "text":
        return (
            f'<Text name={name} value="${field.name}" valueType="text" selectionEnabled="false"/>'
        )
    # Its HTML is ours alone, with the item's text escaped, and stands in a frame of its own. Label
    # Studio's <Image> loads only from servers that allow it (CORS), which few shops' do.
    made = made_name(spec, field)
    return (
        f'<HyperText name={name} value="${made}" inline="true" clickableLinks="true" '
        'selectionEnabled="false"/>'
    )


# Label Studio puts the style into the page as it stands: it is a constant, nothing is filled in.
_STYLE = """  <Style>
    .labelkit { max-width: 52rem; }
    .labelkit-key { display: inline-block; vertical-align: top; margin-right: 2.5rem; }
    .labelkit-key, .labelkit-text { margin-bottom: 0.75rem; }
    .labelkit h4 { margin: 0 !important; font-size: 0.75rem; font-weight: 500; opacity: 0.65; }
    .labelkit .lsf-object, .labelkit .lsf-richtext__container, .labelkit .lsf-richtext__line {
      margin: 0 !important; padding: 0 !important; }
    .labelkit .lsf-richtext__container { font-size: 1rem; line-height: 1.5; }
    .labelkit-key .lsf-richtext__container { font-size: 1.125rem; font-weight: 600; }
    .labelkit .lsf-richtext__line { overflow-wrap: anywhere; }
    .labelkit-pair { display: flex; gap: 1.5rem; align-items: stretch; }
    .labelkit-left, .labelkit-right { flex: 1 1 0; min-width: 0; padding: 1rem;
      border: 1px solid #8884; border-radius: 0.5rem; }
    .labelkit-answer { margin-top: 0.5rem; padding-top: 1rem; border-top: 1px solid #8884; }
    .labelkit-answer .lsf-choice { margin: 0 0.75rem 0.5rem 0; padding: 0.5rem 1rem;
      border: 1px solid #8886; border-radius: 0.5rem; font-size: 1rem; }
  </Style>"""
