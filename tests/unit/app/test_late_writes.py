"""A write of the record that hung takes effect after later ones: it is void, and is written over."""

from __future__ import annotations

from dataclasses import replace

import pytest

from etcd_aws_cluster.core.model import Transition
from etcd_aws_cluster.core.record import Record, RecordState
from tests.world import World


def formed() -> World:
    """Return a world with a cluster of three."""
    world = World()
    world.live(minutes=3)
    assert world.is_as_desired()
    return world


def stored(world: World) -> Record:
    """Return the record that counts."""
    assert world.store.record is not None
    return world.store.record


def is_covered(world: World) -> bool:
    """Whether a void record lies over it."""
    return world.store.read().is_covered


@pytest.mark.parametrize("state", RecordState)
def test_a_record_of_before_changes_nothing_whatever_it_says(state: RecordState) -> None:
    world = formed()
    hung = replace(stored(world), state=state, members=(), follows=1)
    before = stored(world)

    world.store.parameters["record"] = hung.to_json()
    assert is_covered(world)
    world.live(minutes=1)

    assert stored(world) == before
    assert not is_covered(world)
    assert world.is_as_desired()


def test_a_retirement_that_hung_does_not_write_off_the_cohort_of_the_next_generation() -> None:
    world = formed()
    hung = replace(stored(world), state=RecordState.RETIRED)
    world.group.desired = 0
    world.live(minutes=5)
    assert stored(world).state is RecordState.RETIRED
    world.group.desired = 3
    world.group.advance()
    for instance_id in world.group.held(Transition.LAUNCHING):
        world.boots[instance_id] = False
    world.run()
    assert (stored(world).generation, stored(world).state) == (2, RecordState.NEW)

    world.store.parameters["record"] = hung.to_json()
    world.boots.clear()
    world.live(minutes=3)

    assert (stored(world).generation, stored(world).state) == (2, RecordState.EXISTING)
    assert len(world.in_service()) == 3


def test_who_writes_over_what_it_has_not_read_is_told_and_looks_again() -> None:
    world = formed()
    write = world.store.write

    def late(record: Record) -> Record:
        world.store.write = write  # type: ignore[method-assign]
        write(stored(world))  # by another controller
        return write(record)

    world.store.write = late  # type: ignore[method-assign]
    world.group.lose(world.group.in_service()[0])
    world.live(minutes=6)

    assert not is_covered(world)
    assert world.is_as_desired()
