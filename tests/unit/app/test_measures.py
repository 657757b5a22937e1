"""What the alarms are told: right in every state of a cluster, and never a guess for what is not known."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from itertools import pairwise

import pytest

from etcd_aws_cluster.app.measure import NO_CERTIFICATES, measure
from etcd_aws_cluster.core.certificates import CertificateEnds
from etcd_aws_cluster.core.model import ClusterId, EtcdAlarm, InstanceId
from etcd_aws_cluster.core.planner import plan
from etcd_aws_cluster.core.telemetry import Metric
from etcd_aws_cluster.core.view import View
from tests.builders import (
    NOW,
    POLICY,
    a_cohort_record,
    a_member,
    a_record,
    a_view,
    an_instance,
    mid,
    readings_of,
)
from tests.world import World

MIB = 1024**2
NOSPACE = EtcdAlarm(mid(2), "NOSPACE")
CORRUPT = EtcdAlarm(mid(3), "CORRUPT")
OF_A_CLUSTER = (Metric.MAJORITY_MARGIN, Metric.QUORUM_AT_RISK, Metric.LEADER_KNOWN, Metric.VOTERS, Metric.NO_SPACE)


def measures_of(
    view: View, *, quota_bytes: int = 100 * MIB, certificates: CertificateEnds = NO_CERTIFICATES
) -> Mapping[Metric, float]:
    return measure(view, plan(view, POLICY), quota_bytes=quota_bytes, certificates=certificates)


def a_cluster_of(size: int, *, silent: Iterable[int] = (), desired: int | None = None) -> View:
    """That many voters in service, some of which do not answer."""
    numbers = range(1, size + 1)
    return a_view(
        [an_instance(n) for n in numbers],
        members=[a_member(n) for n in numbers],
        desired=size if desired is None else desired,
        silent=silent,
        leader=next(n for n in (*numbers, 0) if n not in set(silent)),
    )


def told(view: View, **what: object) -> View:
    """The same view, in which every answer has that to tell."""
    return replace(view, readings=tuple(replace(r, **what) if r.cluster_id else r for r in view.readings))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("size", "silent", "desired", "margin", "at_risk"),
    [
        (3, [], 3, 1, False),
        (3, [3], 3, 0, True),
        (5, [], 5, 2, False),
        (5, [5], 5, 1, False),
        (5, [4, 5], 5, 0, True),
        (4, [], 3, 1, False),  # within a refresh
        (4, [4], 3, 0, True),
        (1, [], 1, 0, False),  # it cannot spare one, as was wanted
        (1, [], 3, 0, True),
        (2, [], 3, 0, True),
        (2, [], 2, 0, False),
        (3, [2, 3], 3, -2, True),  # no quorum: nobody serves
        (3, [1, 2, 3], 3, -2, True),
        (2, [2], 2, -2, True),
        (1, [1], 1, -1, True),
    ],
)
def test_the_margin_is_what_serves_beyond_a_majority_and_the_risk_is_to_have_none_where_one_was_wanted(
    size: int, silent: list[int], desired: int, margin: int, *, at_risk: bool
) -> None:
    measures = measures_of(a_cluster_of(size, silent=silent, desired=desired))

    assert measures[Metric.MAJORITY_MARGIN] == margin
    assert measures[Metric.QUORUM_AT_RISK] == at_risk
    assert measures[Metric.VOTERS] == size


def test_a_leader_is_known_if_any_member_that_answers_names_one() -> None:
    assert measures_of(a_cluster_of(3, silent=[1]))[Metric.LEADER_KNOWN] == 1


@pytest.mark.parametrize("silent", [[1, 2], [1, 2, 3]])
def test_without_a_quorum_no_leader_is_known(silent: list[int]) -> None:
    assert measures_of(a_cluster_of(3, silent=silent))[Metric.LEADER_KNOWN] == 0


def test_a_majority_that_answers_and_has_no_leader_shows() -> None:
    view = a_cluster_of(3)
    leaderless = tuple(replace(r, leader_id=None, members=None, problem="no leader") for r in view.readings)

    measures = measures_of(replace(view, readings=leaderless))

    assert measures[Metric.LEADER_KNOWN] == 0
    assert measures[Metric.VOTERS_RESPONDING] == 0


def test_lists_that_differ_leave_the_margin_unknown() -> None:
    members = [a_member(n) for n in (1, 2, 3)]
    view = a_view(readings=readings_of(members)[:1] + readings_of(members[:2])[1:])

    measures = measures_of(view)

    assert Metric.MAJORITY_MARGIN not in measures
    assert Metric.QUORUM_AT_RISK not in measures
    assert Metric.MEMBER_DIFFERENCE not in measures
    assert measures[Metric.LEADER_KNOWN] == 1


def test_a_foreign_cluster_does_not_stand_in_for_the_own_one() -> None:
    foreign = replace(readings_of([a_member(4)], leader=4)[0], cluster_id=ClusterId(0xF0), database_bytes=MIB)
    silent = readings_of([a_member(n) for n in (1, 2, 3)], silent=[1, 2, 3])

    measures = measures_of(a_view(readings=(*silent, foreign)))

    assert measures[Metric.REFUSED] == 1
    assert measures[Metric.MAJORITY_MARGIN] == -2
    assert measures[Metric.LEADER_KNOWN] == 0
    assert Metric.DATABASE_SIZE not in measures


@pytest.mark.parametrize(
    "view",
    [
        a_view([an_instance(n, "Pending:Wait") for n in (1, 2)], no_record=True, readings=()),
        a_view([an_instance(n, "Pending:Wait") for n in (1, 2, 3)], record=a_cohort_record([1, 2, 3]), readings=()),
    ],
    ids=["gathering", "forming"],
)
def test_before_there_is_a_cluster_all_members_are_missing_and_nothing_is_said_of_its_quorum(view: View) -> None:
    measures = measures_of(view)

    assert measures[Metric.MEMBER_DIFFERENCE] == 3
    assert measures[Metric.JOIN_WAIT] == 1000
    assert not measures.keys() & set(OF_A_CLUSTER)


def test_a_group_at_zero_lacks_nothing_and_has_no_quorum_to_lose() -> None:
    members = [a_member(n) for n in (1, 2, 3)]
    view = a_view([], record=a_record(members, state="retired"), readings=(), desired=0)

    measures = measures_of(view)

    assert measures[Metric.MEMBER_DIFFERENCE] == 0
    assert measures[Metric.DESIRED] == 0
    assert not measures.keys() & set(OF_A_CLUSTER)


def test_of_a_record_that_cannot_be_used_nothing_is_concluded() -> None:
    measures = measures_of(a_view(problem="not JSON"))

    assert measures[Metric.REFUSED] == 1
    assert measures.keys() == {Metric.DESIRED, Metric.QUORUM_LOST, Metric.REFUSED, Metric.JOIN_WAIT}


@pytest.mark.parametrize(
    ("states", "desired", "difference"),
    [
        (["InService"] * 3, 3, 0),
        (["InService"] * 2, 3, 1),
        (["InService"] * 3, 2, 1),
        (["InService"] * 3 + ["Terminating:Retained"], 3, 1),  # a voter that nobody wants
        (["InService"] * 2 + ["Terminating:Wait"], 3, 2),
        (["InService"] * 3 + ["Pending:Wait"], 3, 1),
    ],
)
def test_the_difference_counts_voters_in_service_that_are_missing_or_too_many_and_voters_elsewhere(
    states: list[str], desired: int, difference: int
) -> None:
    numbers = range(1, len(states) + 1)
    view = a_view(
        [an_instance(n, state) for n, state in zip(numbers, states, strict=True)],
        members=[a_member(n) for n in numbers],
        desired=desired,
    )

    assert measures_of(view)[Metric.MEMBER_DIFFERENCE] == difference


def test_a_voter_without_an_instance_is_a_difference() -> None:
    members = [a_member(n) for n in (1, 2, 3)] + [a_member(4, name="by-hand")]
    assert measures_of(a_view(members=members))[Metric.MEMBER_DIFFERENCE] == 1


def test_without_a_quorum_the_difference_is_not_known() -> None:
    assert Metric.MEMBER_DIFFERENCE not in measures_of(a_cluster_of(3, silent=[1, 2]))


def test_the_wait_is_the_oldest_newcomers() -> None:
    instances = [an_instance(n) for n in (1, 2, 3)]
    newcomers = [an_instance(4, "Pending", age_s=50), an_instance(5, "Pending:Wait", age_s=700)]
    members = [a_member(n) for n in (1, 2, 3)]

    assert measures_of(a_view(instances, members=members))[Metric.JOIN_WAIT] == 0
    assert measures_of(a_view([*instances, *newcomers], members=members))[Metric.JOIN_WAIT] == 700


def test_a_learner_that_no_launching_instance_is_on_waits_too() -> None:
    members = [*(a_member(n) for n in (1, 2, 3)), a_member(4, learner=True)]
    view = a_view(members=members, record=a_record(members, member_age_s=500))

    assert measures_of(view)[Metric.JOIN_WAIT] == 500


@pytest.mark.parametrize("instance", [an_instance(4, "Warmed:Pending:Wait"), an_instance(4, "Pending", age_s=-30)])
def test_the_warm_pool_and_a_launch_by_a_clock_that_is_ahead_do_not_wait(instance: object) -> None:
    view = a_view([*(an_instance(n) for n in (1, 2, 3)), instance])  # type: ignore[list-item]

    assert measures_of(view)[Metric.JOIN_WAIT] == 0


def test_who_is_given_up_is_told_of_though_the_last_look_no_longer_shows_it() -> None:
    view = a_cluster_of(3)
    assert measure(view, plan(view, POLICY), quota_bytes=MIB, waited_s=900)[Metric.JOIN_WAIT] == 900


def test_of_newcomers_that_never_boot_each_is_told_of_once_with_all_the_time_that_it_had() -> None:
    world = World(desired=3)
    world.live(minutes=5)
    world.boots = {InstanceId(f"i-{number:04}"): False for number in range(4, 9)}
    world.group.desired = 4
    waits: list[float] = []
    for _ in range(30):
        world.live(minutes=1)
        waits.append(world.telemetry.gauges[Metric.JOIN_WAIT])

    overdue = [run for run, wait in enumerate(waits) if wait >= world.policy.join_timeout.total_seconds()]
    assert len(overdue) > 1
    assert all(later - sooner > 1 for sooner, later in pairwise(overdue))


def test_the_largest_database_counts_against_the_quota_that_was_set() -> None:
    view = told(a_cluster_of(3), database_bytes=10 * MIB)
    first, *rest = view.readings
    view = replace(view, readings=(replace(first, database_bytes=80 * MIB), *rest))

    measures = measures_of(view, quota_bytes=100 * MIB)

    assert measures[Metric.DATABASE_SIZE] == 80 * MIB
    assert measures[Metric.DATABASE_USE] == 80


def test_a_quota_that_etcd_tells_is_truer_than_the_setting() -> None:
    view = told(a_cluster_of(3), database_bytes=80 * MIB, quota_bytes=160 * MIB)

    assert measures_of(view, quota_bytes=100 * MIB)[Metric.DATABASE_USE] == 50


def test_a_size_and_alarms_that_nobody_tells_are_not_measured() -> None:
    assert not measures_of(a_cluster_of(3)).keys() & {
        Metric.DATABASE_SIZE,
        Metric.DATABASE_USE,
        Metric.NO_SPACE,
        Metric.CORRUPT,
    }


@pytest.mark.parametrize(
    ("alarms", "no_space", "corrupt"),
    [
        ([], 0, 0),
        ([NOSPACE], 1, 0),
        ([CORRUPT], 0, 1),
        ([NOSPACE, CORRUPT, EtcdAlarm(mid(1), "NOSPACE")], 2, 1),
        ([EtcdAlarm(mid(1), "OF_THE_FUTURE")], 0, 0),
    ],
)
def test_each_of_etcds_own_alarms_is_counted_once_though_every_member_tells_of_it(
    alarms: list[EtcdAlarm], no_space: int, corrupt: int
) -> None:
    measures = measures_of(told(a_cluster_of(3), alarms=frozenset(alarms)))

    assert (measures[Metric.NO_SPACE], measures[Metric.CORRUPT]) == (no_space, corrupt)


def test_etcds_alarms_show_without_a_quorum_too() -> None:
    assert measures_of(told(a_cluster_of(3, silent=[1, 2]), alarms=frozenset({NOSPACE})))[Metric.NO_SPACE] == 1


def test_the_certificate_that_ends_first_counts_one_that_has_ended_below_zero() -> None:
    view = a_cluster_of(3)
    ends = (NOW + 7200, NOW - 60, None)
    readings = tuple(replace(r, certificate_ends_at=end) for r, end in zip(view.readings, ends, strict=True))

    assert measures_of(replace(view, readings=readings))[Metric.CERTIFICATE_LEFT] == -60
    assert Metric.CERTIFICATE_LEFT not in measures_of(view)


def test_the_controllers_own_certificate_counts_as_the_members_do_and_its_cas_by_themselves() -> None:
    view = a_cluster_of(3)
    (first, *others) = view.readings
    view = replace(view, readings=(replace(first, certificate_ends_at=NOW + 7200), *others))
    own = CertificateEnds(cas=NOW + 86400, given=NOW + 3600)

    measures = measures_of(view, certificates=own)

    assert (measures[Metric.CERTIFICATE_LEFT], measures[Metric.CA_LEFT]) == (3600, 86400)
    assert measures_of(view, certificates=CertificateEnds(cas=NOW - 1))[Metric.CA_LEFT] == -1
    assert Metric.CA_LEFT not in measures_of(view)


def test_a_cluster_that_lives_is_measured_as_it_is() -> None:
    world = World(desired=3)
    world.certificates = CertificateEnds(cas=world.clock.now() + 86400)
    world.live(minutes=5)
    gauges = world.telemetry.gauges
    assert gauges[Metric.MAJORITY_MARGIN] == 1
    assert 0 < gauges[Metric.CA_LEFT] <= 86400
    assert (gauges[Metric.QUORUM_AT_RISK], gauges[Metric.LEADER_KNOWN]) == (0, 1)
    assert (gauges[Metric.MEMBER_DIFFERENCE], gauges[Metric.JOIN_WAIT]) == (0, 0)

    for endpoint in _endpoints(world)[:2]:
        world.etcd.kill(endpoint)
        world.boots = dict.fromkeys(world.group.instances, False)
    gauges.clear()
    world.run()
    assert gauges[Metric.QUORUM_LOST] == gauges[Metric.QUORUM_AT_RISK] == 1
    assert gauges[Metric.MAJORITY_MARGIN] == -2
    assert Metric.MEMBER_DIFFERENCE not in gauges


def _endpoints(world: World) -> list[str]:
    return [m.peer_urls[0].replace("2380", "2379") for m in world.cluster().voters]
