"""What a seed means."""

from __future__ import annotations

from collections import Counter

from lab.torture.faults import Fault, Kind
from lab.torture.schedule import PHASE_S, Schedule, is_survivable

MANY = [Schedule.of(seed) for seed in range(1, 601)]


def survivable(size: int, *faults: Fault, from_formation: bool = False) -> bool:
    return is_survivable(size, faults, from_formation=from_formation)


def lost(at_s: float, *ranks: int) -> Fault:
    kind = Kind.HOST_LOST if len(ranks) == 1 else Kind.TWO_HOSTS_LOST
    return Fault(kind=kind, at_s=at_s, ranks=ranks, what="terminated")


def frozen(at_s: float, lasts_s: float) -> Fault:
    return Fault(kind=Kind.ETCD_FROZEN, at_s=at_s, ranks=(0,), lasts_s=lasts_s)


def test_the_same_seed_is_the_same_schedule() -> None:
    assert [Schedule.of(seed) for seed in range(1, 50)] == MANY[:49]
    assert len({schedule.faults for schedule in MANY}) == len(MANY)


def test_a_schedule_of_today_stays_what_it_is() -> None:
    # Whoever changes how seeds are drawn changes what all seeds of the past mean: say so in docs/torture.md.
    assert str(Schedule.of(17)) == SEED_17


def test_sizes_and_rare_cases_are_drawn_in_their_parts() -> None:
    sizes = Counter(schedule.size for schedule in MANY)
    assert set(sizes) == {3, 5}
    assert 0.25 < sizes[5] / len(MANY) < 0.42
    assert 0.02 < sum(schedule.loses_majority for schedule in MANY) / len(MANY) < 0.07
    assert sum(schedule.from_formation for schedule in MANY) > len(MANY) / 5


def test_every_kind_is_drawn_often() -> None:
    drawn = Counter(kind for schedule in MANY[:200] for kind in {fault.kind for fault in schedule.faults})
    assert set(drawn) == set(Kind)
    assert min(drawn.values()) >= 3, drawn


def test_every_schedule_keeps_to_its_bounds() -> None:
    for schedule in MANY:
        faults = schedule.faults
        assert 1 <= len(faults) <= 12, schedule
        assert list(faults) == sorted(faults, key=lambda fault: fault.at_s), schedule
        for fault in faults:
            assert 0 <= fault.at_s <= PHASE_S, schedule
            assert all(0 <= rank < schedule.size for rank in fault.ranks), schedule
            assert len(set(fault.ranks)) == len(fault.ranks), schedule


def test_only_who_is_to_lose_the_majority_loses_it() -> None:
    for schedule in MANY:
        if schedule.loses_majority:
            assert schedule.faults[-1].kind is Kind.MAJORITY_LOST
            assert len(schedule.faults[-1].ranks) == schedule.size // 2 + 1
        else:
            assert is_survivable(schedule.size, schedule.faults, from_formation=schedule.from_formation), schedule


def test_no_more_than_a_minority_is_destroyed() -> None:
    assert survivable(3, lost(1, 0))
    assert not survivable(3, lost(1, 0), lost(9, 1))
    assert survivable(5, lost(1, 0, 1))
    assert not survivable(5, lost(1, 0, 1), lost(9, 2))


def test_a_group_that_shrinks_counts_as_small_as_it_gets() -> None:
    smaller = Fault(kind=Kind.SCALED, at_s=3, count=3)
    assert not survivable(5, lost(1, 0, 1), smaller)
    assert survivable(5, lost(1, 0), smaller)


def test_a_voter_that_may_be_missing_counts_if_a_host_is_destroyed_later() -> None:
    assert not survivable(3, frozen(1, 9), lost(8, 1))
    assert survivable(3, lost(1, 1), frozen(2, 9))
    assert survivable(3, frozen(1, 2), lost(8, 1))
    assert survivable(5, frozen(1, 9), lost(8, 1))
    assert not survivable(5, frozen(1, 9), lost(8, 1, 2))


def test_several_short_silences_may_be_one_long_one() -> None:
    assert not survivable(3, frozen(1, 2), frozen(3, 2), lost(8, 1))


def test_with_a_clock_that_steps_no_silence_is_short() -> None:
    step = Fault(kind=Kind.CLOCK_STEPPED, at_s=2, seconds=3600, lasts_s=3)
    assert not survivable(3, frozen(1, 1), step, lost(8, 1))
    assert not survivable(3, Fault(kind=Kind.TERMINATED, at_s=1, ranks=(0,)), step, lost(8, 1))


def test_a_host_of_the_first_cohort_that_never_starts_counts_as_destroyed() -> None:
    never = Fault(kind=Kind.HOST_NEVER_STARTS, at_s=0.0, count=1)
    assert not survivable(3, never, lost(8, 1), from_formation=True)
    assert survivable(3, never, lost(8, 1), from_formation=False)


SEED_17 = """\
seed 17: size 3
  2.9: AWS reply lost autoscaling:RecordLifecycleActionHeartbeat InternalFailure x1 after its effect
  6: controller killed x3
  8.5: one-way link cut #2,1 for 7.1 s
  9: member isolated #0 for 0.9 s
"""
