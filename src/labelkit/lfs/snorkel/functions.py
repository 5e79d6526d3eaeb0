"""``LabelingFunction(name, f, resources, pre)``: a function of one data point, as in Snorkel."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from labelkit.lfs.snorkel.maps import BaseMapper, DataPoint


class LabelingFunction:
    """A label, or -1, for a data point that preprocessors have seen first.

    Parameters
    ----------
    name : name of the function
    f : gives a label for a data point and the resources
    resources : further arguments of ``f``
    pre : preprocessors that run first, in order
    """

    def __init__(
        self,
        name: str,
        f: Callable[..., int],
        resources: Mapping[str, Any] | None = None,
        pre: Sequence[BaseMapper] | None = None,
    ) -> None:
        self.name = name
        self._f = f
        self._resources = dict(resources or {})
        self._pre = list(pre or [])

    def __call__(self, x: DataPoint) -> int:
        """The label of one data point.

        Raises
        ------
        ValueError
            A preprocessor gave no data point.
        """
        for mapper in self._pre:
            x = mapper(x)
            if x is None:
                raise ValueError(f"Preprocessor {mapper.name!r} should not return None")
        return self._f(x, **self._resources)

    def __repr__(self) -> str:
        return f"{type(self).__name__} {self.name}, Preprocessors: {self._pre}"


class labeling_function:
    """``@labeling_function(…)`` above a function makes a `LabelingFunction` of it.

    Raises
    ------
    ValueError
        The parentheses are missing.
    """

    def __init__(
        self,
        name: str | None = None,
        resources: Mapping[str, Any] | None = None,
        pre: Sequence[BaseMapper] | None = None,
    ) -> None:
        if callable(name):
            raise ValueError("Looks like this decorator is missing parentheses!")
        self.name = name
        self.resources = resources
        self.pre = pre

    def __call__(self, f: Callable[..., int]) -> LabelingFunction:
        return LabelingFunction(self.name or f.__name__, f, self.resources, self.pre)
