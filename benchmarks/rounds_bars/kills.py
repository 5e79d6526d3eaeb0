"""Kill -9 of the client or the server at random moments, and two clients at once."""

from __future__ import annotations

import argparse
import signal
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

from rounds_bars.world import Standing, World, killed, moments, server

STEPS = ("push", "pull")


def main(bar: str, argv: list[str]) -> int:
    runs = {"kill-client": 200, "kill-server": 50, "two-clients": 50}
    parser = argparse.ArgumentParser(prog=f"rounds.py {bar}")
    parser.add_argument("--runs", type=int, default=runs[bar], help="kills, or runs of two clients")
    parser.add_argument("--tasks", type=int, default=1000)
    parser.add_argument("--answers", type=int, default=1000, help="answers a round, to be pulled")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args(argv)
    # Told to end, we end the server as well.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    start = time.monotonic()
    with server() as at, tempfile.TemporaryDirectory() as folder:
        if bar == "two-clients":
            standings, note = two_clients(at, Path(folder), options)
        else:
            standings, note = kills(at, Path(folder), options, of=bar.removeprefix("kill-"))
    lost = sum(s.n_lost for s in standings), sum(s.n_answers_lost for s in standings)
    doubled = sum(s.n_doubled for s in standings), sum(s.n_answers_doubled for s in standings)
    clean = all(s.is_clean for s in standings)
    print(f"{bar}: {note}")
    print(
        f"  {len(standings)} rounds of {options.tasks:,} tasks, "
        f"{sum(s.n_answers for s in standings):,} answers; "
        f"lost: {lost[0]} tasks, {lost[1]} answers; doubled: {doubled[0]} tasks, {doubled[1]} "
        f"answers (bar: none) {'met' if clean else 'MISSED'}; {time.monotonic() - start:.0f} s"
    )
    return 0 if clean else 1


def kills(
    at: object, folder: Path, options: argparse.Namespace, *, of: str
) -> tuple[list[Standing], str]:
    """Rounds that are pushed and pulled while somebody is killed, until there were enough kills.

    A step is killed in at a moment uniform over the time that it takes, clients up to five times.
    """
    draws = moments(options.seed)
    standings: list[Standing] = []
    done = dict.fromkeys(STEPS, 0)
    # How long each step takes when nobody is killed, from a round that is counted as well.
    calm = World.planned(at, f"sqlite:///{folder}/calm.db", n=options.tasks)
    takes_s = {"push": calm.finish("push")}
    calm.answer(options.answers)
    takes_s["pull"] = calm.finish("pull")
    standings.append(calm.count())
    while sum(done.values()) < options.runs:
        world = World.planned(at, f"sqlite:///{folder}/{len(standings)}.db", n=options.tasks)
        for step in STEPS:
            if step == "pull":
                world.answer(options.answers)
            # A client that is left alive finishes its step by itself: there is one step to kill in.
            for _ in range(5 if of == "client" else 1):
                if sum(done.values()) >= options.runs:
                    break
                after_s = next(draws) * takes_s[step]
                process = world.client(step)
                if of == "client":
                    if not killed(process, after_s):
                        break
                else:
                    time.sleep(after_s)
                    if process.poll() is not None:
                        process.communicate()
                        break
                    at.kill()
                    at.start()
                    _, said = process.communicate()
                    if process.returncode:
                        raise RuntimeError(f"a {step} did not resume by itself:\n{said[-2000:]}")
                done[step] += 1
            world.finish(step)
        # What lands after the last push is seen by a pull.
        world.finish("pull")
        standings.append(world.count())
        print(f"  {sum(done.values())} kills: {standings[-1]}", flush=True)
    note = f"{done['push']} kills of the {of} in pushes and {done['pull']} in pulls"
    return standings, note


def two_clients(
    at: object, folder: Path, options: argparse.Namespace
) -> tuple[list[Standing], str]:
    """Two processes push the same round at once, then pull it; every other time one is killed."""
    draws = moments(options.seed)
    standings: list[Standing] = []
    n_killed = 0
    takes_s = 3.0
    for number in range(options.runs):
        world = World.planned(at, f"sqlite:///{folder}/{number}.db", n=options.tasks)
        world = replace(world, patience_s=600)
        for step in STEPS:
            if step == "pull":
                world.answer(options.answers)
            both = [world.client(step), world.client(step)]
            if number % 2:
                n_killed += killed(both[0], next(draws) * takes_s)
            for process in both:
                _, said = (None, "") if process.returncode is not None else process.communicate()
                if process.returncode not in (0, -9):
                    raise RuntimeError(f"a {step} of two failed:\n{said[-2000:]}")
            if number % 2:
                world.finish(step)
        standings.append(world.count())
        print(f"  {number + 1} runs: {standings[-1]}", flush=True)
    return standings, f"{options.runs} runs of two clients, of whom {n_killed} were killed"
