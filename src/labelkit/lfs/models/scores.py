"""``model_vote``: what a model that you have says, turned into votes by thresholds."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from labelkit.errors import LFError
from labelkit.lfs.batches import BatchFunction
from labelkit.lfs.kinds import Kind, Schema, kind_of_dtype
from labelkit.lfs.models.place import calling_line
from labelkit.lfs.models.thresholds import ProbabilityRule, ScoreRule
from labelkit.lfs.patterns import ABSTAIN, Int8Array

if TYPE_CHECKING:
    import polars as pl

_NUMERIC = (Kind.INTEGER, Kind.FLOAT, Kind.BOOLEAN)
# Rounding of probabilities that a model normalised in single precision.
_ROUNDING = 1e-5


def model_vote(
    model: Any,  # whatever predicts: scikit-learn's contract is one of duck types
    columns: str | Sequence[str],
    *,
    labels: Mapping[Any, int] | None = None,
    above: float | Mapping[int, float] | None = None,
    below: float | None = None,
    missing: Literal["abstain", "pass"] = "abstain",
    version: str | None = None,
    name: str = "",
) -> BatchFunction:
    """Votes of a fitted scikit-learn estimator or of any callable, applied in batches.

    Without thresholds it votes what ``predict`` says. With ``above`` it votes the likeliest class
    where its probability is at least that, and abstains elsewhere. With ``below`` too it looks at
    one score, the probability of the second of two classes: at or above ``above`` it votes for
    that class, at or below ``below`` for the first. An estimator without ``predict_proba`` gives
    its ``decision_function``, or, if it is a regressor, its prediction as such a score.

    Parameters
    ----------
    model : fitted estimator with ``predict``, or a callable that gives one class, one score, or k
        probabilities a row: an array (n,) or (n, k). Callables need ``version``
    columns : the features. A list makes a two-dimensional input, in the order in which the
        estimator was fitted; one name alone a list of texts, as a text vectoriser takes it. A
        callable gets a Polars frame, or the list of texts
    labels : which label each class stands for; a class that is left out is never voted. Default:
        the classes are the labels. For a score, class 1 is what a high one speaks for, 0 a low one
    above, below : thresholds, inclusive; ``above`` may give one for each label
    missing : rows with a null or NaN in a column ``"abstain"``, or are passed (``"pass"``) to a
        model that knows what to do with them
    version : what to call this model; default: a hash of the fitted estimator
    name : of the LF, where `labeling_function` or a variable does not give one

    Raises
    ------
    LFError
        The model is not fitted, was fitted on other columns or classes, or is the path of a file:
        such files hold code, see `load_estimator`.

    Examples
    --------
    >>> from labelkit import labeling_function
    >>> from labelkit.lfs.models import model_vote
    >>> @labeling_function
    ... def long_and_recent():
    ...     '''A score that the search team already has.'''
    ...     return model_vote(
    ...         lambda x: 0.1 * x["dwell"] - 0.01 * x["age_days"],
    ...         ["dwell", "age_days"], above=2.0, below=0.0, version="search-team-7",
    ...     )
    >>> print(long_and_recent)
    long_and_recent: model search-team-7: 1 where score >= 2, else 0 where score <= 0
    """
    where, _ = calling_line()
    if isinstance(model, str | Path):
        raise LFError(
            f"model_vote was given the path {str(model)!r}: a stored model holds code, which is "
            "not run unasked. Load it yourself, or with load_estimator(path, sha256=…)."
        )
    names = (columns,) if isinstance(columns, str) else tuple(columns)
    if not names or len(set(names)) < len(names):
        raise LFError(f"model_vote reads at least one column, each once; got {list(names)}.")
    source = _source(model, names, alone=isinstance(columns, str))
    reading = _Reading.of(source.classes, labels, above, below)
    if version is None:
        version = _version_of(model)
    voter = _ModelVoter(source, reading, passes_missing=missing == "pass")
    return BatchFunction(
        name=name,
        columns=frozenset(names),
        labels=reading.labels,
        vote=voter,
        rule=f"model {version}: {reading}",
        version=f"model {version}; {reading}; missing {missing}",
        check_types=source.check,
        where_defined=where,
    )


@dataclass(frozen=True)
class _Source:
    """A model, and how it wants its features.

    Parameters
    ----------
    classes : in the order of the columns of its probabilities; None if only they can tell
    scores : features -> (n,) or (n, k)
    classify : features -> (n,) classes
    as_frame : features as a pandas frame with the names under which the estimator was fitted
    plain : features as they are, for a callable
    """

    columns: tuple[str, ...]
    alone: bool
    classes: tuple[Hashable, ...] | None
    scores: Callable[[Any], Any]
    classify: Callable[[Any], Any]
    as_frame: bool = False
    plain: bool = False

    def check(self, schema: Schema) -> None:
        """Whether the columns have types that the model can take."""
        if self.plain or self.as_frame:
            return
        wanted = (Kind.TEXT,) if self.alone else _NUMERIC
        for column in self.columns:
            kind = kind_of_dtype(schema[column])
            if kind not in wanted:
                raise LFError(
                    f"column {column!r} is {kind.value}, and the model takes "
                    + (
                        "one column of text; numbers are passed as a list of columns."
                        if self.alone
                        else "numbers; text goes to a model alone (columns='…'), or to one that "
                        "was fitted on a frame with these column names."
                    )
                )

    def features(self, batch: pl.DataFrame) -> Any:
        """A batch in the form in which the model takes it."""
        import polars as pl

        if self.alone:
            return batch[self.columns[0]].to_list()
        chosen = batch.select(self.columns)
        if self.plain:
            return chosen
        if self.as_frame:
            return chosen.to_pandas()
        return chosen.cast(pl.Float64).to_numpy()


def _source(model: Any, columns: tuple[str, ...], *, alone: bool) -> _Source:
    if not hasattr(model, "predict"):
        if not callable(model) or isinstance(model, type):
            raise LFError(
                f"{model!r} is no model: it has no predict, and it cannot be called either."
            )
        return _Source(columns, alone, None, model, model, plain=True)
    if isinstance(model, type):
        raise LFError(f"{model.__name__} is a class: model_vote takes a fitted estimator.")
    _check_fitted(model)
    fitted_on = getattr(model, "feature_names_in_", None)
    if fitted_on is not None and not alone:
        if set(fitted_on) != set(columns):
            raise LFError(
                f"{type(model).__name__} was fitted on the columns {list(fitted_on)}, "
                f"not on {list(columns)}."
            )
        columns = tuple(map(str, fitted_on))
    n_fitted = getattr(model, "n_features_in_", None)
    if n_fitted is not None and not alone and n_fitted != len(columns):
        raise LFError(
            f"{type(model).__name__} was fitted on {n_fitted} features; {len(columns)} columns "
            f"are named: {', '.join(columns)}."
        )
    classes = getattr(model, "classes_", None)
    scores = next(
        getattr(model, verb)
        for verb in ("predict_proba", "decision_function", "predict")
        if hasattr(model, verb)
    )
    known = None if classes is None else tuple(np.asarray(classes).tolist())
    as_frame = fitted_on is not None and not alone
    return _Source(columns, alone, known, scores, model.predict, as_frame=as_frame)


def _check_fitted(model: Any) -> None:
    if not hasattr(model, "fit"):
        return
    from sklearn.exceptions import NotFittedError
    from sklearn.utils.validation import check_is_fitted

    try:
        check_is_fitted(model)
    except NotFittedError:
        raise LFError(f"{type(model).__name__} is not fitted: fit it before it votes.") from None
    except TypeError:
        return  # not scikit-learn's: it will say so itself


def _version_of(model: Any) -> str:
    if not hasattr(model, "predict"):
        raise LFError(
            "A callable does not tell when it changes: name what it is with version='…', and "
            "change that name whenever its answers may."
        )
    import joblib

    try:
        return f"{type(model).__name__} {joblib.hash(model)[:16]}"
    except Exception as error:
        raise LFError(
            f"{type(model).__name__} cannot be hashed ({error}): name it with version='…'."
        ) from None


@dataclass(frozen=True)
class _Reading:
    """How the answers of a model are read."""

    label_of: Mapping[Hashable, int]
    classes: tuple[Hashable, ...]
    above: float | Mapping[int, float] | None
    below: float | None

    @classmethod
    def of(
        cls,
        classes: tuple[Hashable, ...] | None,
        labels: Mapping[Hashable, int] | None,
        above: float | Mapping[int, float] | None,
        below: float | None,
    ) -> _Reading:
        known = classes
        if known is None:
            known = tuple(sorted(labels, key=repr)) if labels else (0, 1)
            if all(isinstance(c, int) for c in known):
                known = tuple(range(max(max(known) + 1, 2)))  # type: ignore[type-var, operator]
        if labels is None:
            if not all(isinstance(c, int) and 0 <= c < 127 for c in known):
                example = ", ".join(f"{c!r}: …" for c in known[:3])
                raise LFError(
                    f"The model's classes are {list(known)[:5]}: say which label each of them is, "
                    f"labels={{{example}}}."
                )
            labels = {c: int(c) for c in known}  # type: ignore[call-overload]
        strange = [c for c in labels if c not in known]
        if strange:
            raise LFError(f"labels names {strange}; the model's classes are {list(known)}.")
        reading = cls(dict(labels), known, above, below)
        usable = reading.hard or reading.by_probability() or reading.by_score()
        if not usable:
            raise LFError(
                f"above={above}, below={below} fit no answer of a model with {len(known)} classes: "
                "below is for two classes or one score, and above is one number then."
            )
        return reading

    @property
    def hard(self) -> bool:
        """Whether classes are voted as they are predicted."""
        return self.above is None and self.below is None

    def by_probability(self) -> ProbabilityRule | None:
        """The rule for (n, k) probabilities, unless ``below`` says that one score counts."""
        if self.above is None or self.below is not None:
            return None
        labels_of = [self.label_of.get(c, ABSTAIN) for c in self.classes]
        if isinstance(self.above, int | float) and not 0 <= self.above <= 1:
            return None  # a threshold of scores
        return ProbabilityRule.of(labels_of, self.above)

    def by_score(self) -> ScoreRule | None:
        """The rule for one score; of two classes, the second is what a high one speaks for."""
        if len(self.classes) != 2 or isinstance(self.above, Mapping):
            return None
        low, high = (self.label_of.get(c) for c in self.classes)
        return ScoreRule(high, low, self.above, self.below)

    @property
    def labels(self) -> frozenset[int]:
        """The labels that may be voted."""
        return frozenset(self.label_of.values())

    def votes(self, answers: Any) -> Int8Array:
        """Votes (n,) for the answers of a model."""
        array = np.asarray(answers)
        if self.hard:
            return self._votes_of_classes(array)
        if array.ndim == 2 and array.shape[1] == 1:
            array = array[:, 0]
        if array.ndim not in (1, 2) or array.dtype.kind not in "fiub":
            raise LFError(
                f"the model gave an array of shape {array.shape} and type {array.dtype}: a score, "
                "or one probability for each class, is a number."
            )
        if array.ndim == 1:
            score_rule = self.by_score()
            if score_rule is None:
                raise LFError(
                    f"the model gives one score, and these labels and thresholds are for "
                    f"{len(self.classes)} classes."
                )
            return score_rule.votes(array)
        if array.shape[1] != len(self.classes):
            raise LFError(
                f"the model gives {array.shape[1]} probabilities a row; {len(self.classes)} "
                f"classes are expected: {list(self.classes)}."
            )
        outside = (array < -_ROUNDING) | (array > 1 + _ROUNDING)
        if outside.any():
            raise LFError(
                f"the model gives {outside.sum():,} values outside 0 … 1 (first: "
                f"{array[outside][0]:g}), which are no probabilities."
            )
        rule = self.by_probability()
        if rule is not None:
            return rule.votes(array)
        on_second = self.by_score()
        if on_second is None:
            raise LFError("below= is for two classes or one score.")
        return on_second.votes(array[:, 1])

    def _votes_of_classes(self, array: Any) -> Int8Array:
        if array.ndim != 1:
            raise LFError(
                f"the model gives an array of shape {array.shape}: without above= or below= it "
                "gives one class a row."
            )
        distinct, which = np.unique(array, return_inverse=True)
        unknown = [c for c in distinct.tolist() if c not in self.classes]
        if unknown:
            raise LFError(
                f"the model gave {unknown[0]!r}, which is none of its classes {list(self.classes)}."
            )
        labels = [self.label_of.get(c, ABSTAIN) for c in distinct.tolist()]
        return np.asarray(labels, dtype=np.int8)[which]

    def __str__(self) -> str:
        if self.hard:
            return ", else ".join(f"{v} where class is {c!r}" for c, v in self.label_of.items())
        by_class, by_score = self.by_probability(), self.by_score()
        if by_class is None or by_score is None:
            return str(by_class or by_score)
        return f"likeliest class where P >= {self.above:g} (of one score: {by_score})"


@dataclass(frozen=True)
class _ModelVoter:
    source: _Source
    reading: _Reading
    passes_missing: bool

    def __call__(self, batch: pl.DataFrame) -> Int8Array:
        votes = np.full(len(batch), ABSTAIN, dtype=np.int8)
        known = np.ones(len(batch), dtype=bool)
        if not self.passes_missing:
            known = complete(batch)
        if known.any():
            source, reading = self.source, self.reading
            features = source.features(batch.filter(known))
            answers = source.classify(features) if reading.hard else source.scores(features)
            found = reading.votes(answers)
            if len(found) != known.sum():
                raise LFError(f"the model gave {len(found)} answers for {known.sum()} rows.")
            votes[known] = found
        return votes


def complete(batch: pl.DataFrame) -> np.ndarray[Any, np.dtype[np.bool_]]:
    """(n,) whether a row has a value, neither null nor NaN, in every column."""
    import polars as pl
    import polars.selectors as cs

    return (
        batch.select(
            pl.all_horizontal(
                pl.all().is_not_null(), cs.float().is_not_nan().fill_null(value=False)
            )
        )
        .to_series()
        .to_numpy()
    )
