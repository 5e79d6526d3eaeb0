"""Runs in the Python that has ``clax-models``: fit its position-based model, print θ.

AdamW at 0.003 in batches of 512 pages, a tenth of the pages held out for CLAX's own early
stopping, at most 50 epochs: the settings of ``benchmarks/clickmodels.py``.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

import clax
import numpy as np
from flax import nnx
from optax import adamw
from torch.utils.data import DataLoader


def main(folder: Path, seed: int) -> None:
    pages = np.load(folder / "pages.npz")
    shown, clicked = pages["shown"].astype(np.int32), pages["clicked"].astype(np.float32)
    n_pages, n_positions = shown.shape
    positions = np.tile(np.arange(1, n_positions + 1, dtype=np.int16), (n_pages, 1))
    mask = np.ones(shown.shape, dtype=bool)

    class Rows:
        """Pages by number; a whole batch is taken at once by ``collate``."""

        def __init__(self, rows: np.ndarray) -> None:
            self.rows = rows

        def __len__(self) -> int:
            return len(self.rows)

        def __getitem__(self, i: int) -> int:
            return int(self.rows[i])

    def collate(rows: list[int]) -> dict[str, np.ndarray]:
        return {
            "query_doc_ids": shown[rows],
            "positions": positions[rows],
            "clicks": clicked[rows],
            "mask": mask[rows],
        }

    order = np.random.default_rng(seed).permutation(n_pages)
    valid, train = order[: n_pages // 10], order[n_pages // 10 :]
    model = clax.PositionBasedModel(
        positions=n_positions, query_doc_pairs=int(shown.max()) + 1, rngs=nnx.Rngs(seed)
    )
    start = time.perf_counter()
    clax.Trainer(optimizer=adamw(0.003), epochs=50).train(
        model,
        DataLoader(Rows(train), batch_size=512, shuffle=True, collate_fn=collate),
        DataLoader(Rows(valid), batch_size=512, collate_fn=collate),
    )
    taken = time.perf_counter() - start
    theta = np.asarray(model.examination.prob(collate([0])), dtype=np.float64).ravel()
    print("CLAX", json.dumps([theta.tolist(), taken]))


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
