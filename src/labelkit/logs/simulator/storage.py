"""Settings to JSON and back: a dataclass becomes an object that names its type."""

from __future__ import annotations

from dataclasses import fields, is_dataclass
from typing import TypeAlias

from labelkit.errors import LogError
from labelkit.logs.simulator.browsing import BrowsingModel
from labelkit.logs.simulator.cascade import CascadeModel
from labelkit.logs.simulator.drift import Drift
from labelkit.logs.simulator.position import ClickModel
from labelkit.logs.simulator.rankers import Ranker
from labelkit.logs.simulator.swaps import Swaps
from labelkit.logs.simulator.traffic import Bots, Device, Sessions
from labelkit.logs.simulator.trust import TrustModel

Json: TypeAlias = "dict[str, Json] | list[Json] | str | int | float | bool | None"

KINDS = {
    kind.__name__: kind
    for kind in (
        BrowsingModel,
        Bots,
        CascadeModel,
        ClickModel,
        Device,
        Drift,
        Ranker,
        Sessions,
        Swaps,
        TrustModel,
    )
}


def encode(value: object) -> Json:
    """A setting as JSON; tuples become lists."""
    if is_dataclass(value) and type(value) in KINDS.values():
        inner = {field.name: encode(getattr(value, field.name)) for field in fields(value)}
        return {"type": type(value).__name__, **inner}
    if isinstance(value, tuple | list):
        return [encode(inner) for inner in value]
    if value is None or isinstance(value, str | int | float):
        return value
    raise LogError(
        f"A {type(value).__name__} cannot be saved in truth.json; use the simulator's own models."
    )


def decode(value: Json) -> object:
    """The setting that :func:`encode` wrote; lists become tuples."""
    if isinstance(value, dict):
        rest = dict(value)
        kind = KINDS.get(str(rest.pop("type", None)))
        if kind is None:
            raise LogError(
                f"{value.get('type')!r} is no setting of a simulated log; known: "
                f"{', '.join(KINDS)}."
            )
        return kind(**{name: decode(inner) for name, inner in rest.items()})  # type: ignore[arg-type]
    if isinstance(value, list):
        return tuple(decode(inner) for inner in value)
    return value
