"""One suite for the AWS ports, run against the fakes and against the adapters on the local AWS."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from etcd_aws_cluster.core.errors import AwsError
from etcd_aws_cluster.core.model import Ec2State, Group, InstanceId, Lifecycle, Result, Transition
from etcd_aws_cluster.core.ports import RecordStore, Stored
from etcd_aws_cluster.core.record import Record, RecordState
from lab import Lab
from lab.paths import MINISTACK
from tests.contract.aws_worlds import FakeGroupWorld, GroupWorld, LocalAws, fake_stores
from tests.unit.aws.test_parameter_store import a_record

UNKNOWN = InstanceId("i-0123456789abcdef0")


@pytest.fixture(scope="module")
def local_aws(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalAws]:
    if not MINISTACK.exists():
        pytest.skip("the local AWS is not installed: make dev")
    with Lab(tmp_path_factory.mktemp("lab")) as lab:
        yield LocalAws(lab)


@pytest.fixture(params=["fake", "local AWS"])
def world(request: pytest.FixtureRequest) -> GroupWorld:
    """A group with nothing in it."""
    if request.param == "fake":
        return FakeGroupWorld()
    aws: LocalAws = request.getfixturevalue("local_aws")
    return aws.group_world()


@pytest.fixture(params=["fake", "local AWS"])
def stores(request: pytest.FixtureRequest) -> Callable[[], RecordStore]:
    """What makes stores on the same, empty parameters."""
    if request.param == "fake":
        return fake_stores()
    aws: LocalAws = request.getfixturevalue("local_aws")
    return aws.stores()


@pytest.fixture
def store(stores: Callable[[], RecordStore]) -> RecordStore:
    return stores()


def states(group: Group) -> list[Lifecycle]:
    return [i.lifecycle for i in group.instances]


def all_in(count: int, *expected: Lifecycle) -> Callable[[Group], bool]:
    return lambda group: len(group.instances) == count and set(states(group)) <= set(expected)


def launched(world: GroupWorld, count: int = 1) -> list[InstanceId]:
    """Have that many instances wait at launch; returns them oldest first."""
    world.scale(count)
    return [i.instance_id for i in world.until(all_in(count, Lifecycle.PENDING_WAIT)).instances]


def in_service(world: GroupWorld) -> InstanceId:
    (instance_id,) = launched(world)
    world.group.complete(instance_id, Transition.LAUNCHING, Result.CONTINUE)
    world.until(all_in(1, Lifecycle.IN_SERVICE))
    return instance_id


def is_leaving(instance_id: InstanceId) -> Callable[[Group], bool]:
    def holds(group: Group) -> bool:
        instance = group.find(instance_id)
        return instance is not None and instance.lifecycle is Lifecycle.TERMINATING_WAIT

    return holds


def test_an_empty_group_has_no_instances_and_others_are_absent(world: GroupWorld) -> None:
    group = world.group.read([UNKNOWN])

    assert group.instances == ()
    assert group.desired == 0
    assert not group.is_deleting
    assert group.ec2_state(UNKNOWN) is Ec2State.ABSENT


def test_instances_wait_at_launch_each_running_and_with_an_address_of_its_own(world: GroupWorld) -> None:
    launched(world, 3)

    group = world.group.read(())

    assert group.desired == 3
    assert {i.ec2_state for i in group.instances} == {Ec2State.RUNNING}
    assert len({i.private_ip for i in group.instances} - {None}) == 3
    assert all(i.is_healthy for i in group.instances)
    assert [i.launched_at for i in group.instances] == sorted(i.launched_at for i in group.instances)


def test_a_continued_launch_goes_into_service(world: GroupWorld) -> None:
    first, second = launched(world, 2)

    world.group.complete(first, Transition.LAUNCHING, Result.CONTINUE)

    group = world.until(lambda g: Lifecycle.IN_SERVICE in states(g))
    assert {i.instance_id: i.lifecycle for i in group.instances} == {
        first: Lifecycle.IN_SERVICE,
        second: Lifecycle.PENDING_WAIT,
    }


def test_an_abandoned_launch_leaves_through_the_terminate_hook_and_is_replaced(world: GroupWorld) -> None:
    (first,) = launched(world)

    world.group.complete(first, Transition.LAUNCHING, Result.ABANDON)
    world.until(is_leaving(first))
    world.group.complete(first, Transition.TERMINATING, Result.CONTINUE)

    group = world.until(lambda g: states(g) == [Lifecycle.PENDING_WAIT] and g.ec2_state(first).has_ended, also=[first])
    assert group.find(first) is None


def test_completing_what_is_not_active_changes_nothing(world: GroupWorld) -> None:
    serving = in_service(world)

    world.group.complete(serving, Transition.LAUNCHING, Result.ABANDON)
    world.group.complete(serving, Transition.TERMINATING, Result.CONTINUE)
    world.group.complete(UNKNOWN, Transition.LAUNCHING, Result.CONTINUE)

    assert states(world.group.read(())) == [Lifecycle.IN_SERVICE]


def test_completing_the_other_transition_changes_nothing(world: GroupWorld) -> None:
    (waiting,) = launched(world)

    world.group.complete(waiting, Transition.TERMINATING, Result.CONTINUE)

    assert states(world.group.read(())) == [Lifecycle.PENDING_WAIT]


def test_a_heartbeat_is_taken_whether_or_not_an_action_is_active(world: GroupWorld) -> None:
    (waiting,) = launched(world)

    world.group.heartbeat(waiting, Transition.LAUNCHING)
    world.group.heartbeat(waiting, Transition.TERMINATING)
    world.group.heartbeat(UNKNOWN, Transition.LAUNCHING)

    assert states(world.group.read(())) == [Lifecycle.PENDING_WAIT]


def test_an_instance_marked_unhealthy_is_replaced_and_still_runs_while_its_hook_holds_it(world: GroupWorld) -> None:
    sick = in_service(world)

    world.group.mark_unhealthy(sick)

    leaving = world.until(is_leaving(sick)).find(sick)
    assert leaving
    assert leaving.ec2_state is Ec2State.RUNNING
    assert not leaving.is_healthy
    world.until(lambda g: Lifecycle.PENDING_WAIT in states(g))


def test_marking_an_instance_unhealthy_that_is_gone_is_success(world: GroupWorld) -> None:
    world.group.mark_unhealthy(UNKNOWN)


def test_an_abandoned_termination_retains_the_instance(world: GroupWorld) -> None:
    sick = in_service(world)
    world.group.mark_unhealthy(sick)
    world.until(is_leaving(sick))

    world.group.complete(sick, Transition.TERMINATING, Result.ABANDON)

    group = world.until(lambda g: Lifecycle.TERMINATING_RETAINED in states(g))
    assert group.ec2_state(sick) is Ec2State.RUNNING


def test_a_host_that_dies_by_itself_is_seen_by_ec2_and_then_by_its_group(world: GroupWorld) -> None:
    lost = in_service(world)

    world.lose(lost)

    group = world.until(is_leaving(lost))
    assert group.ec2_state(lost) is Ec2State.TERMINATED


def test_scaling_in_terminates_through_the_hook_and_nothing_comes_instead(world: GroupWorld) -> None:
    serving = in_service(world)

    world.scale(0)
    world.until(is_leaving(serving))
    world.group.complete(serving, Transition.TERMINATING, Result.CONTINUE)

    group = world.until(lambda g: not g.instances)
    assert group.desired == 0


def test_status_checks_pass_for_a_running_host(world: GroupWorld) -> None:
    (waiting,) = launched(world)

    assert world.group.passes_status_checks(waiting)


def test_nothing_is_stored_at_first(store: RecordStore) -> None:
    assert store.read() == Stored(record=None)


def test_what_was_written_is_read(store: RecordStore) -> None:
    store.write(a_record())
    store.write_initial_cluster("i-0a=http://10.0.0.4:2380")

    assert store.read() == Stored(record=a_record(), initial_cluster="i-0a=http://10.0.0.4:2380")


def test_an_empty_list_is_never_written(store: RecordStore) -> None:
    with pytest.raises(ValueError, match="cannot be empty, expected at least one name=url"):
        store.write_initial_cluster("")


def test_a_record_that_was_written_too_late_is_void_until_it_is_written_over(
    stores: Callable[[], RecordStore],
) -> None:
    first = stores().claim(a_record())
    second = stores().write(replace(first, state=RecordState.EXISTING))

    for _ in range(2):
        with pytest.raises(AwsError, match="came too late"):
            stores().write(replace(first, state=RecordState.RETIRED))

    stored = stores().read()
    assert stored == Stored(record=second, is_covered=True)
    assert stored.record
    stores().write(stored.record)
    assert stores().read() == Stored(record=second)


def test_the_claimed_record_is_the_stored_one(store: RecordStore) -> None:
    assert store.claim(a_record()) == a_record()

    assert store.read().record == a_record()


def test_a_claim_can_be_made_again_and_stays_the_first_claimers(stores: Callable[[], RecordStore]) -> None:
    first, second = stores(), stores()

    assert first.claim(a_record(instance="i-0a")) == a_record(instance="i-0a")
    assert second.claim(a_record(instance="i-0b")) == a_record(instance="i-0a")
    assert first.claim(a_record(instance="i-0a")) == a_record(instance="i-0a")


def test_a_later_claimer_gets_the_record_as_it_has_become(stores: Callable[[], RecordStore]) -> None:
    formed = replace(a_record(instance="i-0a"), state=RecordState.EXISTING)
    stores().claim(a_record(instance="i-0a"))
    stores().write(formed)

    assert stores().claim(a_record(instance="i-0b")) == formed
    assert stores().read().record == formed


def test_the_next_generation_follows_a_retired_one_and_no_late_claim_brings_that_back(
    stores: Callable[[], RecordStore],
) -> None:
    first, second = a_record(generation=1), a_record(generation=2)
    stores().claim(first)
    stores().write(replace(first, state=RecordState.RETIRED))

    assert stores().claim(second) == second
    assert stores().claim(first) == second
    assert stores().read().record == second


@pytest.mark.parametrize(
    ("first", "second"), [(RecordState.EXISTING, RecordState.RETIRED), (RecordState.RETIRED, RecordState.EXISTING)]
)
def test_a_formation_ends_once_and_as_it_was_said_first(
    stores: Callable[[], RecordStore], first: RecordState, second: RecordState
) -> None:
    forming = a_record()
    stores().claim(forming)

    assert stores().conclude(replace(forming, state=first)).state is first
    assert stores().conclude(replace(forming, state=second)).state is first
    stores().write(forming)  # as a controller leaves it that was cut off between the outcome and the record
    assert stores().conclude(replace(forming, state=second)).state is first

    stored = stores().read().record
    assert stored
    assert stored.state is first


def test_a_late_conclusion_leaves_a_record_alone_that_has_gone_on(stores: Callable[[], RecordStore]) -> None:
    first, second = a_record(generation=1), a_record(generation=2)
    stores().claim(first)
    formed = replace(first, state=RecordState.EXISTING)
    stores().conclude(formed)
    stores().write(replace(formed, members=()))
    assert stores().conclude(formed).members == ()
    stores().write(replace(formed, state=RecordState.RETIRED))
    stores().claim(second)

    assert stores().conclude(formed) == second
    assert stores().read().record == second


def test_nothing_is_concluded_where_nothing_is_stored(store: RecordStore) -> None:
    with pytest.raises(AwsError):
        store.conclude(a_record(state=RecordState.EXISTING))


def test_of_many_claimers_at_once_one_wins_for_all(stores: Callable[[], RecordStore]) -> None:
    claimers = [(stores(), a_record(instance=f"i-0{n}")) for n in range(8)]

    def claim(claimer: tuple[RecordStore, Record]) -> Record:
        return claimer[0].claim(claimer[1])

    with ThreadPoolExecutor(max_workers=len(claimers)) as pool:
        winners = {record.to_json() for record in pool.map(claim, claimers)}

    assert len(winners) == 1
    stored = stores().read().record
    assert stored
    assert winners == {stored.to_json()}
