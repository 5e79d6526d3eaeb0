"""Preprocessors: functions that add to a data point before a labeling function sees it."""

from __future__ import annotations

import copy
import inspect
from abc import ABC, abstractmethod
from collections.abc import Callable, Hashable, Mapping, Sequence
from datetime import date, timedelta
from types import SimpleNamespace
from typing import Any, TypeAlias

import numpy as np

# Any object with attributes: a row, a namespace, a pandas Series, an array.
DataPoint: TypeAlias = Any
FieldMap: TypeAlias = Mapping[str, Any]
HashingFunction: TypeAlias = Callable[[DataPoint], Hashable]

# A copy of these would be the same thing.
_UNCHANGING = (str, bytes, int, float, complex, bool, type(None), date, timedelta, np.generic)


def get_hashable(obj: Any) -> Hashable:
    """A data point as what can be a key: dicts as sets of items, lists as tuples, arrays as bytes.

    Raises
    ------
    ValueError
        It holds something that none of this makes hashable.
    """
    if isinstance(obj, dict):
        return frozenset((key, get_hashable(value)) for key, value in obj.items())
    if isinstance(obj, list | tuple):
        return tuple(map(get_hashable, obj))
    if isinstance(obj, SimpleNamespace):
        return get_hashable(vars(obj))
    if isinstance(obj, np.ndarray):
        return obj.data.tobytes()
    if _is_series(obj):
        return get_hashable(obj.to_dict())
    try:
        hash(obj)
    except TypeError:
        raise ValueError(
            f"A {type(obj).__name__} cannot be remembered: give memoize_key=… a function that "
            "tells data points apart."
        ) from None
    return obj  # type: ignore[no-any-return]


def _is_series(obj: Any) -> bool:
    """Whether it is a pandas Series, told without importing pandas."""
    kind = type(obj)
    return kind.__name__ == "Series" and kind.__module__.partition(".")[0] == "pandas"


def own_copy(x: DataPoint) -> DataPoint:
    """The data point as a copy that may be changed in place, to any depth."""
    if isinstance(x, SimpleNamespace):
        twin = copy.copy(x)
        memo: dict[int, Any] = {}
        for name, value in vars(x).items():
            if not isinstance(value, _UNCHANGING):
                setattr(twin, name, copy.deepcopy(value, memo))
        return twin
    return copy.deepcopy(x)


class BaseMapper(ABC):
    """A function from data point to data point, after others, perhaps remembered.

    Parameters
    ----------
    name : name of the mapper
    pre : mappers that run before this one, in order
    memoize : remember what became of equal data points. The memory is the process's own: with
        ``n_jobs`` each process has one
    memoize_key : gives what makes data points equal; all their fields if not given
    """

    def __init__(
        self,
        name: str,
        pre: Sequence[BaseMapper] | None,
        memoize: bool,
        memoize_key: HashingFunction | None = None,
    ) -> None:
        self.name = name
        self.memoize = memoize
        self._pre = list(pre or [])
        self._memoize_key = memoize_key or get_hashable
        self._cache: dict[Hashable, DataPoint | None] = {}

    def reset_cache(self) -> None:
        """Forget what was remembered."""
        self._cache = {}

    @abstractmethod
    def _generate_mapped_data_point(self, x: DataPoint) -> DataPoint | None:
        """What becomes of a data point that nobody else sees."""

    def __call__(self, x: DataPoint) -> DataPoint | None:
        """The mapped data point; ``x`` itself stays as it was."""
        if not self.memoize:
            return self._mapped(x)
        key = self._memoize_key(x)
        if key not in self._cache:
            self._cache[key] = self._mapped(x)
        return self._cache[key]

    def _mapped(self, x: DataPoint) -> DataPoint | None:
        for mapper in self._pre:
            x = mapper(x)
        return self._generate_mapped_data_point(own_copy(x))

    def __repr__(self) -> str:
        return f"{type(self).__name__} {self.name}, Pre: {self._pre}"


class Mapper(BaseMapper):
    """A mapper from some fields to others; subclasses define ``run``.

    Parameters
    ----------
    name : name of the mapper
    field_names : argument of ``run`` → field of the data point; the same if not given
    mapped_field_names : field that ``run`` gives → field of the data point; the same if not given
    pre, memoize, memoize_key : as of `BaseMapper`

    Raises
    ------
    ValueError
        ``run`` takes ``*args`` or ``**kwargs``, which are no fields.
    """

    def __init__(
        self,
        name: str,
        field_names: Mapping[str, str] | None = None,
        mapped_field_names: Mapping[str, str] | None = None,
        pre: Sequence[BaseMapper] | None = None,
        memoize: bool = False,
        memoize_key: HashingFunction | None = None,
    ) -> None:
        super().__init__(name, pre, memoize, memoize_key)
        arguments = inspect.signature(self.run).parameters.values()
        if any(a.kind in (a.VAR_POSITIONAL, a.VAR_KEYWORD) for a in arguments):
            raise ValueError(f"run of {name!r} takes fields by name: *args and **kwargs are none.")
        self.field_names = dict(field_names or {a.name: a.name for a in arguments})
        self.mapped_field_names = mapped_field_names

    def run(self, **fields: Any) -> FieldMap | None:
        """New fields from old ones, or None for "no data point"; each subclass has its own."""
        raise NotImplementedError

    def _generate_mapped_data_point(self, x: DataPoint) -> DataPoint | None:
        fields = {argument: getattr(x, field) for argument, field in self.field_names.items()}
        made = self.run(**fields)
        if made is None:
            return None
        names = self.mapped_field_names
        for field, value in made.items():
            setattr(x, field if names is None else names[field], value)
        return x


class LambdaMapper(BaseMapper):
    """A mapper that is a function; it may change the data point in place."""

    def __init__(
        self,
        name: str,
        f: Callable[[DataPoint], DataPoint | None],
        pre: Sequence[BaseMapper] | None = None,
        memoize: bool = False,
        memoize_key: HashingFunction | None = None,
    ) -> None:
        super().__init__(name, pre, memoize, memoize_key)
        self._f = f

    def _generate_mapped_data_point(self, x: DataPoint) -> DataPoint | None:
        return self._f(x)


class lambda_mapper:
    """``@lambda_mapper(…)`` above a function makes a `LambdaMapper` of it.

    Raises
    ------
    ValueError
        The parentheses are missing.
    """

    def __init__(
        self,
        name: str | None = None,
        pre: Sequence[BaseMapper] | None = None,
        memoize: bool = False,
        memoize_key: HashingFunction | None = None,
    ) -> None:
        if callable(name):
            raise ValueError("Looks like this decorator is missing parentheses!")
        self.name = name
        self.pre = pre
        self.memoize = memoize
        self.memoize_key = memoize_key

    def __call__(self, f: Callable[[DataPoint], DataPoint | None]) -> LambdaMapper:
        name = self.name or f.__name__
        return LambdaMapper(name, f, self.pre, self.memoize, self.memoize_key)


# The same things under the names that labeling functions use.
BasePreprocessor = BaseMapper
Preprocessor = Mapper
LambdaPreprocessor = LambdaMapper
preprocessor = lambda_mapper
