"""How a rollout waits, what stops it, and what it says then."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection
from dataclasses import dataclass, field, replace

import pytest

from etcd_aws_cluster.core.errors import AwsError, GroupGoneError
from etcd_aws_cluster.core.model import InstanceId
from etcd_aws_cluster.deployment.group_state import GroupState, Refresh
from etcd_aws_cluster.deployment.rollout import Progress, Rollout, RolloutFailedError
from tests.fakes.fake_clock import FakeClock

A, B, C, NEW = (InstanceId(f"i-0{letter}") for letter in "abcn")
OLD = frozenset({A, B, C})
LIMIT_S = 3000.0


@dataclass
class FakeGroup:
    """A group that a script moves on, look by look; the last state stays."""

    script: list[GroupState]
    failures: list[str] = field(default_factory=list)
    started: int = 0
    cancelled: int = 0
    protections: list[tuple[frozenset[InstanceId], bool]] = field(default_factory=list)
    failing_looks: int = 0

    def look(self) -> GroupState:
        if self.failing_looks:
            self.failing_looks -= 1
            raise AwsError("DescribeAutoScalingGroups for etcd failed: Throttling")
        return self.script.pop(0) if len(self.script) > 1 else self.script[0]

    def start_refresh(self, desired: int) -> str:
        self.started += 1
        assert desired == 3
        return "r-1"

    def protect(self, instance_ids: Collection[InstanceId], *, yes: bool) -> None:
        self.protections.append((frozenset(instance_ids), yes))

    def cancel_refresh(self) -> None:
        self.cancelled += 1

    def failed_launches(self, since: float) -> tuple[str, ...]:
        assert since == 7
        return tuple(self.failures)


def refresh(status: str = "InProgress", **more: object) -> tuple[Refresh, ...]:
    return (replace(Refresh(refresh_id="r-1", status=status, started_at=7), **more),)  # type: ignore[arg-type]


def state(
    old: frozenset[InstanceId] = OLD,
    *,
    newcomers: frozenset[InstanceId] = frozenset(),
    leaving: frozenset[InstanceId] = frozenset(),
    refreshes: tuple[Refresh, ...] = (),
    serving: frozenset[InstanceId] = frozenset(),
    old_newcomers: frozenset[InstanceId] = frozenset(),
    protected: frozenset[InstanceId] = frozenset(),
) -> GroupState:
    return GroupState(
        desired=3,
        old=old,
        newcomers=newcomers,
        leaving=leaving,
        refreshes=refreshes,
        in_service=serving,
        old_newcomers=old_newcomers,
        protected=protected,
    )


def rollout(group: FakeGroup, *, health: str = "", clock: FakeClock | None = None) -> Rollout:
    return Rollout(group=group, health=lambda: health, clock=clock or FakeClock(), pause_s=2, limit_s=LIMIT_S)


def run(group: FakeGroup, *, health: str = "", has_time: Callable[[], bool] = lambda: True) -> Progress | None:
    made = rollout(group, health=health)
    return made.run(made.begin(), has_time)


NONE: frozenset[InstanceId] = frozenset()
DONE = state(NONE, serving=frozenset({NEW}), refreshes=refresh("Successful"))


def test_with_nothing_old_there_is_nothing_to_do() -> None:
    group = FakeGroup([state(NONE)])
    assert run(group) is None
    assert group.started == 0


def test_a_group_that_is_gone_needs_no_rollout() -> None:
    class Gone(FakeGroup):
        def look(self) -> GroupState:
            raise GroupGoneError("there is no group")

    assert run(Gone([])) is None


def test_old_instances_are_replaced_by_one_refresh_and_its_end_is_waited_for() -> None:
    group = FakeGroup([state(), state(refreshes=refresh()), state(frozenset({C}), refreshes=refresh()), DONE])
    assert run(group) is None
    assert (group.started, group.cancelled) == (1, 0)


def test_a_refresh_that_has_not_begun_is_not_blamed_for_launches_that_failed_before_it() -> None:
    pending = state(refreshes=refresh("Pending", started_at=0))
    group = FakeGroup([state(), pending, DONE], failures=["Launching, last week: abandoned"])
    assert run(group) is None
    assert group.cancelled == 0


def test_scaling_in_must_not_take_an_old_one_when_the_refresh_is_stopped_with_one_too_many() -> None:
    busy = state(newcomers=frozenset({NEW}), refreshes=refresh(), protected=OLD)
    stopped = state(newcomers=frozenset({NEW}), refreshes=refresh("Cancelled"), protected=OLD)
    group = FakeGroup([state(), busy, stopped, state(protected=OLD)], failures=["Launching: abandoned"])
    with pytest.raises(RolloutFailedError):
        run(group)
    assert group.protections == [(OLD, True), (OLD, False)]


def test_a_protection_that_was_left_behind_is_taken_off_once_there_is_nothing_more_to_do() -> None:
    waiting = state(NONE, serving=OLD, protected=OLD, old_newcomers=frozenset({NEW}))
    group = FakeGroup([waiting, state(NONE, serving=OLD, protected=OLD)])
    assert run(group) is None
    assert group.protections == [(OLD, False)]


@pytest.mark.parametrize(("protected", "protections"), [(OLD, [(OLD, False)]), (NONE, [])])
def test_what_is_protected_would_keep_its_group_from_going(
    protected: frozenset[InstanceId], protections: list[tuple[frozenset[InstanceId], bool]]
) -> None:
    group = FakeGroup([state(NONE, serving=OLD, protected=protected)])
    rollout(group).let_go()
    assert group.protections == protections


def test_an_unhealthy_cluster_is_waited_for_and_then_left_alone() -> None:
    group = FakeGroup([state()])
    with pytest.raises(RolloutFailedError, match=r"not healthy: voter 8e9 does not serve\. No instance was touched"):
        run(group, health="voter 8e9 does not serve")
    assert group.started == 0


def test_a_refresh_of_this_kind_that_runs_already_is_waited_for() -> None:
    group = FakeGroup([state(refreshes=refresh()), DONE])
    assert run(group) is None
    assert group.started == 0


def test_somebody_elses_refresh_is_not_disturbed() -> None:
    group = FakeGroup([state(refreshes=refresh(is_ours=False))])
    with pytest.raises(RolloutFailedError, match="which this deployment did not start, is InProgress"):
        run(group)
    assert (group.started, group.cancelled) == (0, 0)


def test_a_refresh_that_is_being_cancelled_is_over_soon() -> None:
    group = FakeGroup([state(refreshes=refresh("Cancelling")), state(refreshes=refresh("Cancelled")), DONE])
    assert run(group) is None
    assert group.started == 1


@pytest.mark.parametrize("status", ["Failed", "Cancelled", "RollbackSuccessful"])
def test_a_refresh_that_ends_otherwise_fails_the_deployment(status: str) -> None:
    ended = state(frozenset({A}), serving=frozenset({NEW}), refreshes=refresh(status, reason="could not launch"))
    with pytest.raises(
        RolloutFailedError, match=rf"{status}: could not launch.*Untouched: i-0a; already replaced: i-0n"
    ):
        run(FakeGroup([state(), ended]))


def test_a_launch_that_was_given_up_stops_it_and_what_was_begun_ends_first() -> None:
    busy = state(newcomers=frozenset({NEW}), refreshes=refresh())
    ending = state(newcomers=frozenset({NEW}), refreshes=refresh("Cancelled"))
    group = FakeGroup(
        [state(), busy, busy, ending, state(refreshes=refresh("Cancelled"))], failures=["Launching: abandoned"]
    )
    with pytest.raises(
        RolloutFailedError, match=r"did not become a member: Launching: abandoned\. Untouched: i-0a, i-0b, i-0c"
    ):
        run(group)
    assert group.cancelled == 1
    assert len(group.script) == 1


def test_an_instance_that_leaves_without_ever_having_served_stops_it_too() -> None:
    gone = state(leaving=frozenset({NEW}), refreshes=refresh())
    group = FakeGroup([state(), state(newcomers=frozenset({NEW}), refreshes=refresh()), gone, state()])
    with pytest.raises(RolloutFailedError, match="did not become a member: i-0n is terminated"):
        run(group)
    assert group.cancelled == 1


def test_one_that_has_served_may_leave() -> None:
    served = state(serving=frozenset({NEW}), refreshes=refresh())
    launching, leaving = (state(**{name: frozenset({NEW})}, refreshes=refresh()) for name in ("newcomers", "leaving"))
    assert run(FakeGroup([state(), launching, served, leaving, DONE])) is None


def test_a_newcomer_that_does_not_go_is_not_waited_for_for_ever() -> None:
    stuck = state(newcomers=frozenset({NEW}), refreshes=refresh())
    group = FakeGroup([state(), stuck], failures=["Launching: abandoned"])
    with pytest.raises(RolloutFailedError, match="abandoned"):
        run(group)
    assert group.cancelled == 1


def test_a_rollout_that_takes_too_long_is_cancelled() -> None:
    group = FakeGroup([state(), state(refreshes=refresh())])
    with pytest.raises(RolloutFailedError, match=r"within 50 minutes \(etcd:rollout_timeout_min\)"):
        run(group)
    assert group.cancelled == 1


def test_what_still_launches_from_the_old_template_is_waited_for() -> None:
    coming = state(NONE, old_newcomers=frozenset({A}))
    assert run(FakeGroup([coming, coming, state(NONE)])) is None
    with pytest.raises(RolloutFailedError, match="Still launching from an older launch template: i-0a"):
        run(FakeGroup([coming]))


def test_it_ends_when_those_that_were_replaced_have_left() -> None:
    leaving = state(NONE, leaving=frozenset({C}), refreshes=refresh("Successful"))
    group = FakeGroup([state(), leaving, leaving, leaving, DONE])
    assert run(group) is None
    assert len(group.script) == 1
    assert run(FakeGroup([leaving])) is None, "one that etcd does not let go is no reason to go back"


def test_something_old_that_came_meanwhile_is_replaced_as_well() -> None:
    group = FakeGroup([state(), state(frozenset({C}), refreshes=refresh("Successful")), state(frozenset({C})), DONE])
    assert run(group) is None
    assert group.started == 2


def test_failed_calls_are_tried_again_and_too_many_of_them_are_told() -> None:
    group = FakeGroup([state(NONE)], failing_looks=29)  # a minute
    assert run(group) is None
    with pytest.raises(AwsError, match="Throttling"):
        run(FakeGroup([state(NONE)], failing_looks=30))


def test_a_refresh_that_aws_does_not_show_yet_is_waited_for_and_not_for_ever() -> None:
    assert run(FakeGroup([state(), state(), state(), state(refreshes=refresh()), DONE])) is None
    with pytest.raises(RolloutFailedError, match="Instance refresh r-1 is not known"):
        run(FakeGroup([state(), state()]))


def test_the_next_run_goes_on_where_this_one_stopped() -> None:
    clock = FakeClock()
    group = FakeGroup([state(), state(newcomers=frozenset({NEW}), refreshes=refresh()), state(refreshes=refresh())])
    time = iter([True, True, False])
    first = rollout(group, clock=clock)
    left = first.run(first.begin(), lambda: next(time))
    assert left is not None
    left = Progress.from_json(json.loads(json.dumps(left.to_json())))
    assert (left.refresh_id, left.launching) == ("r-1", frozenset({NEW}))
    group.script = [DONE]
    assert rollout(group, clock=clock).run(left, lambda: True) is None
    assert group.started == 1


def test_the_time_is_counted_over_all_runs() -> None:
    clock = FakeClock()
    group = FakeGroup([state(refreshes=refresh()), state()])
    late = Progress(began_at=clock.now() - LIMIT_S - 1, refresh_id="r-1")
    with pytest.raises(RolloutFailedError, match="within 50 minutes"):
        rollout(group, clock=clock).run(late, lambda: True)
