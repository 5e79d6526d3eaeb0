"""``@template``: a labeling function whose thresholds are left open."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Generic, ParamSpec

from labelkit.errors import LFError
from labelkit.lfs.ballot import Ballot
from labelkit.lfs.function import LabelingFunction

P = ParamSpec("P")
Grid = Mapping[str, tuple[object, ...]]


class Template(Generic[P]):
    """A function of thresholds that gives a labeling function.

    Call it with thresholds: ``long_dwell(seconds=30)``. The result has the name of the template
    (``.named("…")`` gives another), its reason as ``doc``, and as ``source`` the call and the text
    of the template, so that a changed threshold is a changed function to a manifest.

    Parameters
    ----------
    make : gives the votes for its thresholds; its defaults are those of the literature
    grid : values worth trying for each threshold that can be learned from gold

    Attributes
    ----------
    name, doc, grid : as given; ``doc`` says why the rule should hold, and from where it is known
    """

    def __init__(self, make: Callable[P, Ballot], grid: Grid) -> None:
        self._make = make
        self._signature = inspect.signature(make)
        unknown = [name for name in grid if name not in self._signature.parameters]
        if unknown:
            raise LFError(f"{make.__name__} has no threshold {unknown[0]!r}.")
        self.name = make.__name__
        self.doc = inspect.getdoc(make) or ""
        self.grid: Grid = MappingProxyType(dict(grid))
        self.__doc__ = self.doc
        self.__signature__ = self._signature  # what help() and editors show

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> LabelingFunction:
        """The labeling function with these thresholds."""
        bound = self._signature.bind(*args, **kwargs)
        bound.apply_defaults()
        caller = sys._getframe(1)
        shown = ", ".join(f"{name}={value!r}" for name, value in bound.arguments.items())
        try:
            ballot = self._make(*args, **kwargs)
        except LFError as error:
            raise LFError(f"template {self.name}({shown}): {error}") from None
        return LabelingFunction(
            name=self.name,
            ballot=ballot,
            doc=self.doc,
            source=f"{self.name}({shown})\n\n{inspect.getsource(self._make)}",
            where_defined=f"{caller.f_code.co_filename}:{caller.f_lineno}",
        )

    def __repr__(self) -> str:
        return f"<template {self.name}{self._signature}>"


def template(**grid: tuple[object, ...]) -> Callable[[Callable[P, Ballot]], Template[P]]:
    """Make a template of a function that gives the votes for its thresholds.

    Parameters
    ----------
    **grid : values worth trying for each threshold that can be learned from gold

    Examples
    --------
    >>> from labelkit import col, vote
    >>> from labelkit.lfs.templates import template
    >>> @template(seconds=(10, 30, 60))
    ... def long_visit(seconds=30):
    ...     '''Who stays is reading.'''
    ...     return vote(1, where=col("dwell_max") >= seconds)
    >>> print(long_visit(seconds=60))
    long_visit: 1 where dwell_max >= 60
    """
    return lambda make: Template(make, grid)


def positive(name: str, value: object) -> None:
    """Raise `LFError` unless a threshold is a number above 0."""
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if not number or not 0 < value < float("inf"):  # type: ignore[operator]
        raise LFError(f"{name} is a number above 0; got {value!r}.")
