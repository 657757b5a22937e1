"""Chores: done beside the decisions, and never in their way."""

import threading

import pytest

from etcd_aws_cluster.core.errors import AwsError
from etcd_aws_cluster.core.model import Reading
from etcd_aws_cluster.core.telemetry import Metric
from etcd_aws_cluster.core.view import View
from tests.world import World


class Counting:
    """A chore that remembers what it saw."""

    name = "counting"

    def __init__(self) -> None:
        self.desired: list[int] = []

    def run(self, view: View) -> None:
        self.desired.append(view.group.desired)


class Failing:
    """A chore that ends in an error."""

    def __init__(self, name: str, error: Exception) -> None:
        self.name = name
        self._error = error

    def run(self, view: View) -> None:
        raise self._error


def test_a_chore_that_fails_is_told_of_and_holds_up_neither_the_cluster_nor_the_next_chore() -> None:
    world, counting = World(), Counting()
    world.chores = (Failing("failing", AwsError("no")), counting)
    world.live(minutes=5)
    assert world.is_as_desired()
    assert set(counting.desired) == {3}
    assert world.telemetry.counts[Metric.CHORE_ERRORS] == len(counting.desired)
    assert "failing did not work: no" in world.telemetry.troubles


def test_not_even_a_mistake_in_a_chore_or_an_errand_holds_up_the_cluster() -> None:
    world, counting = World(), Counting()
    broken = Failing("broken", KeyError("oops"))
    world.chores = (broken, counting)
    world.errands = (broken,)
    world.live(minutes=5)
    assert world.is_as_desired()
    assert counting.desired
    assert "broken did not work: 'oops'" in world.telemetry.troubles


def test_chores_are_done_at_the_first_look_of_a_run_and_at_its_end() -> None:
    world, counting = World(), Counting()
    world.live(minutes=5)
    world.chores = (counting,)
    world.run()
    assert len(counting.desired) == 2


class Errand:
    """An errand that remembers how many members had answered, and how many not yet."""

    name = "errand"

    def __init__(self) -> None:
        self.ran = threading.Event()
        self.answers: list[tuple[int, int]] = []

    def run(self, view: View) -> None:
        self.answers.append((len(view.readings), len(view.asked)))
        self.ran.set()


def test_errands_are_run_while_a_member_lets_us_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    world, errand = World(), Errand()
    world.live(minutes=5)
    world.errands = (errand,)
    read = world.etcd.read

    def read_late(endpoint: str) -> Reading:
        assert errand.ran.wait(timeout=30), "no errand was run while a member let us wait"
        return read(endpoint)

    monkeypatch.setattr(world.etcd, "read", read_late)
    world.run()

    assert errand.answers[0] == (0, 3)
    assert errand.answers[-1] == (3, 0)
