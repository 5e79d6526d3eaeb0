"""Weak labels where the votes are: worked out once per pattern, looked up by the engine.

No row leaves the engine, and every engine gives the same labels to the last bit: the mathematics
is done here, on the patterns, and what the engine adds is a join on whole numbers.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import narwhals as nw
import numpy as np

from labelkit.engine import NativeFrame, to_native_like, to_polars_lazy
from labelkit.labelmodels.posterior import Posterior
from labelkit.labelmodels.prediction import answers, table_in_order
from labelkit.labelmodels.statistics import VoteStatistics
from labelkit.lfs import Votes

if TYPE_CHECKING:
    import polars as pl


def label_query(votes: Votes, posterior: Posterior) -> NativeFrame:
    """Keys, ``p_0`` …, ``label`` … ``prior_share`` as a query of the votes' own engine.

    Returns
    -------
    Frame of the kind of ``votes.frame``, lazy if that is lazy; in no order.
    """
    gathers = votes.frame.implementation.is_polars() and votes.coding.dense
    if isinstance(votes.frame, nw.DataFrame) and not gathers:
        return _beside_keys(votes, table_in_order(votes, posterior))
    statistics = VoteStatistics.of(votes)
    table = answers(statistics, posterior)
    codes = votes.coding.encode(statistics.rows)
    frame = votes.frame.select(*votes.keys, *votes.code_exprs())
    if gathers:
        return _gathered(frame.to_native(), votes, codes[:, 0], table)
    names = votes.coding.names
    keyed = table.with_columns(**{name: codes[:, b] for b, name in enumerate(names)})
    kept = [*votes.keys, *table.columns]
    if frame.implementation.is_duckdb():
        return _joined_in_duckdb(frame.to_native(), keyed, names, kept)
    there: Any = nw.from_native(keyed)
    if frame.implementation.is_pyspark():
        there = there.lazy("pyspark", session=frame.to_native().sparkSession)
    return frame.lazy().join(there.lazy(), on=names, how="inner").select(kept).to_native()


def _beside_keys(votes: Votes, table: pl.DataFrame) -> NativeFrame:
    import polars as pl

    keys = to_polars_lazy(votes.key_frame).collect() if votes.keys else pl.DataFrame()
    together = pl.concat([keys, table], how="horizontal")
    return to_native_like(nw.from_native(together), votes.frame)


def _gathered(
    native: Any, votes: Votes, codes: np.ndarray[Any, np.dtype[np.int64]], table: pl.DataFrame
) -> NativeFrame:
    """One array look-up per column that is asked for; a join would take many times as long."""
    import polars as pl

    place = np.zeros(votes.coding.size, dtype=np.int32)
    place[codes] = np.arange(len(codes), dtype=np.int32)
    (name,) = votes.coding.names

    def looked_up(column: pl.Series) -> pl.Expr:
        by_code = column.gather(place)
        return pl.col(name).map_batches(
            lambda code: by_code.gather(code), return_dtype=column.dtype, is_elementwise=True
        )

    found = [looked_up(column).alias(column.name) for column in table]
    return native.select(*votes.keys, *found)


def _joined_in_duckdb(relation: Any, keyed: pl.DataFrame, names: list[str], kept: list[str]) -> Any:
    """A join in the connection that the relation lives in, which DuckDB finds `answers_` from."""
    answers_ = keyed.to_arrow()  # noqa: F841 - DuckDB reads it by name from this frame
    columns = ", ".join(
        ('v."' if name not in keyed.columns else 'a."') + name.replace('"', '""') + '"'
        for name in kept
    )
    same = " AND ".join(f'v."{name}" = a."{name}"' for name in names)
    return relation.query("__v__", f"SELECT {columns} FROM __v__ v JOIN answers_ a ON {same}")  # noqa: S608 - quoted column names
