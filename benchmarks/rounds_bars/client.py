"""The client that is killed: one push or pull of one round, in a process of its own.

    LABEL_STUDIO_API_KEY=… python client.py push|pull URL LEDGER ROUND BATCH_SIZE PATIENCE_S

It prints a line when it begins. While the server is away it repeats the step, as a scheduler would.
"""

from __future__ import annotations

import sys
import time

import labelkit as lk
from labelkit.errors import PlatformError


def main() -> None:
    step, url, ledger_url, name, batch_size, patience_s = sys.argv[1:]
    deadline = time.monotonic() + float(patience_s)
    with lk.Ledger(ledger_url) as ledger:
        round_ = ledger.round(name, platform=lk.LabelStudio(url, timeout_s=20))
        print("begun", flush=True)
        while True:
            try:
                if step == "push":
                    round_.push(batch_size=int(batch_size))
                else:
                    round_.pull()
                return
            except PlatformError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(1)


if __name__ == "__main__":
    main()
