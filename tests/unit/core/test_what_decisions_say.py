"""What a decision tells people, when it looks again, and whose hooks it keeps alive: one row for each decision."""

from __future__ import annotations

from dataclasses import replace

import pytest

from etcd_aws_cluster.core.actions import Decision, Look, Reason
from etcd_aws_cluster.core.model import ClusterId, Instance, InstanceId, Member, Reading, Transition
from etcd_aws_cluster.core.planner import plan
from etcd_aws_cluster.core.view import View
from tests.builders import (
    ARN,
    POLICY,
    a_cohort_record,
    a_member,
    a_record,
    a_view,
    an_instance,
    iid,
    mid,
    readings_of,
)

ONE, TWO, THREE = a_member(1), a_member(2), a_member(3)
VOTERS = [ONE, TWO, THREE]
FIVE = [a_member(n) for n in (1, 2, 3, 4, 5)]
LEARNER = a_member(4, learner=True)
UNBORN = a_member(4, learner=True, started=False)
UNMATCHED = replace(THREE, name="infra3", peer_urls=("http://etcd-3.internal:2380",))
IN_SERVICE = [an_instance(n) for n in (1, 2, 3)]
NEWCOMER = an_instance(4, "Pending:Wait")
LEAVER = an_instance(3, "Terminating:Wait")
JOINING = [*IN_SERVICE, NEWCOMER]
LEAVING = [an_instance(1), an_instance(2), LEAVER]
BOTH = [*LEAVING, NEWCOMER]
COHORT = [an_instance(n, "Pending:Wait") for n in (1, 2, 3)]
OTHER_ARN = ARN.replace("11112222", "99998888")
LATE = POLICY.join_timeout.total_seconds()
ENDED = dict.fromkeys((1, 2, 3), "terminated")
LAUNCH_4 = ((iid(4), Transition.LAUNCHING),)
LAUNCH_4_AND_LEAVE_3 = (*LAUNCH_4, (iid(3), Transition.TERMINATING))
LAUNCH_123 = tuple((iid(n), Transition.LAUNCHING) for n in (1, 2, 3))
BY_DEFAULT = (None, None)
STRANGER = Reading(endpoint="http://10.0.0.9:2379", cluster_id=ClusterId(0xBAD), member_id=mid(9))

Hooks = tuple[tuple[InstanceId, Transition], ...]
Row = tuple[Reason, str, View, tuple[Look | None, Hooks | None]]


def blank(instances: list[Instance], **facts: object) -> View:
    return a_view(instances, members=[], **facts)  # type: ignore[arg-type]


def nothing_yet(instances: list[Instance], **facts: object) -> View:
    return blank(instances, no_record=True, initial_cluster=None, **facts)


def old(instances: list[Instance], members: list[Member], **facts: object) -> View:
    readings = [replace(r, supports_learners=False) for r in readings_of(members)]
    return a_view(instances, members=members, readings=readings, **facts)  # type: ignore[arg-type]


BEFORE_A_CLUSTER: list[Row] = [
    (
        Reason.WARM_POOL,
        "i-04 in Warmed:Pending:Wait",
        a_view([*IN_SERVICE, an_instance(4, "Warmed:Pending:Wait")]),
        BY_DEFAULT,
    ),
    (Reason.GROUP_GOING, "", a_view(LEAVING, deleting=True), BY_DEFAULT),
    (
        Reason.GROUP_GOING,
        "i-03 in Terminating:Wait",
        blank(BOTH, deleting=True, record=a_cohort_record([3], state="retired")),
        BY_DEFAULT,
    ),
    (
        Reason.GROUP_GOING,
        "i-04 in Pending:Wait",
        blank([NEWCOMER], deleting=True, record=a_cohort_record([3], state="retired")),
        BY_DEFAULT,
    ),
    (Reason.GROUP_GOING, "", nothing_yet([], deleting=True), BY_DEFAULT),
    (
        Reason.INSTANCE_GONE,
        "i-04 in Pending:Wait",
        a_view([*IN_SERVICE, an_instance(4, "Pending:Wait", ec2="terminated")]),
        BY_DEFAULT,
    ),
    (
        Reason.RECORD_UNUSABLE,
        "the record has schema 9",
        blank(BOTH, problem="the record has schema 9"),
        (Look.LATER, LAUNCH_4_AND_LEAVE_3),
    ),
    (Reason.COVERED, "", a_view([NEWCOMER], desired=0, deleting=True, is_covered=True), BY_DEFAULT),
    (Reason.COVERED, "", blank(COHORT, record=a_cohort_record([1, 2, 3]), is_covered=True), BY_DEFAULT),
    (
        Reason.PREDECESSOR_DELETED,
        OTHER_ARN,
        a_view([NEWCOMER], silent=[1, 2, 3], record=a_record(VOTERS, arn=OTHER_ARN), elsewhere=ENDED),
        BY_DEFAULT,
    ),
    (
        Reason.GENERATION_OVER,
        "i-04 in Pending:Wait",
        blank([NEWCOMER], record=a_cohort_record([4], state="retired")),
        BY_DEFAULT,
    ),
    (
        Reason.GENERATION_OVER,
        "i-03 in Terminating:Wait",
        blank(BOTH, record=a_cohort_record([3], state="retired")),
        BY_DEFAULT,
    ),
    (
        Reason.GENERATION_ENDING,
        "i-07, i-08",
        blank([LEAVER, NEWCOMER], record=a_cohort_record([7, 8], state="retired"), elsewhere={7: "running"}),
        (Look.LATER, LAUNCH_4),
    ),
    (Reason.ADOPT, "c1 at http://10.0.0.1:2379", a_view(no_record=True), BY_DEFAULT),
    (
        Reason.FOREIGN_CLUSTER,
        "bad at http://10.0.0.9:2379, c1 at http://10.0.0.1:2379",
        a_view(BOTH, members=[ONE], no_record=True, readings=[*readings_of([ONE]), STRANGER]),
        (Look.LATER, LAUNCH_4_AND_LEAVE_3),
    ),
    (
        Reason.QUORUM_LOST,
        "c1 at http://10.0.0.1:2379, c1 at http://10.0.0.2:2379",
        a_view(BOTH, members=FIVE, no_record=True, silent=[3, 4, 5]),
        (Look.SOON, LAUNCH_4_AND_LEAVE_3),
    ),
    (
        Reason.SILENT_IN_SERVICE,
        "i-01, i-02",
        nothing_yet(BOTH),
        (Look.SOON, LAUNCH_4_AND_LEAVE_3),
    ),
    (Reason.NOT_A_MEMBER, "i-03 in Terminating:Wait", nothing_yet([LEAVER, NEWCOMER]), BY_DEFAULT),
    (Reason.COHORT_COMPLETE, "3 of 3 wait", nothing_yet(COHORT), BY_DEFAULT),
    (
        Reason.GATHER_WINDOW_OVER,
        "3 of 5 wait",
        nothing_yet(COHORT, desired=5),
        BY_DEFAULT,
    ),
    (Reason.GATHERING, "1 of 3 wait", nothing_yet([NEWCOMER]), (Look.LATER, LAUNCH_4)),
    (
        Reason.GATHERING,
        "0 of 3 wait",
        nothing_yet([an_instance(4, "Pending:Wait", address=None)]),
        (Look.SOON, LAUNCH_4),
    ),
    (
        Reason.FORMATION_FAILED,
        "1 of 3 instances are alive",
        blank(COHORT[:1], record=a_cohort_record([1, 2, 3]), elsewhere={2: "terminated", 3: "terminated"}),
        BY_DEFAULT,
    ),
    (
        Reason.NOT_A_MEMBER,
        "i-04 in Terminating:Wait",
        blank([*COHORT, an_instance(4, "Terminating:Wait")], record=a_cohort_record([1, 2, 3])),
        BY_DEFAULT,
    ),
    (Reason.FORMING, "", blank(COHORT, record=a_cohort_record([1, 2, 3])), (Look.SOON, LAUNCH_123)),
    (Reason.FORMED, "", a_view(COHORT, record=a_cohort_record([1, 2, 3])), BY_DEFAULT),
    (
        Reason.FOREIGN_CLUSTER,
        "not of the cohort: 68 (i-04, http://10.0.0.4:2380), 69 (i-05, http://10.0.0.5:2380)",
        a_view(COHORT, members=[ONE, *FIVE[3:]], record=a_cohort_record([1, 2, 3])),
        (Look.LATER, LAUNCH_123),
    ),
    (
        Reason.FOREIGN_CLUSTER,
        "expected c1, found bad at http://10.0.0.9:2379, bad at http://10.0.0.9:2379",
        a_view(BOTH, readings=[*readings_of(VOTERS), STRANGER, STRANGER]),
        (Look.LATER, LAUNCH_4_AND_LEAVE_3),
    ),
    (
        Reason.HOST_UNKNOWN,
        "67 (infra3, http://etcd-3.internal:2380) may be on i-03",
        a_view(BOTH, members=[ONE, TWO, UNMATCHED], silent=[3], no_record=True),
        (Look.SOON, LAUNCH_4_AND_LEAVE_3),
    ),
]

JOINS: list[Row] = [
    (Reason.CAUGHT_UP_VOTER, "i-04 in Pending:Wait", a_view(JOINING, members=FIVE[:4]), BY_DEFAULT),
    (
        Reason.LIST_CHANGED,
        "i-01=http://10.0.0.1:2380,i-02=http://10.0.0.2:2380,i-03=http://10.0.0.3:2380,i-04=http://10.0.0.4:2380",
        a_view(JOINING, members=[*VOTERS, UNBORN], record=a_record(VOTERS)),
        BY_DEFAULT,
    ),
    (
        Reason.LEARNER_OVERDUE,
        "i-04 in Pending:Wait",
        a_view(JOINING, members=[*VOTERS, UNBORN], record=a_record([*VOTERS, UNBORN], member_age_s=LATE)),
        BY_DEFAULT,
    ),
    (
        Reason.LEARNER_OVERDUE,
        "68 (unnamed, http://10.0.0.4:2380)",
        a_view(members=[*VOTERS, UNBORN], record=a_record([*VOTERS, UNBORN], member_age_s=LATE)),
        BY_DEFAULT,
    ),
    (
        Reason.MEMBER_STARTING,
        "68 (unnamed, http://10.0.0.4:2380)",
        old(JOINING, [*VOTERS, a_member(4, started=False)]),
        (Look.SOON, LAUNCH_4),
    ),
    (
        Reason.LEARNER_CATCHING_UP,
        "68 (unnamed, http://10.0.0.4:2380)",
        a_view(JOINING, members=[*VOTERS, UNBORN]),
        (Look.SOON, LAUNCH_4),
    ),
    (
        Reason.LEARNER_SERVES,
        "68 (i-04, http://10.0.0.4:2380)",
        a_view(JOINING, members=[*VOTERS, LEARNER]),
        BY_DEFAULT,
    ),
    (
        Reason.QUORUM_AT_RISK,
        "promoting 68 (i-04, http://10.0.0.4:2380)",
        a_view(
            JOINING,
            members=[*VOTERS, LEARNER],
            silent=[3],
            record=a_record([*VOTERS, LEARNER], unresponsive={3: 1}),
        ),
        (Look.SOON, LAUNCH_4),
    ),
    (
        Reason.PEER_URL_TAKEN,
        "http://10.0.0.4:2380 is 67 (i-03, http://10.0.0.4:2380)'s",
        a_view(JOINING, members=[ONE, TWO, a_member(3, at=4)]),
        (Look.LATER, LAUNCH_4),
    ),
    (
        Reason.QUORUM_AT_RISK,
        "adding i-04",
        a_view(JOINING, silent=[3], record=a_record(VOTERS, unresponsive={3: 1})),
        (Look.LATER, LAUNCH_4),
    ),
    (
        Reason.RECORD_FULL,
        "i-04",
        a_view(JOINING, record=replace(a_record(VOTERS), token="t" * 3_000)),
        (Look.LATER, LAUNCH_4),
    ),
    (
        Reason.HOST_NOT_UP,
        "i-04",
        old([an_instance(1), NEWCOMER], [ONE]),
        (Look.LATER, LAUNCH_4),
    ),
    (Reason.NEWCOMER, "i-04", a_view(JOINING), BY_DEFAULT),
]

LEAVES: list[Row] = [
    (
        Reason.NOT_A_MEMBER,
        "i-04 in Terminating:Wait",
        a_view([*IN_SERVICE, an_instance(4, "Terminating:Wait")]),
        BY_DEFAULT,
    ),
    (
        Reason.INSTANCE_GONE,
        "67 (i-03, http://10.0.0.3:2380)",
        a_view(IN_SERVICE[:2], elsewhere={3: "terminated"}, silent=[3]),
        BY_DEFAULT,
    ),
    (
        Reason.INSTANCE_LEAVING,
        "68 (i-04, http://10.0.0.4:2380)",
        a_view([*IN_SERVICE, an_instance(4, "Terminating:Wait")], members=[*VOTERS, LEARNER]),
        BY_DEFAULT,
    ),
    (
        Reason.LEADER_LEAVING,
        "67 (i-03, http://10.0.0.3:2380) to 68 (i-04, http://10.0.0.4:2380)",
        a_view([*LEAVING, an_instance(4)], members=FIVE[:4], leader=3),
        BY_DEFAULT,
    ),
    (
        Reason.INSTANCE_LEAVING,
        "67 (i-03, http://10.0.0.3:2380)",
        a_view([*LEAVING, an_instance(4)], members=FIVE[:4]),
        BY_DEFAULT,
    ),
    (
        Reason.LAST_VOTER,
        "removing 67 (i-03, http://10.0.0.3:2380)",
        a_view([LEAVER], members=[THREE], record=a_record([THREE], leaving={3: 10_000}), desired=1, leader=3),
        (Look.LATER, ()),
    ),
    (
        Reason.ONE_AT_A_TIME,
        "before i-05 is replaced",
        a_view(
            [*IN_SERVICE, an_instance(4, is_healthy=False), an_instance(5)],
            members=FIVE,
            record=a_record(FIVE, unresponsive={4: 1000, 5: 1000}),
            silent=[4, 5],
            desired=5,
        ),
        (Look.LATER, ()),
    ),
    (
        Reason.ONE_AT_A_TIME,
        "before i-05 is replaced",
        a_view(
            [*IN_SERVICE, an_instance(4, is_healthy=False), an_instance(5), an_instance(6, "Pending:Wait")],
            members=FIVE,
            record=a_record(FIVE, unresponsive={4: 1000, 5: 1000}),
            silent=[4, 5],
            desired=5,
        ),
        (Look.LATER, ((iid(6), Transition.LAUNCHING),)),
    ),
    (
        Reason.QUORUM_AT_RISK,
        "removing 67 (i-03, http://10.0.0.3:2380)",
        a_view(
            [an_instance(1), an_instance(2, "Standby"), LEAVER, NEWCOMER],
            silent=[2],
            record=a_record(VOTERS, leaving={3: 10_000}),
        ),
        (Look.LATER, LAUNCH_4),
    ),
    (
        Reason.UNRESPONSIVE,
        "i-03 since 999000",
        a_view(silent=[3], record=a_record(VOTERS, unresponsive={3: 1000})),
        BY_DEFAULT,
    ),
    (
        Reason.MEMBERLESS,
        "i-03 since 999000",
        a_view(members=VOTERS[:2], record=a_record(VOTERS[:2], unresponsive={3: 1000})),
        BY_DEFAULT,
    ),
]

WHAT_IS_LEFT: list[Row] = [
    (Reason.CLOCKS, "", a_view(silent=[3]), BY_DEFAULT),
    (
        Reason.LIST_CHANGED,
        "i-01=http://10.0.0.1:2380,i-02=http://10.0.0.2:2380,i-03=http://10.0.0.3:2380",
        a_view(initial_cluster="i-old=http://10.0.0.99:2380"),
        BY_DEFAULT,
    ),
    (
        Reason.REPLACEMENT_EXPECTED,
        "66 (i-02, http://10.0.0.2:2380), 67 (i-03, http://10.0.0.3:2380)",
        a_view(
            [an_instance(1), an_instance(2, "Terminating:Wait"), LEAVER],
            record=a_record(VOTERS, leaving={2: 5, 3: 5}),
        ),
        (Look.LATER, ()),
    ),
    (
        Reason.GRACE_PERIOD,
        "i-04, i-05",
        a_view(
            [*IN_SERVICE, an_instance(4), an_instance(5)],
            members=FIVE,
            silent=[4, 5],
            record=a_record(FIVE, unresponsive={4: 1, 5: 1}),
            desired=5,
        ),
        (Look.LATER, ()),
    ),
    (
        Reason.VOTERS_MISSING,
        "1 missing",
        a_view([*IN_SERVICE[:2], an_instance(4, "Pending:Wait", address=None)], members=VOTERS[:2]),
        (Look.SOON, LAUNCH_4),
    ),
    (Reason.VOTERS_MISSING, "1 missing", a_view(IN_SERVICE[:2], members=VOTERS[:2]), (Look.LATER, ())),
    (
        Reason.VOTERS_MISSING,
        "0 missing",
        a_view([*IN_SERVICE, an_instance(4, "Pending:Wait", ec2="stopped")], desired=1),
        (Look.SOON, LAUNCH_4),
    ),
    (
        Reason.LISTS_DIFFER,
        "",
        a_view(BOTH, readings=[replace(r, members=(m,)) for r, m in zip(readings_of(VOTERS), VOTERS, strict=True)]),
        (Look.SOON, LAUNCH_4_AND_LEAVE_3),
    ),
    (
        Reason.QUORUM_LOST,
        "http://10.0.0.1:2379: not a voter that serves; http://10.0.0.2:2379: no answer",
        a_view(BOTH, members=[ONE, TWO], silent=[2]),
        (Look.SOON, LAUNCH_4_AND_LEAVE_3),
    ),
    (
        Reason.QUORUM_LOST,
        "http://10.0.0.1:2379: not a voter that serves; http://10.0.0.2:2379: no route; http://10.0.0.3:2379: no route",
        a_view(
            readings=[
                readings_of(VOTERS)[0],
                *(Reading(endpoint=f"http://10.0.0.{n}:2379", problem="no route") for n in (2, 3)),
            ]
        ),
        (Look.SOON, ()),
    ),
    (Reason.SETTLED, "3 voters, 3 desired", a_view(), BY_DEFAULT),
]

ROWS = [*BEFORE_A_CLUSTER, *JOINS, *LEAVES, *WHAT_IS_LEFT]


def said(decision: Decision) -> tuple[Reason, str, tuple[Look | None, Hooks | None]]:
    timing = getattr(decision, "look", None), getattr(decision, "keep_alive", None)
    return decision.reason, decision.detail, timing


@pytest.mark.parametrize(
    ("reason", "detail", "view", "timing"), ROWS, ids=[f"{n}-{row[0].name.lower()}" for n, row in enumerate(ROWS)]
)
def test_a_decision_says_why_and_about_whom_and_which_hooks_must_not_run_out(
    reason: Reason, detail: str, view: View, timing: tuple[Look | None, Hooks | None]
) -> None:
    assert said(plan(view, POLICY)) == (reason, detail, timing)
