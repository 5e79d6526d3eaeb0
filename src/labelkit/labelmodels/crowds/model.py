"""``CrowdModel``: who answered what, to labels and to what each person's answers are worth."""

from __future__ import annotations

import inspect
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Self, TypeAlias, get_args

import narwhals as nw
import numpy as np

from labelkit.engine import NativeFrame, to_native_like
from labelkit.errors import LabelModelError, NotFittedError
from labelkit.files import atomic
from labelkit.labelmodels.crowds.answers import Answers, FloatArray
from labelkit.labelmodels.crowds.balance import balance_interval
from labelkit.labelmodels.crowds.choice import choose, fit_method
from labelkit.labelmodels.crowds.people import People, people
from labelkit.labelmodels.crowds.reading import CrowdTable, read_crowd
from labelkit.labelmodels.prediction import TIE

if TYPE_CHECKING:
    import polars as pl

CrowdMethod: TypeAlias = Literal[
    "auto",
    "majority",
    "weighted_majority",
    "onecoin",
    "onecoin_uniform",
    "dawid_skene",
    "dawid_skene_uniform",
    "dawid_skene_hard_items",
]

FORMAT = 1


class CrowdModel:
    """Labels from the answers of people, and the people's accuracies from their agreement.

    Parameters
    ----------
    cardinality : number of classes; None counts the different labels. With whole-number labels
        0 … k-1 it may exceed what was seen
    method : "auto" picks by evidence, or by held-out gold, and says why; the others are described
        on the page *crowds* of the documentation
    seed : for folds of gold, and groups of items in the interval of the class balance

    Attributes
    ----------
    method_, reason_ : the method that was fitted, and one sentence on why
    classes_ : (k,) list of label values in rising order; ``p_0`` … stand in this order
    class_balance_ : (k,) expected share of each class among items without gold
    class_balance_interval_ : (k, 2) its 95 % interval
    workers_ : frame with the worker, ``answers`` (items answered), ``accuracy``, ``low``, ``high``
    confusions_ : frame with the worker, ``label`` (true), ``answer``, ``probability``
    n_items_, n_workers_, n_answers_, n_gold_ : how much it was fitted to
    n_skipped_ : rows without an answer (null, or -1 among whole numbers)
    n_repeated_ : rows in which a worker answered an item once more; they share one vote
    n_gold_unanswered_ : gold items that nobody answered

    Examples
    --------
    >>> import polars as pl
    >>> from labelkit.labelmodels import CrowdModel
    >>> answers = pl.DataFrame({
    ...     "task": [1, 1, 1, 2, 2, 2, 3, 3, 3],
    ...     "who": list("abcabcabc"),
    ...     "said": ["cat", "cat", "dog", "dog", "dog", "dog", "cat", "cat", "cat"],
    ... })
    >>> model = CrowdModel().fit(answers, item="task", worker="who", label="said")
    >>> model.label()["said"].to_list()
    ['cat', 'dog', 'cat']
    """

    def __init__(
        self, cardinality: int | None = None, method: CrowdMethod = "auto", *, seed: int = 0
    ) -> None:
        self.cardinality = cardinality
        self.method = method
        self.seed = seed

    def fit(
        self,
        frame: NativeFrame,
        *,
        item: str = "item",
        worker: str = "worker",
        label: str = "label",
        gold: NativeFrame | None = None,
    ) -> Self:
        """Fit to answers in long form, one row an answer.

        Parameters
        ----------
        frame : table of any engine
        item, worker, label : its columns; labels may be numbers, text or booleans
        gold : table with the columns ``item`` and ``label``: items whose class is known, such as
            hidden gold questions; they are clamped, and workers are judged by them

        Raises
        ------
        LabelModelError
            The answers do not suit the model; the message names column, count and example.
        GoldError
            Gold does not suit the answers.
        """
        if self.method not in get_args(CrowdMethod):
            known = ", ".join(map(repr, get_args(CrowdMethod)))
            raise LabelModelError(f"method={self.method!r} is none of {known}.")
        table = read_crowd(
            frame, item=item, worker=worker, label=label, gold=gold, cardinality=self.cardinality
        )
        answers, known_items = table.answers, table.known
        if self.method == "auto":
            fitted = choose(answers, known_items, seed=self.seed)
        else:
            fitted = fit_method(answers, self.method, known_items, "asked for by name")
        self.method_, self.reason_ = fitted.method, fitted.reason
        self._table, self._proba = table, fitted.proba
        free = np.ones(answers.n_items, bool)
        free[known_items.item] = False
        self._balance_from = free if free.any() else ~free
        self.class_balance_: FloatArray = fitted.proba[self._balance_from].mean(axis=0)
        self._people = people(answers, fitted.proba, coin=fitted.coin)
        self._interval: FloatArray | None = None
        self._count()
        # Only the kind of the frame is kept, not its rows.
        self._native: NativeFrame = nw.from_native(frame).head(0).to_native()
        return self

    def _count(self) -> None:
        table = self._table
        self.classes_: list[Any] = table.classes.to_list()
        self.n_items_, self.n_workers_ = table.answers.n_items, table.answers.n_workers
        self.n_answers_ = table.n_rows - table.n_skipped
        self.n_skipped_, self.n_repeated_ = table.n_skipped, table.n_repeated
        self.n_gold_, self.n_gold_unanswered_ = len(table.known.item), table.n_gold_unanswered

    # --- what was learned ---------------------------------------------------------------------

    def label(self) -> NativeFrame:
        """One row per answered item, sorted by it, as a table of the kind that was fitted.

        Returns
        -------
        Frame with the item, ``p_0`` … ``p_{k-1}`` in the order of ``classes_``, the label column
        (the most probable class; within 1e-5 of each other, the one that is more common among all
        items, then the lowest), ``margin`` (largest minus second largest probability) and
        ``n_answers`` (workers who answered).
        """
        import polars as pl

        self._check_fitted()
        table, proba = self._table, self._proba
        two_best = np.partition(proba, -2, axis=1)[:, -2:]
        frame = pl.DataFrame(
            {
                table.items.name: table.items,
                **{f"p_{y}": proba[:, y] for y in range(proba.shape[1])},
                table.classes.name: table.classes[self._winners()],
                "margin": two_best[:, 1] - two_best[:, 0],
                "n_answers": np.rint(table.answers.per_item).astype(np.int64),
            }
        )
        return self._out(frame)

    @property
    def workers_(self) -> NativeFrame:
        """Accuracy of every worker, with a 95 % interval (see the attributes above)."""
        import polars as pl

        self._check_fitted()
        table, found = self._table, self._people
        return self._out(
            pl.DataFrame(
                {
                    table.workers.name: table.workers,
                    "answers": np.rint(table.answers.per_worker).astype(np.int64),
                    "accuracy": found.accuracy,
                    "low": found.low,
                    "high": found.high,
                }
            )
        )

    @property
    def confusions_(self) -> NativeFrame:
        """P(answer | true label) of every worker, in long form."""
        import polars as pl

        self._check_fitted()
        table = self._table
        m, k = len(table.workers), len(table.classes)
        return self._out(
            pl.DataFrame(
                {
                    table.workers.name: table.workers[np.repeat(np.arange(m), k * k)],
                    "label": table.classes[np.tile(np.repeat(np.arange(k), k), m)],
                    "answer": table.classes[np.tile(np.arange(k), m * k)],
                    "probability": self._people.confusion.ravel(),
                }
            )
        )

    @property
    def class_balance_interval_(self) -> FloatArray:
        """95 % interval (k, 2) of the class balance; computed when first asked for."""
        self._check_fitted()
        if self._interval is None:
            table = self._table
            self._interval = balance_interval(
                table.answers,
                table.known,
                self.method_,
                self.class_balance_,
                self._balance_from,
                seed=self.seed,
            )
        return self._interval

    def _winners(self) -> Any:
        proba = self._proba
        top = proba >= proba.max(axis=1, keepdims=True) - TIE
        # Among tied classes the commoner one, and the lowest of those that are equally common.
        return np.where(top, self.class_balance_, -1.0).argmax(axis=1)

    def _out(self, frame: pl.DataFrame) -> NativeFrame:
        return to_native_like(nw.from_native(frame), self._native)

    def _check_fitted(self) -> None:
        if "_table" not in self.__dict__:
            raise NotFittedError.of(self)

    # --- saving -------------------------------------------------------------------------------

    def save(self, path: str | Path) -> None:
        """Write the fitted model as one NPZ file: arrays, and the rest as JSON; nothing pickled."""
        self._check_fitted()
        table, found = self._table, self._people
        plain = {
            "format": FORMAT,
            "params": self.get_params(),
            "method": self.method_,
            "reason": self.reason_,
            "counts": [table.n_rows, table.n_skipped, table.n_repeated, table.n_gold_unanswered],
            "columns": [table.items.name, table.workers.name, table.classes.name],
            "classes": self.classes_,
            "items": table.items.to_list(),
            "workers": table.workers.to_list(),
        }
        try:
            text = json.dumps(plain)
        except TypeError as error:
            raise LabelModelError(
                f"The keys cannot be written as JSON ({error}). Cast them to text before fitting."
            ) from error
        answers = table.answers
        with atomic(Path(path).with_suffix(".npz")) as temporary, temporary.open("wb") as file:
            np.savez_compressed(
                file,
                plain=np.array(text),
                proba=self._proba,
                balance=self.class_balance_,
                interval=self.class_balance_interval_,
                accuracy=np.stack([found.accuracy, found.low, found.high]),
                confusion=found.confusion,
                answers=np.stack([answers.item, answers.worker, answers.label]),
                weight=answers.weight,
                known=np.stack([table.known.item, table.known.label]),
            )

    @classmethod
    def load(cls, path: str | Path) -> Self:
        """Read a model that `save` wrote; tables come back as Polars."""
        import polars as pl

        from labelkit.labelmodels.crowds.hierarchy import Known

        with np.load(Path(path).with_suffix(".npz"), allow_pickle=False) as data:
            arrays = {name: data[name] for name in data.files}
        plain = json.loads(str(arrays["plain"])) if "plain" in arrays else {}
        if plain.get("format") != FORMAT:
            raise LabelModelError(f"{path} is not a crowd model of format {FORMAT}.")
        model = cls(**plain["params"])
        columns, classes = plain["columns"], plain["classes"]
        answers = Answers(
            arrays["answers"][0],
            arrays["answers"][1],
            arrays["answers"][2],
            arrays["weight"],
            len(plain["items"]),
            len(plain["workers"]),
            len(classes),
        )
        n_rows, n_skipped, n_repeated, unanswered = plain["counts"]
        model._table = CrowdTable(
            answers,
            Known(*arrays["known"]),
            pl.Series(columns[0], plain["items"]),
            pl.Series(columns[1], plain["workers"]),
            pl.Series(columns[2], classes),
            n_rows,
            n_skipped,
            n_repeated,
            unanswered,
        )
        model.method_, model.reason_ = plain["method"], plain["reason"]
        model._proba = arrays["proba"]
        model.class_balance_, model._interval = arrays["balance"], arrays["interval"]
        accuracy, low, high = arrays["accuracy"]
        model._people = People(accuracy, low, high, arrays["confusion"])
        model._count()
        model._native = model._table.items.to_frame()
        return model

    # --- scikit-learn's manners ---------------------------------------------------------------

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Constructor parameters by name (``deep`` is there for scikit-learn's sake)."""
        names = inspect.signature(type(self).__init__).parameters
        return {name: getattr(self, name) for name in names if name != "self"}

    def set_params(self, **params: Any) -> Self:
        """Set constructor parameters; they count from the next ``fit``."""
        known = self.get_params()
        for name, value in params.items():
            if name not in known:
                raise LabelModelError(
                    f"CrowdModel has no parameter {name!r}; it has {', '.join(known)}."
                )
            setattr(self, name, value)
        return self
