"""A voter that serves and has not said its name, or where clients find it: "not started" by the list, and a voter."""

from __future__ import annotations

from dataclasses import replace

import pytest

from etcd_aws_cluster.core.actions import Act, CompleteLifecycleAction, Decision, MoveLeadership, RemoveMember, Settled
from etcd_aws_cluster.core.errors import InvariantViolationError
from etcd_aws_cluster.core.invariants import check
from etcd_aws_cluster.core.model import Instance, Member, Result, Transition
from etcd_aws_cluster.core.planner import plan
from etcd_aws_cluster.core.view import View
from tests.builders import POLICY, a_member, a_record, a_view, an_instance, iid, mid, readings_of

LATE = POLICY.join_timeout.total_seconds()
NAMED = (a_member(1), a_member(2), a_member(3))
SILENT_ABOUT_ITSELF = [replace(NAMED[0], name=""), replace(NAMED[0], client_urls=())]


def seen(first: Member, *instances: Instance, desired: int = 3, age_s: float = LATE) -> View:
    """Return a cluster that serves, all of it, the first of whose voters is as given."""
    members = (first, *NAMED[1:])
    readings = [replace(r, members=members) for r in readings_of(NAMED)]
    record = a_record(members, member_age_s=age_s)
    others = (an_instance(2), an_instance(3))
    return a_view([*instances, *others], members=members, readings=readings, record=record, desired=desired)


def decide(view: View) -> Decision:
    decision = plan(view, POLICY)
    if isinstance(decision, Act):
        check(view, decision.action)
    return decision


@pytest.mark.parametrize("voter", SILENT_ABOUT_ITSELF, ids=["no name", "no client URL"])
def test_it_is_never_removed_while_its_instance_stays(voter: Member) -> None:
    view = seen(voter, an_instance(1))
    assert isinstance(decide(view), Settled)
    with pytest.raises(InvariantViolationError, match="INV-4: its instance stays"):
        check(view, RemoveMember(mid(1)))


@pytest.mark.parametrize("voter", SILENT_ABOUT_ITSELF, ids=["no name", "no client URL"])
def test_it_leaves_as_any_voter_does(voter: Member) -> None:
    decision = decide(seen(voter, an_instance(1, "Terminating:Wait"), desired=2))
    assert isinstance(decision, Act)
    assert decision.action == MoveLeadership(mid(1), mid(3))


def test_its_launch_is_given_up_when_it_is_overdue() -> None:
    launching = an_instance(1, "Pending:Wait")
    assert not isinstance(decide(seen(SILENT_ABOUT_ITSELF[0], launching, age_s=1)), Act)
    decision = decide(seen(SILENT_ABOUT_ITSELF[0], launching))
    assert isinstance(decision, Act)
    assert decision.action == CompleteLifecycleAction(iid(1), Transition.LAUNCHING, Result.ABANDON)
