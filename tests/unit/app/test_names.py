"""The chore that keeps the DNS names: when it calls Route 53, and what a failure costs."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

import pytest

from etcd_aws_cluster.app.names import PAUSE_AFTER_FAILURE, VERIFY_AFTER, KeepNames
from etcd_aws_cluster.core.dns import Change, ChangeKind, Domain, RecordKind, RecordSet
from etcd_aws_cluster.core.errors import AwsError, NameTakenError
from etcd_aws_cluster.core.telemetry import Metric
from tests.builders import a_view, an_instance, iid, ip
from tests.fakes.fake_clock import FakeClock
from tests.world import World

NAME = "etcd.example.internal"
DOMAIN = Domain(name=NAME, ttl_s=30, schemes=("http",), client_port=2379)


class FakeZone:
    """The port Zone in memory; a batch is refused as a whole, as Route 53 does it.

    Attributes:
        fails: The next calls that do.
        calls: Names of the calls that were made, those that failed too.
    """

    def __init__(self) -> None:
        self.held: dict[tuple[str, str], RecordSet] = {}
        self.fails = 0
        self.calls: list[str] = []

    def records(self, domain: str) -> Sequence[RecordSet]:
        self._called("list")
        return [r for r in self.held.values() if f".{r.name}".endswith(f".{domain}")]

    def change(self, changes: Sequence[Change]) -> None:
        self._called("change")
        after = dict(self.held)
        for each in changes:
            key = (each.record.name, each.record.kind.value)
            if each.kind is ChangeKind.DELETE:
                assert after.pop(key) == each.record
            else:
                assert each.kind is ChangeKind.UPSERT or key not in after
                after[key] = each.record
        self.held = after

    def addresses(self) -> set[str]:
        """Return the addresses behind the cluster's name."""
        found = self.held.get((NAME, "A"))
        return set(found.values) if found else set()

    def _called(self, name: str) -> None:
        self.calls.append(name)
        if self.fails:
            self.fails -= 1
            raise AwsError("PriorRequestNotComplete")


class Place:
    """The chore, its zone and its clock."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.zone = FakeZone()
        self.chore = KeepNames(zone=self.zone, domain=DOMAIN, clock=self.clock)


@pytest.fixture
def place() -> Place:
    return Place()


def test_the_first_look_writes_the_names_in_one_batch(place: Place) -> None:
    place.chore.run(a_view())
    assert place.zone.calls == ["list", "change"]
    assert place.zone.addresses() == {ip(1), ip(2), ip(3)}


def test_what_was_written_is_believed_for_a_while_and_then_looked_at_again(place: Place) -> None:
    place.chore.run(a_view())
    place.clock.advance(VERIFY_AFTER - timedelta(seconds=1))
    place.chore.run(a_view())
    assert place.zone.calls == ["list", "change"]
    place.zone.held.clear()
    place.clock.advance(timedelta(seconds=1))
    place.chore.run(a_view())
    assert place.zone.calls == ["list", "change"] * 2
    assert place.zone.addresses() == {ip(1), ip(2), ip(3)}


def test_a_new_environment_reads_the_zone_and_changes_nothing_that_is_right(place: Place) -> None:
    place.chore.run(a_view())
    KeepNames(zone=place.zone, domain=DOMAIN, clock=place.clock).run(a_view())
    assert place.zone.calls == ["list", "change", "list"]


def test_a_voter_that_leaves_is_taken_out_at_the_next_look(place: Place) -> None:
    place.chore.run(a_view())
    place.chore.run(a_view(instances=[an_instance(1), an_instance(2), an_instance(3, "Terminating:Wait")]))
    assert place.zone.addresses() == {ip(1), ip(2)}
    assert (f"{iid(3)}.{NAME}", "A") not in place.zone.held


def test_without_proof_of_who_votes_route_53_is_not_called(place: Place) -> None:
    place.chore.run(a_view())
    place.clock.advance(VERIFY_AFTER)
    place.chore.run(a_view(silent=[1, 2]))
    assert place.zone.calls == ["list", "change"]
    assert place.zone.addresses() == {ip(1), ip(2), ip(3)}


@pytest.mark.parametrize(("fails", "calls"), [(1, ["list"]), (2, ["list", "list"])])
def test_after_a_failure_the_zone_is_left_alone_for_a_while_and_then_tried_again(
    place: Place, fails: int, calls: list[str]
) -> None:
    place.zone.fails = fails
    for _ in range(fails):
        with pytest.raises(AwsError):
            place.chore.run(a_view())
        place.clock.advance(PAUSE_AFTER_FAILURE - timedelta(seconds=1))
        place.chore.run(a_view())
        place.clock.advance(timedelta(seconds=1))
    place.chore.run(a_view())
    assert place.zone.calls == [*calls, "list", "change"]
    assert place.zone.addresses() == {ip(1), ip(2), ip(3)}


def test_a_change_that_failed_is_not_believed_to_be_made(place: Place) -> None:
    place.chore.run(a_view())
    leaving = a_view(instances=[an_instance(1), an_instance(2), an_instance(3, "Terminating:Wait")])
    place.zone.fails = 1
    with pytest.raises(AwsError):
        place.chore.run(leaving)
    place.clock.advance(PAUSE_AFTER_FAILURE)
    place.chore.run(a_view())
    assert place.zone.calls == ["list", "change", "list", "list"]


def test_names_of_somebody_else_are_told_and_left_alone(place: Place) -> None:
    theirs = RecordSet(name=NAME, kind=RecordKind.TXT, values=('"theirs"',), ttl_s=60)
    place.zone.held = {(NAME, "TXT"): theirs}
    with pytest.raises(NameTakenError):
        place.chore.run(a_view())
    place.chore.run(a_view())
    assert place.zone.calls == ["list"]
    assert list(place.zone.held.values()) == [theirs]


def test_the_names_follow_a_clusters_whole_life_and_end_with_it() -> None:
    world, zone = World(), FakeZone()
    world.chores = (KeepNames(zone=zone, domain=DOMAIN, clock=world.clock),)
    world.live(minutes=5)
    before = zone.addresses()
    assert len(before) == 3
    victim = min(world.group.in_service())
    world.group.instances[victim].is_healthy = False
    world.live(minutes=10)
    assert world.is_as_desired()
    assert len(zone.addresses()) == 3
    assert len(before - zone.addresses()) == 1
    world.group.desired = 0
    world.live(minutes=10)
    assert zone.held == {}


def test_a_zone_that_never_answers_holds_up_nothing() -> None:
    world, zone = World(), FakeZone()
    zone.fails = 10**6
    world.chores = (KeepNames(zone=zone, domain=DOMAIN, clock=world.clock),)
    world.live(minutes=5)
    assert world.is_as_desired()
    assert world.telemetry.counts[Metric.CHORE_ERRORS] == len(zone.calls) > 0
