"""Whole lives of clusters, by the shipped reconciler on fakes."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from etcd_aws_cluster.core.errors import AwsError, InvariantViolationError
from etcd_aws_cluster.core.model import InstanceId, Lifecycle, Result, Transition
from etcd_aws_cluster.core.record import RecordState
from etcd_aws_cluster.core.telemetry import Metric
from tests.fakes.fake_membership import FakeEtcd
from tests.world import World


def formed(desired: int = 3, **facts: object) -> World:
    world = World(desired=desired, **facts)  # type: ignore[arg-type]
    world.live(minutes=3)
    assert world.is_as_desired()
    return world


@pytest.mark.parametrize("desired", [1, 3, 5, 7, 9])
def test_a_cluster_forms(desired: int) -> None:
    world = formed(desired)
    assert world.store.record is not None
    assert world.store.record.state is RecordState.EXISTING
    assert world.store.parameters["initial-cluster"] == world.store.record.initial_cluster()


def test_a_cluster_forms_however_far_apart_its_hosts_boot() -> None:
    world = World(desired=3)
    world.group.advance()
    late = world.group.held(Transition.LAUNCHING)
    for instance_id in late:
        world.boots[instance_id] = False
    for instance_id in late:
        world.boots[instance_id] = True
        world.live(minutes=2)
    world.live(minutes=2)
    assert world.is_as_desired()
    assert len(world.etcd.clusters) == 1


def test_a_settled_tick_costs_at_most_four_aws_calls_and_one_read_a_member() -> None:
    world = formed()
    before = world.group.calls + world.store.calls
    changes = len(world.etcd.changes)
    report = world.run()
    assert report is not None
    assert (report.decision, report.steps) == ("Settled", 1)
    assert (world.group.calls + world.store.calls) - before == {"read": 2}
    assert len(world.etcd.changes) == changes


def test_a_lost_host_is_replaced_by_a_voter() -> None:
    world = formed()
    lost = world.group.in_service()[0]
    world.group.lose(lost)
    world.live(minutes=5)
    assert world.is_as_desired()
    assert lost not in world.voters()


def test_a_hung_etcd_is_replaced_after_the_grace_period() -> None:
    world = formed()
    hung = world.group.in_service()[1]
    world.etcd.hang(f"http://{world.group.instances[hung].private_ip}:2379")
    world.live(minutes=8)
    assert world.is_as_desired()
    assert hung not in world.in_service()


def test_an_instance_refresh_replaces_every_voter_and_never_has_fewer_than_desired() -> None:
    world = formed()
    first = set(world.in_service())
    for old in sorted(first):
        world.group.desired = 4
        world.live(minutes=2)
        world.group.desired = 3
        world.group.terminate(old)  # type: ignore[arg-type]
        world.live(minutes=2)
        assert len(world.voters()) == 3
    assert world.is_as_desired()
    assert not first & world.voters()


def test_a_refresh_that_terminates_first_waits_for_the_replacement_before_it_lets_a_voter_go() -> None:
    world = formed()
    old = world.group.in_service()[0]
    world.group.terminate(old)
    world.live(minutes=3)
    assert world.is_as_desired()
    assert world.etcd.changes.index(next(c for c in world.etcd.changes if c.startswith("promote"))) < (
        world.etcd.changes.index(next(c for c in world.etcd.changes if c.startswith("remove")))
    )


def test_scaling_out_and_in_goes_one_voter_at_a_time() -> None:
    world = formed()
    world.group.desired = 5
    world.live(minutes=5)
    assert world.is_as_desired()
    world.group.desired = 3
    world.live(minutes=5)
    assert world.is_as_desired()
    kinds = [c.split()[0] for c in world.etcd.changes]
    assert kinds[:4] == ["add_member", "promote_member", "add_member", "promote_member"]
    assert [k for k in kinds if k == "remove_member"] == ["remove_member"] * 2


def test_no_member_is_added_that_the_record_has_no_room_for_and_the_way_back_is_open() -> None:
    world = formed()
    world.group.desired = 30
    world.live(minutes=40)
    assert 9 <= len(world.voters()) < 30
    assert any("RECORD_FULL" in said for said in world.telemetry.decisions)
    world.group.desired = 3
    world.live(minutes=40)
    assert world.is_as_desired()


def test_a_deleted_record_is_written_back_from_its_generations_outcome_as_the_runbook_says() -> None:
    world = formed()
    for old in list(world.in_service()):
        world.group.terminate(old)  # type: ignore[arg-type]
        world.live(minutes=4)
    before = world.store.record
    del world.store.parameters["record"]
    world.live(minutes=1)
    assert "FOREIGN_CLUSTER" in world.telemetry.decisions[-1]  # the claim is of the first cohort, none of which is left
    world.store.parameters["record"] = world.store.parameters["generations/1/outcome"]
    world.live(minutes=2)
    assert world.is_as_desired()
    after = world.store.record
    assert before is not None
    assert after is not None
    assert (after.token, after.cluster_id) == (before.token, before.cluster_id)
    assert {(m.instance, m.life) for m in after.members} == {(m.instance, m.life) for m in before.members}


def test_the_leader_hands_over_before_it_leaves() -> None:
    world = formed()
    leader = next(v.name for v in world.cluster().voters if v.member_id == world.cluster().leader_id)
    world.group.terminate(leader)  # type: ignore[arg-type]
    world.live(minutes=3)
    kinds = [c.split()[0] for c in world.etcd.changes]
    assert kinds == ["add_member", "promote_member", "move_leadership", "remove_member"]


def test_a_leader_that_handed_over_to_the_newcomer_is_removed_at_once_by_one_that_has_been_there_longer() -> None:
    world = World(desired=3)
    world.etcd = FakeEtcd(clock=world.clock, catches_up_at_once=True)  # refuses as long as connections are new
    world.live(minutes=3)
    leader = next(v.name for v in world.cluster().voters if v.member_id == world.cluster().leader_id)
    world.group.terminate(leader)  # type: ignore[arg-type]
    world.live(minutes=3)
    assert world.is_as_desired()
    added, _, moved, removed = world.etcd.changes
    assert moved.split()[1] == added.split()[1], "leadership went to the newcomer"
    assert removed.startswith("remove_member")
    assert not [trouble for trouble in world.telemetry.troubles if trouble.startswith("RemoveMember")]


def test_a_host_that_never_starts_etcd_is_given_up_and_replaced() -> None:
    world = formed()
    world.group.terminate(world.group.in_service()[0])
    world.group.advance()
    (newcomer,) = world.group.held(Transition.LAUNCHING)
    world.boots[newcomer] = False
    world.live(minutes=25)
    assert world.is_as_desired()
    assert (newcomer, Transition.LAUNCHING, Result.ABANDON) in world.group.completed


def test_with_the_quorum_lost_nothing_is_touched_and_nobody_is_let_go() -> None:
    world = formed()
    one, two, _ = world.group.in_service()
    world.group.lose(one)
    world.group.lose(two)
    changes = list(world.etcd.changes)
    world.live(minutes=20)
    assert world.etcd.changes == changes
    assert len(world.etcd.clusters) == 1
    assert world.telemetry.gauges[Metric.QUORUM_LOST] == 1
    assert set(world.group.held(Transition.TERMINATING)) == {one, two}


def test_scaled_to_zero_and_back_a_new_generation_forms() -> None:
    world = formed()
    world.group.desired = 0
    world.live(minutes=3)
    assert not world.group.in_service()
    assert world.store.record is not None
    assert world.store.record.state is RecordState.RETIRED
    world.group.desired = 3
    world.live(minutes=4)
    assert world.store.record.generation == 2
    assert len(world.in_service()) == 3


def test_a_cohort_that_cannot_form_makes_room_for_the_next_generation() -> None:
    world = World(desired=3)
    world.group.advance()
    for instance_id in world.group.held(Transition.LAUNCHING):
        world.boots[instance_id] = False
    world.live(minutes=20)
    assert world.store.record is not None
    assert world.store.record.generation == 2
    assert world.is_as_desired()


def test_a_terminated_instance_of_a_small_group_waits_for_another_zone_to_have_room() -> None:
    world = formed(desired=1)
    only = world.group.in_service()[0]
    world.group.terminate(only)
    world.live(minutes=4)
    assert world.is_as_desired()
    assert only not in world.voters()


def test_a_standby_member_stays_a_voter() -> None:
    world = formed()
    aside = world.group.in_service()[0]
    world.group.instances[aside].lifecycle = Lifecycle.STANDBY
    world.group.desired = 2
    world.live(minutes=5)
    assert aside in world.voters()


def test_the_controller_survives_an_etcd_2_cluster() -> None:
    world = formed(version="2.3.8")
    lost = world.group.in_service()[0]
    world.group.lose(lost)
    world.live(minutes=5)
    assert world.is_as_desired()


def test_a_second_member_of_etcd_2_waits_for_its_host() -> None:
    world = formed(desired=1, version="2.3.8")
    world.group.desired = 2
    world.group.advance()
    (newcomer,) = world.group.held(Transition.LAUNCHING)
    world.group.instances[newcomer].passes_status_checks = False
    world.live(minutes=3)
    assert world.etcd.changes == []
    world.group.instances[newcomer].passes_status_checks = True
    world.live(minutes=3)
    assert world.is_as_desired()


def test_a_running_cluster_is_adopted_and_kept() -> None:
    world = formed()
    for name in ("record", "initial-cluster", "generations/1"):
        del world.store.parameters[name]
    world.live(minutes=2)
    assert world.store.record is not None
    assert world.store.record.state is RecordState.EXISTING
    world.group.lose(world.group.in_service()[0])
    world.live(minutes=5)
    assert world.is_as_desired()


def test_one_instance_whose_lifecycle_action_fails_does_not_hold_up_the_others() -> None:
    world = World(desired=3)
    complete = world.group.complete

    def completing(instance_id: InstanceId, transition: Transition, result: Result) -> None:
        if instance_id == "i-0001":
            raise AwsError("throttled")
        complete(instance_id, transition, result)

    world.group.complete = completing  # type: ignore[method-assign]
    world.live(minutes=1)
    assert world.in_service() == {"i-0002", "i-0003"}
    world.group.complete = complete  # type: ignore[method-assign]
    world.live(minutes=1)
    assert world.is_as_desired()


def test_an_aws_call_that_goes_on_failing_ends_the_run_and_the_next_one_carries_on() -> None:
    world = World(desired=3)
    for call in ("claim", "conclude", "install", "write"):
        for _ in range(5):
            world.store.fail_next(call)
            world.store.fail_next(call, after_applying=True)
    world.group.fail_next("read")
    world.live(minutes=9)
    assert world.is_as_desired()
    assert len(world.etcd.clusters) == 1


def test_a_quorum_that_comes_back_is_carried_on_with() -> None:
    world = formed()
    endpoints = [f"http://{world.group.instances[i].private_ip}:2379" for i in world.group.in_service()]
    for endpoint in endpoints[:2]:
        world.etcd.partition(endpoint)
    world.live(minutes=1)
    assert world.telemetry.gauges[Metric.QUORUM_LOST] == 1
    for endpoint in endpoints[:2]:
        world.etcd.heal(endpoint)
    world.live(minutes=3)
    assert world.is_as_desired()


def test_a_voter_that_an_older_record_written_late_does_not_know_of_counts_all_the_same() -> None:
    world = formed()
    assert world.store.record
    older = replace(world.store.record, follows=None)  # as an earlier version of the controller wrote it
    lost = world.group.in_service()[0]
    world.group.desired = 4
    for _ in range(20):
        world.group.fail_next("complete")
    world.live(minutes=1)
    (newcomer,) = world.voters() - world.in_service()
    world.store.parameters["record"] = older.to_json()
    world.group.lose(lost)
    world.live(minutes=6)
    assert newcomer in world.voters()
    assert world.is_as_desired()


def test_a_safety_rule_that_would_break_stops_the_run(monkeypatch: pytest.MonkeyPatch) -> None:
    """The planner is replaced by one that removes any member: the second look must not let it."""
    from etcd_aws_cluster.app import reconcile  # noqa: PLC0415
    from etcd_aws_cluster.core.actions import Act, Reason, RemoveMember  # noqa: PLC0415

    world = formed()
    victim = world.cluster().voters[0].member_id
    monkeypatch.setattr(reconcile, "plan", lambda *_: Act(action=RemoveMember(victim), reason=Reason.INSTANCE_LEAVING))
    with pytest.raises(InvariantViolationError, match="INV-4: its instance stays"):
        world.run()
    assert len(world.voters()) == 3


def test_time_is_not_spent_beyond_the_reserve() -> None:
    world = World(desired=3)
    world.group.advance()
    for instance_id in world.group.held(Transition.LAUNCHING):
        world.boots[instance_id] = False
    started = world.clock.monotonic()
    report = world.run()
    assert report is not None
    assert report.reason == "FORMING"
    assert timedelta(seconds=world.clock.monotonic() - started) <= timedelta(seconds=50)
