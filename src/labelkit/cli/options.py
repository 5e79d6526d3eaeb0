"""Options that every command has, declared once."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal, TypeAlias

import typer

Strategy: TypeAlias = Literal[
    "margin",
    "entropy",
    "least_confidence",
    "expected_change",
    "random",
    "cluster_power",
    "cluster_margin",
    "k_center",
    "badge",
    "typiclust",
    "power",
    "softmax",
]
ProjectDir = Annotated[
    Path,
    typer.Option("--project", "-C", help="The project directory.", show_default="here"),
]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Print problems only.")]
Json = Annotated[
    bool, typer.Option("--json", help="Print one JSON object on stdout, for machines.")
]
Debug = Annotated[bool, typer.Option("--debug", help="Show tracebacks.")]
Seed = Annotated[
    int | None,
    typer.Option(help="Seed of everything random.", show_default="from labelkit.toml"),
]
RunId = Annotated[str | None, typer.Option("--run", help="Id of a run.", show_default="the latest")]
