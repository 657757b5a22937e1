"""The second look: what no planner, however wrong, gets past."""

from __future__ import annotations

from dataclasses import replace

import pytest

from etcd_aws_cluster.core.actions import (
    Action,
    AddMember,
    AdoptCluster,
    CompleteLifecycleAction,
    ConcludeFormation,
    FormCluster,
    MarkUnhealthy,
    MoveLeadership,
    PromoteMember,
    PublishInitialCluster,
    PublishRecord,
    RemoveMember,
)
from etcd_aws_cluster.core.errors import InvariantViolationError
from etcd_aws_cluster.core.invariants import check
from etcd_aws_cluster.core.model import Instance, Result, Transition
from etcd_aws_cluster.core.record import Record, RecordState
from etcd_aws_cluster.core.view import View
from tests.builders import a_cohort_record, a_member, a_record, a_view, an_instance, iid, mid

THREE = (a_member(1), a_member(2), a_member(3))
LEARNER = a_member(4, learner=True)
WAITING = [an_instance(n, "Pending:Wait") for n in (1, 2, 3)]
JOINING = [*(an_instance(n) for n in (1, 2, 3)), an_instance(4, "Pending:Wait")]
LEAVING = [an_instance(1), an_instance(2), an_instance(3, "Terminating:Wait")]
NO_QUORUM = a_view(silent=[2, 3])
UNSTARTED = a_member(4, started=False)
POOLED = an_instance(4, "Warmed:Pending:Wait")


def blank(**facts: object) -> View:
    return a_view(WAITING, members=[], **facts)  # type: ignore[arg-type]


def done(n: int, transition: Transition) -> CompleteLifecycleAction:
    return CompleteLifecycleAction(iid(n), transition, Result.CONTINUE)


def abandoned(n: int, transition: Transition) -> CompleteLifecycleAction:
    return CompleteLifecycleAction(iid(n), transition, Result.ABANDON)


def of_a_lost_quorum(instance: Instance) -> View:
    """A formed cluster of which nobody answers, and one instance."""
    return a_view([instance], silent=[1, 2, 3])


def nobodys(record: Record) -> Record:
    """The same, with members that no instance is known for."""
    return replace(record, members=tuple(replace(m, instance=None) for m in record.members))


BROKEN: list[tuple[str, View, Action]] = [
    (
        "INV-1: a cluster would be formed beside one that answers",
        a_view(WAITING),
        FormCluster(a_cohort_record([1, 2, 3])),
    ),
    (
        "INV-1: the last generation is not over",
        blank(record=a_cohort_record([1, 2, 3])),
        FormCluster(a_cohort_record([1, 2, 3], generation=2)),
    ),
    (
        "INV-1: a member of the last generation may be alive",
        blank(record=a_cohort_record([7], state="retired"), elsewhere={7: "shutting-down"}),
        FormCluster(a_cohort_record([1, 2, 3], generation=2)),
    ),
    (
        "INV-1: generations follow each other",
        blank(record=a_cohort_record([7], state="retired"), elsewhere={7: "terminated"}),
        FormCluster(a_cohort_record([1, 2, 3], generation=3)),
    ),
    (
        "INV-1: a member of the last generation may be alive",
        blank(record=nobodys(a_cohort_record([7], state="retired")), elsewhere={7: "terminated"}),
        FormCluster(a_cohort_record([1, 2, 3], generation=2)),
    ),
    ("INV-1: the first generation is 1", blank(no_record=True), FormCluster(a_cohort_record([1, 2, 3], generation=2))),
    ("INV-1: a cohort member does not wait", blank(no_record=True), FormCluster(a_cohort_record([1, 2, 9]))),
    ("INV-1: a generation begins as new", blank(no_record=True), FormCluster(a_record(THREE))),
    ("INV-1: i-01 of a formed cluster stays", a_view(), PublishRecord(a_record(THREE, state="retired"))),
    (
        "INV-1: None of a formed cluster stays",
        a_view([], record=nobodys(a_record(THREE)), elsewhere={1: "terminated", 2: "terminated", 3: "terminated"}),
        PublishRecord(nobodys(a_record(THREE, state="retired"))),
    ),
    (
        "INV-1: a formation would end without its outcome",
        blank(record=a_cohort_record([1, 2, 3])),
        PublishRecord(a_cohort_record([1, 2, 3], state="retired")),
    ),
    (
        "INV-1: a formation would end without its outcome",
        blank(record=a_cohort_record([1, 2, 3]), is_covered=True),
        PublishRecord(a_cohort_record([1, 2, 3], state="retired")),
    ),
    (
        "INV-1: a formation would end without its outcome",
        a_view(WAITING, record=a_cohort_record([1, 2, 3])),
        PublishRecord(a_record(THREE)),
    ),
    ("INV-1: that generation does not form", a_view(), ConcludeFormation(a_record(THREE))),
    ("INV-1: that generation does not form", blank(no_record=True), ConcludeFormation(a_record(THREE))),
    (
        "INV-1: that generation does not form",
        a_view(WAITING, record=a_cohort_record([1, 2, 3])),
        ConcludeFormation(a_record(THREE, generation=2)),
    ),
    (
        "INV-7: retiring changes nothing else",
        blank(record=a_cohort_record([1, 2, 3])),
        ConcludeFormation(a_cohort_record([1, 2], state="retired")),
    ),
    (
        "INV-7: only a live list is published",
        blank(record=a_cohort_record([1, 2, 3])),
        ConcludeFormation(a_cohort_record([1, 2, 3])),
    ),
    (
        "INV-7: the list to publish was not confirmed",
        blank(record=a_cohort_record([1, 2, 3])),
        ConcludeFormation(a_record(THREE)),
    ),
    (
        "INV-7: the record would differ from the live list",
        a_view(WAITING, record=a_cohort_record([1, 2, 3])),
        ConcludeFormation(a_record(THREE[:2])),
    ),
    ("INV-7: retiring changes nothing else", a_view(), PublishRecord(a_record(THREE[:2], state="retired"))),
    ("INV-7: retiring changes nothing else", blank(no_record=True), PublishRecord(a_record(THREE, state="retired"))),
    ("INV-7: only a live list is published", a_view(), PublishRecord(replace(a_record(THREE), cluster_id=None))),
    ("INV-7: only a live list is published", a_view(), PublishRecord(a_cohort_record([1, 2, 3]))),
    ("INV-7: the record would differ from the live list", a_view(), PublishRecord(a_record([*THREE, LEARNER]))),
    ("INV-7: the list to publish was not confirmed", NO_QUORUM, PublishRecord(a_record(THREE))),
    ("INV-7: the list to publish was not confirmed", blank(no_record=True), AdoptCluster(a_record(THREE))),
    ("INV-2: no quorum of the recorded cluster responds", NO_QUORUM, RemoveMember(mid(2))),
    (
        "INV-2: no quorum of the recorded cluster responds",
        NO_QUORUM,
        AddMember(iid(4), "http://10.0.0.4:2380", as_learner=True),
    ),
    ("INV-2: no quorum of the recorded cluster responds", NO_QUORUM, MarkUnhealthy(iid(2))),
    (
        "INV-2: no quorum of the recorded cluster responds",
        blank(record=a_cohort_record([1, 2, 3])),
        RemoveMember(mid(1)),
    ),
    (
        "INV-2: no quorum of the recorded cluster responds",
        a_view(LEAVING, record=a_record(THREE, state="retired")),
        RemoveMember(mid(3)),
    ),
    (
        "INV-2: the newcomer could cost the quorum",
        a_view(JOINING, silent=[3]),
        AddMember(iid(4), "http://10.0.0.4:2380", as_learner=True),
    ),
    ("INV-2: the removal could cost the quorum", a_view(LEAVING, silent=[2]), RemoveMember(mid(3))),
    (
        "INV-2: the promotion could cost the quorum",
        a_view(JOINING, members=[*THREE, LEARNER], silent=[3]),
        PromoteMember(mid(4)),
    ),
    (
        "INV-2: leadership would go to a member that does not respond",
        a_view(silent=[3]),
        MoveLeadership(mid(1), mid(3)),
    ),
    (
        "INV-3: another member is on its way in",
        a_view(JOINING, members=[*THREE, a_member(5, learner=True, started=False)]),
        AddMember(iid(4), "http://10.0.0.4:2380", as_learner=True),
    ),
    (
        "INV-3: another member is on its way in",
        a_view([*JOINING, an_instance(5, "Pending:Wait")], members=[*THREE, UNSTARTED]),
        AddMember(iid(5), "http://10.0.0.5:2380", as_learner=True),
    ),
    ("INV-3: the instance has a member", a_view(), AddMember(iid(1), "http://10.0.0.9:2380", as_learner=True)),
    (
        "INV-3: a learner where etcd has learners",
        a_view(JOINING),
        AddMember(iid(4), "http://10.0.0.4:2380", as_learner=False),
    ),
    ("INV-4: its instance stays", a_view(), RemoveMember(mid(2))),
    ("INV-4: its instance stays", a_view(silent=[3]), RemoveMember(mid(3))),
    ("INV-4: the member to remove is not listed", a_view(), RemoveMember(mid(9))),
    (
        "INV-4: the last voter is never removed",
        a_view([an_instance(1, "Terminating:Wait")], members=THREE[:1]),
        RemoveMember(mid(1)),
    ),
    (
        "INV-4: its instance stays",
        a_view([an_instance(1), an_instance(2)], elsewhere={3: "terminated"}),
        RemoveMember(mid(3)),
    ),
    (
        "INV-5: only a started learner is promoted",
        a_view(JOINING, members=[*THREE, a_member(4, learner=True, started=False)]),
        PromoteMember(mid(4)),
    ),
    ("INV-5: only a started learner is promoted", a_view(JOINING, members=[*THREE, LEARNER]), PromoteMember(mid(3))),
    (
        "INV-5: the learner does not answer",
        a_view(JOINING, members=[*THREE, LEARNER], silent=[4]),
        PromoteMember(mid(4)),
    ),
    ("INV-5: not a caught-up voter", a_view(JOINING), done(4, Transition.LAUNCHING)),
    ("INV-5: not a caught-up voter", a_view(JOINING, members=[*THREE, LEARNER]), done(4, Transition.LAUNCHING)),
    (
        "INV-5: not a caught-up voter",
        a_view(JOINING, members=[*THREE, a_member(4)], silent=[4]),
        done(4, Transition.LAUNCHING),
    ),
    ("INV-5: its member is still listed", a_view(LEAVING), done(3, Transition.TERMINATING)),
    (
        "INV-5: it is of the forming cohort",
        a_view(LEAVING, members=[], record=a_cohort_record([1, 2, 3])),
        done(3, Transition.TERMINATING),
    ),
    (
        "INV-5: its member is still recorded",
        a_view([*LEAVING[:2], an_instance(3, "Warmed:Pending:Wait")]),
        done(3, Transition.TERMINATING),
    ),
]


@pytest.mark.parametrize(("broken", "view", "action"), BROKEN, ids=[f"{n}-{b[0]}" for n, b in enumerate(BROKEN)])
def test_an_action_that_breaks_a_safety_rule_is_named_and_stopped(broken: str, view: View, action: Action) -> None:
    with pytest.raises(InvariantViolationError, match=f"^{broken}"):
        check(view, action)


ALLOWED: list[tuple[str, View, Action]] = [
    (
        "a record is written again over one that came too late, whatever it says",
        blank(record=a_cohort_record([1, 2, 3]), is_covered=True),
        PublishRecord(a_cohort_record([1, 2, 3])),
    ),
    (
        "the first cluster is formed of who waits",
        blank(no_record=True),
        FormCluster(a_cohort_record([1, 2, 3])),
    ),
    (
        "the next generation is formed when the last has ended",
        blank(record=a_cohort_record([7, 8], state="retired"), elsewhere={7: "terminated", 8: "absent"}),
        FormCluster(a_cohort_record([1, 2, 3], generation=2)),
    ),
    (
        "a formed cluster is retired when each of its instances leaves or has ended",
        a_view(LEAVING[2:], elsewhere={1: "terminated", 2: "shutting-down"}),
        PublishRecord(a_record(THREE, state="retired")),
    ),
    (
        "a cohort is given up wherever its instances are",
        blank(record=a_cohort_record([1, 2, 3])),
        ConcludeFormation(a_cohort_record([1, 2, 3], state="retired")),
    ),
    (
        "a learner goes though its instance stays",
        a_view(JOINING, members=[*THREE, LEARNER]),
        RemoveMember(mid(4)),
    ),
    (
        "a voter that never started goes though its instance stays",
        a_view(JOINING, members=[*THREE, UNSTARTED]),
        RemoveMember(mid(4)),
    ),
    (
        "a silent voter goes when EC2 has ended its instance",
        a_view([an_instance(1), an_instance(2)], silent=[3], elsewhere={3: "shutting-down"}),
        RemoveMember(mid(3)),
    ),
    (
        "the last voter but one goes",
        a_view(LEAVING[1:], members=THREE[1:], leader=2),
        RemoveMember(mid(3)),
    ),
    ("leadership goes to who serves", a_view(), MoveLeadership(mid(1), mid(3))),
    ("the group replaces an instance of a cluster with a quorum", a_view(silent=[3]), MarkUnhealthy(iid(3))),
    ("a warm pool instance passes without a quorum", of_a_lost_quorum(POOLED), done(4, Transition.LAUNCHING)),
    ("a launch is abandoned without a quorum", of_a_lost_quorum(JOINING[3]), abandoned(4, Transition.LAUNCHING)),
    ("a termination is abandoned without a quorum", of_a_lost_quorum(LEAVING[2]), abandoned(3, Transition.TERMINATING)),
    ("the plain list is written without a quorum", NO_QUORUM, PublishInitialCluster("")),
    ("who leaves before there is a cluster is let go", blank(no_record=True), done(9, Transition.TERMINATING)),
    (
        "who leaves after a generation is let go",
        blank(record=a_cohort_record([7], state="retired")),
        done(7, Transition.TERMINATING),
    ),
    (
        "who is not of the forming cohort is let go",
        blank(record=a_cohort_record([1, 2, 3])),
        done(4, Transition.TERMINATING),
    ),
    (
        "a warm pool instance that is not recorded is let go without a quorum",
        a_view([an_instance(1), POOLED], silent=[2, 3]),
        done(4, Transition.TERMINATING),
    ),
    (
        "who has no member is let go",
        a_view([*LEAVING, an_instance(4, "Terminating:Wait")]),
        done(4, Transition.TERMINATING),
    ),
]


@pytest.mark.parametrize(("view", "action"), [row[1:] for row in ALLOWED], ids=[row[0] for row in ALLOWED])
def test_an_action_that_breaks_no_safety_rule_is_let_through(view: View, action: Action) -> None:
    check(view, action)


def test_a_group_that_is_being_deleted_may_retire_its_record() -> None:
    view = a_view(deleting=True)
    assert view.stored.record is not None
    check(view, PublishRecord(replace(view.stored.record, state=RecordState.RETIRED)))
