"""Asking for many answers at once: a few at a time, each kept as soon as it is there."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from labelkit.errors import CostCapReached, EndpointError, LFError
from labelkit.lfs.models.answers import AnswerStore
from labelkit.lfs.models.endpoint import Endpoint, Failed, Filtered
from labelkit.lfs.models.limits import RateLimit, Stopped
from labelkit.lfs.models.replies import Outcome, Reply
from labelkit.lfs.models.spending import Prices

Messages: TypeAlias = list[dict[str, str]]

# After so many calls in a row that failed for good, the endpoint is taken to be down.
_DOWN = 10
# Roles, separators and what a server puts before a prompt of its own accord.
_OVERHEAD_TOKENS = 128
_CHARS_A_TOKEN = 3


@dataclass(frozen=True)
class Asker:
    """How a prompt is sent.

    Parameters
    ----------
    parameters : of the request beside the messages, ``model`` among them
    max_tokens : the most that an answer may take
    on_failure, on_cap : ``"raise"`` stops; ``"abstain"`` leaves the example without an answer
    """

    endpoint: Endpoint
    parameters: Mapping[str, object]
    max_tokens: int
    limit: RateLimit = field(repr=False)
    concurrency: int
    prices: Prices | None
    on_failure: Literal["raise", "abstain"]
    on_cap: Literal["raise", "abstain"]

    def ask(
        self, prompts: Mapping[bytes, Messages], store: AnswerStore
    ) -> dict[bytes, Reply | Outcome]:
        """An answer to every prompt, or why there is none.

        Raises
        ------
        EndpointError, CostCapReached
            With how many were answered, all of which are kept.
        """
        results: dict[bytes, Reply | Outcome] = {}
        stop = threading.Event()
        work = _Work(self, store, stop)
        errors: list[LFError] = []
        # Leaving the block waits for calls that are under way: they are paid for, and kept.
        with ThreadPoolExecutor(self.concurrency, thread_name_prefix="labelkit-ask") as pool:
            futures = {pool.submit(work.one, key, m): key for key, m in prompts.items()}
            try:
                for future, key in futures.items():
                    try:
                        results[key] = future.result()
                    except Stopped:
                        continue
                    except LFError as error:
                        errors.append(error)
                        stop.set()
            finally:
                if len(results) < len(prompts):
                    stop.set()
                    pool.shutdown(wait=False, cancel_futures=True)
        if errors:
            n = sum(isinstance(result, Reply) for result in results.values())
            raise type(errors[0])(
                f"{str(errors[0]).rstrip('.')}. {n:,} of {len(prompts):,} new answers were had and "
                "are kept: run it again and only the others are asked for"
                + (", once cost_cap is higher." if isinstance(errors[0], CostCapReached) else ".")
            )
        return results


class _Work:
    """One `Asker.ask`: what its threads share."""

    def __init__(self, asker: Asker, store: AnswerStore, stop: threading.Event) -> None:
        self._asker, self._store, self._stop = asker, store, stop
        self._n_failed = 0
        self._capped = False

    def one(self, key: bytes, messages: Messages) -> Reply | Outcome:
        """Ask one prompt, and keep the answer."""
        if self._stop.is_set():
            raise Stopped
        asker = self._asker
        if self._capped:
            return Outcome.CAPPED
        bound = self._most(messages)
        try:
            body = asker.endpoint.post(
                "/chat/completions",
                {**asker.parameters, "messages": messages},
                tokens=_characters(messages) // _CHARS_A_TOKEN + asker.max_tokens,
                limit=asker.limit,
                stop=self._stop,
                purse=self._store.purse,
                price=bound,
            )
        except CostCapReached:
            if asker.on_cap == "raise":
                self._stop.set()
                raise
            self._capped = True
            return Outcome.CAPPED
        except EndpointError:
            self._stop.set()
            raise
        if isinstance(body, Filtered):
            reply = Reply("", True, "content_filter", "", None, None)
            self._store.keep(key, reply, reserved=0, nano=0)
            return reply
        if isinstance(body, Failed):
            return self._failed(body.reason)
        answer = Reply.read(body)
        if answer is None:
            self._store.purse.settle(bound, bound)
            return self._failed("the answer is no chat completion")
        self._n_failed = 0
        self._store.keep(key, answer, reserved=bound, nano=self._cost(answer, bound))
        return answer

    def _failed(self, reason: str) -> Outcome:
        self._n_failed += 1
        if self._asker.on_failure == "abstain" and self._n_failed < _DOWN:
            return Outcome.FAILED
        self._stop.set()
        many = f"{self._n_failed} calls in a row" if self._n_failed > 1 else "a call"
        raise EndpointError(
            f"{self._asker.endpoint.url}: {many} failed after {self._asker.endpoint.tries} tries "
            f"each ({reason})"
        )

    def _most(self, messages: Messages) -> int:
        """The most that one call can cost: a token is at least one byte."""
        if self._asker.prices is None:
            return 0
        n_bytes = sum(len(message["content"].encode()) for message in messages)
        return self._asker.prices.nano(n_bytes + _OVERHEAD_TOKENS, self._asker.max_tokens)

    def _cost(self, reply: Reply, bound: int) -> int:
        if self._asker.prices is None or reply.tokens_in is None or reply.tokens_out is None:
            return bound
        return self._asker.prices.nano(reply.tokens_in, reply.tokens_out)


def _characters(messages: Messages) -> int:
    return sum(len(message["content"]) for message in messages)
