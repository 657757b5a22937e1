"""A failed AWS call is followed by another look within the run, as often as there is time and sense."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest

from etcd_aws_cluster.core.errors import AwsError, GroupGoneError
from etcd_aws_cluster.core.model import InstanceId, Result, Transition
from etcd_aws_cluster.core.telemetry import Metric
from tests.world import RUN_S, World

RESERVE_S = 10


def fail_reads(world: World, error: AwsError, *, after_s: float = 0) -> list[float]:
    """Have every read of the group fail after that long; returns when each was made."""
    made: list[float] = []

    def read(also: object) -> object:
        made.append(world.clock.monotonic())
        world.clock.advance(timedelta(seconds=after_s))
        raise error

    world.group.read = read  # type: ignore[method-assign, assignment]
    return made


def fail_completions_of(world: World, chosen: Callable[[InstanceId], bool]) -> list[InstanceId]:
    """Have the completions of some instances fail; returns for whom it was tried."""
    tried: list[InstanceId] = []
    complete = world.group.complete

    def completing(instance_id: InstanceId, transition: Transition, result: Result) -> None:
        if chosen(instance_id):
            tried.append(instance_id)
            raise AwsError("throttled")
        complete(instance_id, transition, result)

    world.group.complete = completing  # type: ignore[method-assign]
    return tried


@pytest.mark.parametrize("call", ["read", "claim", "install", "conclude", "write_initial_cluster"])
@pytest.mark.parametrize("after_applying", [False, True])
def test_a_call_that_fails_is_got_over_within_the_run(call: str, after_applying: bool) -> None:  # noqa: FBT001
    world = World(desired=3)
    world.store.fail_next(call, after_applying=after_applying)
    world.live(minutes=1)
    assert world.is_as_desired()
    assert world.telemetry.counts[Metric.RECONCILE_ERRORS] == 1
    assert 2.0 in world.clock.slept


def test_a_call_that_goes_on_failing_ends_the_run_after_four_tries_each_after_a_pause() -> None:
    world = World(desired=3)
    made = fail_reads(world, AwsError("throttled"))
    assert world.run() is None
    assert made == [0, 2, 4, 6]
    assert world.telemetry.counts[Metric.RECONCILE_ERRORS] == 3  # the handler counts the last


def test_only_failures_in_a_row_end_a_run() -> None:
    world = World(desired=3)
    for call in ("claim", "conclude", "write_initial_cluster"):
        for _ in range(3):
            world.store.fail_next(call)
    world.live(minutes=1)
    assert world.is_as_desired()


def test_what_fails_slowly_is_tried_again_only_if_there_is_as_much_time_once_more() -> None:
    world = World(desired=3)
    made = fail_reads(world, AwsError("no answer"), after_s=18)
    assert world.run() is None
    assert made == [0, 20]
    assert world.clock.monotonic() <= RUN_S - RESERVE_S


def test_a_group_that_is_gone_is_not_looked_for_again() -> None:
    world = World(desired=3)
    made = fail_reads(world, GroupGoneError("there is no such group"))
    assert world.run() is None
    assert made == [0]


@pytest.mark.parametrize("after_applying", [False, True])
def test_a_completion_that_fails_is_made_again_in_the_same_run_after_a_look(after_applying: bool) -> None:  # noqa: FBT001
    world = World(desired=3)
    world.group.fail_next("complete", after_applying=after_applying)
    world.live(minutes=1)
    assert world.is_as_desired()


def test_a_completion_that_goes_on_failing_is_left_to_the_next_run_after_four_tries() -> None:
    world = World(desired=3)
    tried = fail_completions_of(world, lambda i: i == "i-0001")
    world.live(minutes=1)
    assert tried == ["i-0001"] * 4
    assert world.in_service() == {"i-0002", "i-0003"}
    world.live(minutes=1)
    assert tried == ["i-0001"] * 8


def with_its_quorum_lost() -> World:
    """Return a cluster without a quorum, in whose group four instances wait."""
    world = World(desired=3)
    world.live(minutes=3)
    world.group.desired = 7
    world.group.advance()
    for silent in world.group.in_service()[1:]:
        world.etcd.hang(f"http://{world.group.instances[silent].private_ip}:2379")
    return world


def test_heartbeats_that_hang_do_not_push_a_run_past_its_end() -> None:
    world = with_its_quorum_lost()
    tried: list[InstanceId] = []

    def heartbeat(instance_id: InstanceId, _transition: Transition) -> None:
        tried.append(instance_id)
        world.clock.advance(timedelta(seconds=9))
        raise AwsError("no answer")

    world.group.heartbeat = heartbeat  # type: ignore[method-assign, assignment]
    began = world.clock.monotonic()
    report = world.run()
    assert report is not None
    assert report.reason == "QUORUM_LOST"
    assert len(tried) == 1
    assert world.clock.monotonic() - began <= RUN_S
    assert world.telemetry.gauges[Metric.QUORUM_LOST]


def test_a_heartbeat_that_is_refused_at_once_keeps_no_other_from_being_recorded() -> None:
    world = with_its_quorum_lost()
    world.group.fail_next("heartbeat")
    world.run()
    assert world.group.calls["heartbeat"] == len(world.group.held(Transition.LAUNCHING))
