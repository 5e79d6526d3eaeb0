from __future__ import annotations

import pytest

from labelkit.errors import RoundError
from labelkit.rounds.retry import Again, RetryPolicy, trying

FAST = RetryPolicy(attempts=4, first_s=0.0)


class Failing:
    """A call that fails so often, and then answers how often it was made."""

    def __init__(self, n_failures: int) -> None:
        self.n_failures = n_failures
        self.n_calls = 0

    def __call__(self) -> int:
        self.n_calls += 1
        if self.n_calls <= self.n_failures:
            raise OSError(f"failure {self.n_calls}")
        return self.n_calls


def again(error: Exception) -> Again:
    return Again(type(error).__name__)


@pytest.mark.parametrize("n_failures", [0, 1, 3])
def test_a_call_is_made_until_it_succeeds(n_failures):
    assert trying(Failing(n_failures), FAST, verdict=again, what="ask") == n_failures + 1


def test_after_the_last_attempt_the_failure_itself_comes_through():
    call = Failing(10)
    with pytest.raises(OSError, match="failure 4"):
        trying(call, FAST, verdict=again, what="ask")
    assert call.n_calls == 4


def test_a_failure_that_will_not_pass_comes_through_at_once():
    call = Failing(10)
    with pytest.raises(OSError, match="failure 1"):
        trying(call, FAST, verdict=lambda error: None, what="ask")
    assert call.n_calls == 1


def test_pauses_double_up_to_the_longest_and_half_of_each_is_certain():
    policy = RetryPolicy(attempts=8, first_s=1.0, longest_s=16.0)
    bounds = [1, 2, 4, 8, 16, 16, 16]
    drawn = [list(policy.pauses(seed)) for seed in range(200)]
    for pauses in drawn:
        assert all(b / 2 <= pause <= b for pause, b in zip(pauses, bounds, strict=True))
    assert len({pauses[0] for pauses in drawn}) == 200
    assert list(policy.pauses(7)) == drawn[7]


def test_what_the_other_side_asks_for_is_waited_for_but_never_longer_than_the_longest(monkeypatch):
    slept: list[float] = []
    monkeypatch.setattr("labelkit.rounds.retry.time.sleep", slept.append)
    policy = RetryPolicy(attempts=3, first_s=0.1, longest_s=5.0)
    waits = iter([3.0, 3600.0])
    trying(Failing(2), policy, verdict=lambda error: Again("429", next(waits)), what="ask")
    assert slept == [3.0, 5.0]


@pytest.mark.parametrize("bad", [{"attempts": 0}, {"first_s": -1.0}, {"longest_s": -1.0}])
def test_a_policy_that_cannot_be_kept_is_refused(bad):
    with pytest.raises(RoundError, match="at least one attempt"):
        RetryPolicy(**bad)
