"""A thousand proxies against a throttled GetParameter, in virtual time, by the agent's own loop."""

from __future__ import annotations

import pytest

from benchmarks.proxies import FixedGrowth
from benchmarks.throttled import BURST, LIMIT_PER_S, Bucket, boot, per_second
from benchmarks.virtual_time import VirtualTime

COUNT = 1000
FLOOR_S = COUNT / LIMIT_PER_S


def test_jobs_take_turns_by_the_time_that_they_asked_for() -> None:
    time = VirtualTime()
    seen: list[tuple[str, float]] = []

    def job(name: str, pause_s: float) -> None:
        for _ in range(2):
            time.sleep(pause_s)
            seen.append((name, time.monotonic()))

    time.run([(0.0, lambda: job("a", 2.0)), (1.0, lambda: job("b", 0.5)), (1.0, lambda: job("c", 0.5))])

    assert seen == [("b", 1.5), ("c", 1.5), ("a", 2.0), ("b", 2.0), ("c", 2.0), ("a", 4.0)]


def test_an_error_in_a_job_ends_them_all() -> None:
    time = VirtualTime()

    def fails() -> None:
        raise LookupError("x")

    with pytest.raises(LookupError):
        time.run([(0.0, lambda: time.sleep(9.0)), (1.0, fails)])


def test_a_bucket_serves_its_burst_and_then_its_rate() -> None:
    bucket = Bucket(rate_per_s=2.0, burst=3.0)
    assert [bucket.takes(0.0) for _ in range(4)] == [True, True, True, False]
    assert [bucket.takes(1.0) for _ in range(3)] == [True, True, False]
    assert [bucket.takes(60.0) for _ in range(4)] == [True, True, True, False]


def test_seconds_without_a_request_are_counted_too() -> None:
    assert per_second([0.1, 0.9, 3.0]) == {0: 2, 1: 0, 2: 0, 3: 1}
    assert per_second([]) == {}


@pytest.mark.parametrize("within_s", [0.0, 10.0])
def test_all_that_boot_together_are_done_in_less_than_twice_what_the_limit_needs(within_s: float) -> None:
    outcome = boot(COUNT, within_s=within_s, there_at=0.0, seed=1)

    assert len(outcome.done) == len(outcome.served) == COUNT
    assert outcome.done[-1] < 2 * FLOOR_S
    assert len(outcome.sent) < 2 * COUNT
    # Nobody comes back in step with others: after the boots, the limit is hardly ever reached.
    assert outcome.busiest(within_s + 5) <= LIMIT_PER_S + BURST / 2


def test_those_that_wait_for_the_record_keep_near_the_limit_and_all_get_it_soon() -> None:
    outcome = boot(COUNT, within_s=0.0, there_at=60.0, seed=1)

    assert len(outcome.done) == COUNT
    assert outcome.done[-1] - 60.0 < 2 * FLOOR_S
    assert outcome.rate(30.0, 60.0) <= LIMIT_PER_S * 1.1


def test_the_same_seed_gives_the_same_outcome_and_another_one_another() -> None:
    first, again, other = (boot(50, within_s=1.0, there_at=5.0, seed=seed) for seed in (1, 1, 2))
    assert first == again != other


def test_without_jitter_they_come_all_together() -> None:
    outcome = boot(400, within_s=0.0, there_at=0.0, seed=1, agent=FixedGrowth)
    assert outcome.busiest(5.0) >= 5 * LIMIT_PER_S
