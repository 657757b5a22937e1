"""A second controller, running by mistake, sees the end of a formation differently: the first to say so is right."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from etcd_aws_cluster.core.model import Transition
from etcd_aws_cluster.core.record import Record, RecordState
from tests.world import World


def overdue() -> World:
    """Return a world whose cohort has not formed in time: its hosts have not booted."""
    world = World(desired=3)
    world.group.advance()
    for instance_id in world.group.held(Transition.LAUNCHING):
        world.boots[instance_id] = False
    world.run()
    world.clock.advance(world.policy.formation_timeout)
    return world


def boot(world: World) -> None:
    """Have the hosts boot after all."""
    world.boots.clear()
    world.let_hosts_act()


def before_it_concludes(world: World, happen: Callable[[], None]) -> None:
    """Have something happen between the next controller's look and its conclusion."""
    conclude = world.store.conclude

    def late(record: Record) -> Record:
        world.store.conclude = conclude  # type: ignore[method-assign]
        happen()
        return conclude(record)

    world.store.conclude = late  # type: ignore[method-assign]


def stored(world: World) -> Record:
    """Return the record."""
    assert world.store.record is not None
    return world.store.record


def test_a_cohort_that_another_controller_found_formed_is_not_written_off() -> None:
    world = overdue()

    def it_forms_after_all() -> None:
        boot(world)
        world.run()
        assert world.is_as_desired()

    before_it_concludes(world, it_forms_after_all)
    world.run()

    assert (stored(world).generation, stored(world).state) == (1, RecordState.EXISTING)
    assert world.is_as_desired()


def test_a_cohort_that_another_controller_gave_up_is_not_taken_for_formed() -> None:
    world = overdue()
    forming = stored(world)
    boot(world)

    given_up = replace(forming, state=RecordState.RETIRED)

    def another_gives_it_up() -> None:
        world.store.conclude(given_up)

    before_it_concludes(world, another_gives_it_up)
    world.run()

    assert stored(world) == given_up
    assert not world.in_service()
    world.live(minutes=6)
    assert stored(world).generation == 2
    assert len(world.in_service()) == 3


def test_who_wants_to_give_up_what_was_found_formed_goes_on_with_the_cluster() -> None:
    """The first controller was cut off between the outcome and the record, and etcd is silent since."""
    world = World(desired=3)
    world.group.advance()
    install, conclude = world.store.install, world.store.conclude

    def cut_off(*_: object, **__: object) -> Record:
        raise KeyboardInterrupt

    def cut_short(record: Record) -> Record:
        world.store.install = cut_off  # type: ignore[method-assign]
        return conclude(record)

    world.store.conclude = cut_short  # type: ignore[method-assign]
    with pytest.raises(KeyboardInterrupt):
        world.run()
    world.store.install, world.store.conclude = install, conclude  # type: ignore[method-assign]
    assert stored(world).state is RecordState.NEW
    endpoints = [f"http://{i.private_ip}:2379" for i in world.group.instances.values()]
    for endpoint in endpoints:
        world.etcd.partition(endpoint)
    world.clock.advance(world.policy.formation_timeout)

    report = world.run()

    assert report is not None
    assert report.reason == "QUORUM_LOST"
    assert stored(world).state is RecordState.EXISTING
    for endpoint in endpoints:
        world.etcd.heal(endpoint)
    world.live(minutes=2)
    assert world.is_as_desired()
