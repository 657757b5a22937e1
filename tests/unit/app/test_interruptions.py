"""Every scenario, cut at each call, with and without its effect: the next runs must end where the uncut one did."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from etcd_aws_cluster.core.errors import AwsError
from etcd_aws_cluster.core.model import Transition
from tests.world import World

AWS_CALLS = ("read", "complete", "heartbeat", "mark_unhealthy")
STORE_CALLS = ("read", "claim", "conclude", "install", "write", "write_initial_cluster")
STORE_STEPS = ("read", "create_once", "install", "write", "write_initial_cluster")
ETCD_CALLS = ("add_member", "promote_member", "remove_member", "move_leadership")


class CutOffError(BaseException):
    """The function was stopped: nothing catches this."""


@dataclass
class Scissors:
    """Cuts the controller at its n-th call, before or after the call takes effect."""

    at: int
    after_effect: bool
    calls: int = 0

    def wrap(self, port: object, names: tuple[str, ...]) -> None:
        """Count the calls of a port."""
        for name in names:
            setattr(port, name, self._counted(getattr(port, name)))

    def _counted(self, call: Callable[..., object]) -> Callable[..., object]:
        def counted(*args: object, **kwargs: object) -> object:
            self.calls += 1
            if self.calls == self.at and not self.after_effect:
                raise CutOffError
            answer = call(*args, **kwargs)
            if self.calls == self.at:
                raise CutOffError
            return answer

        return counted


def form(_: World) -> None:
    """Nothing more than what the group does by itself."""


def lose_one(world: World) -> None:
    """Have a host die."""
    world.group.lose(world.group.in_service()[0])


def terminate_the_leader(world: World) -> None:
    """Have the group take the leader's instance."""
    leader = next(v.name for v in world.cluster().voters if v.member_id == world.cluster().leader_id)
    world.group.terminate(leader)  # type: ignore[arg-type]


def scale_out(world: World) -> None:
    """Three to five."""
    world.group.desired = 5


def scale_in(world: World) -> None:
    """Three to one."""
    world.group.desired = 1


def hang_one(world: World) -> None:
    """Have an etcd stop answering."""
    instance = world.group.instances[world.group.in_service()[0]]
    world.etcd.hang(f"http://{instance.private_ip}:2379")


SCENARIOS = (form, lose_one, terminate_the_leader, scale_out, scale_in, hang_one)
MINUTES = 9


def play(scenario: Callable[[World], None], scissors: Scissors) -> World:
    """Live through a scenario with the controller cut once, and long enough afterwards to get over it."""
    world = World(desired=3)
    if scenario is not form:
        world.live(minutes=2)
        assert world.is_as_desired()
        scenario(world)
    scissors.wrap(world.group, AWS_CALLS)
    scissors.wrap(world.store, STORE_STEPS)
    scissors.wrap(world.etcd, ETCD_CALLS)
    for _ in range(MINUTES):
        try:
            world.live(minutes=1)
        except CutOffError:
            world.check_promises()
    return world


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda s: s.__name__)
def test_a_run_that_is_cut_anywhere_is_carried_on_by_the_next(scenario: Callable[[World], None]) -> None:
    uncut = Scissors(at=0, after_effect=False)
    expected = play(scenario, uncut)
    assert expected.is_as_desired()
    assert uncut.calls > MINUTES
    for at in range(1, uncut.calls + 1):
        for after_effect in (False, True):
            world = play(scenario, Scissors(at=at, after_effect=after_effect))
            story = f"cut at call {at} of {uncut.calls}, {'after' if after_effect else 'before'} its effect"
            assert world.is_as_desired(), story
            assert _kinds(world) == _kinds(expected), f"{story}: something was done twice or not at all"


def _kinds(world: World) -> list[str]:
    """Return how often each kind of membership change took effect; handing over is allowed to happen again."""
    return sorted(c.split()[0] for c in world.etcd.changes if not c.startswith("move_leadership"))


class AnyOrder(RuleBasedStateMachine):
    """Everything that can happen, in any order; the promises hold after each, and with calm the cluster heals."""

    @initialize(desired=st.sampled_from([1, 3, 5]))
    def begin(self, desired: int) -> None:
        self.world = World(desired=desired)
        self.world.live(minutes=3)
        self.lost: set[str] = set()

    @rule(desired=st.sampled_from([1, 2, 3, 4, 5]))
    def scale(self, desired: int) -> None:
        self.world.group.desired = desired

    @rule(data=st.data())
    def terminate(self, data: st.DataObject) -> None:
        in_service = self.world.group.in_service()
        if in_service:
            self.world.group.terminate(data.draw(st.sampled_from(in_service)))

    @rule(data=st.data())
    def lose_a_host_that_is_not_needed(self, data: st.DataObject) -> None:
        """Lose a host, if the voters that are left still are a quorum; what is beyond that nobody can heal."""
        world = self.world
        voters = {v.name for v in world.cluster().voters}
        alive = {n for n in voters if n in world.etcd.processes and world.etcd.processes[n].is_connected}
        if len(alive) - 1 > len(voters) // 2 and len(voters) > 1:
            name = data.draw(st.sampled_from(sorted(alive)))
            world.group.lose(name)  # type: ignore[arg-type]
            world.let_hosts_act()

    @rule(data=st.data())
    def keep_a_host_from_booting(self, data: st.DataObject) -> None:
        launching = self.world.group.held(Transition.LAUNCHING)
        if launching:
            self.world.boots[data.draw(st.sampled_from(launching))] = data.draw(st.booleans())

    @rule(call=st.sampled_from(AWS_CALLS), after=st.booleans())
    def fail_aws(self, call: str, after: bool) -> None:  # noqa: FBT001
        self.world.group.fail_next(call, after_applying=after)

    @rule(call=st.sampled_from(STORE_CALLS), after=st.booleans())
    def fail_the_store(self, call: str, after: bool) -> None:  # noqa: FBT001
        self.world.store.fail_next(call, after_applying=after)

    @rule(call=st.sampled_from(ETCD_CALLS), after=st.booleans())
    def lose_an_answer(self, call: str, after: bool) -> None:  # noqa: FBT001
        self.world.etcd.fail_next(call, after_applying=after)

    @rule()
    def read_the_group_stale(self) -> None:
        self.world.group.freeze()
        try:
            self.world.live(minutes=1)
        finally:
            self.world.group.thaw()

    @rule(minutes=st.integers(1, 3))
    def live(self, minutes: int) -> None:
        self.world.live(minutes=minutes)

    @rule()
    def run_twice(self) -> None:
        self.world.run()
        self.world.run()

    @invariant()
    def promises_hold(self) -> None:
        if hasattr(self, "world"):
            self.world.check_promises()

    def teardown(self) -> None:
        """With calm, all is as desired in the end (INV-8)."""
        if not hasattr(self, "world"):
            return
        self.world.boots.clear()
        for _ in range(60):
            try:
                self.world.live(minutes=1)
            except AwsError:
                continue
        assert self.world.is_as_desired(), (self.world.voters(), self.world.in_service(), self.world.group.desired)


AnyOrder.TestCase.settings = settings(
    max_examples=60, stateful_step_count=15, deadline=None, suppress_health_check=list(HealthCheck)
)
test_any_order_of_events_is_survived = AnyOrder.TestCase
