"""On the way from http to https: members keep the scheme that they were added with."""

from __future__ import annotations

from dataclasses import replace

from etcd_aws_cluster.core.actions import Act, AddMember, Decision, Reason, Refuse, RemoveMember
from etcd_aws_cluster.core.invariants import check
from etcd_aws_cluster.core.planner import plan
from etcd_aws_cluster.core.policy import Policy
from etcd_aws_cluster.core.view import View
from tests.builders import a_member, a_record, a_view, an_instance, iid, ip, mid

HTTPS = Policy(client_scheme="https", peer_scheme="https")
OLD = [a_member(n) for n in (1, 2, 3)]
NEWCOMER = an_instance(4, "Pending:Wait")
THREE = [an_instance(n) for n in (1, 2, 3)]


def decide(view: View) -> Decision:
    decision = plan(view, HTTPS)
    if isinstance(decision, Act):
        check(view, decision.action)
    return decision


def test_a_newcomer_among_members_of_http_is_added_with_https_and_nobody_else_is_touched() -> None:
    decision = decide(a_view([*THREE, NEWCOMER]))
    assert isinstance(decision, Act)
    assert decision.action == AddMember(iid(4), f"https://{ip(4)}:2380", as_learner=True)


def test_the_record_keeps_each_members_own_scheme() -> None:
    secured = replace(a_member(4), peer_urls=(f"https://{ip(4)}:2380",), client_urls=(f"https://{ip(4)}:2379",))
    view = a_view([*THREE, an_instance(4)], members=[*OLD, secured], desired=4)
    assert decide(view).reason is Reason.SETTLED
    assert f"{iid(1)}=http://{ip(1)}:2380" in a_record([*OLD, secured]).initial_cluster()
    assert f"{iid(4)}=https://{ip(4)}:2380" in a_record([*OLD, secured]).initial_cluster()


def test_an_address_that_a_member_has_by_http_is_taken_for_https_too() -> None:
    decision = decide(a_view([*THREE, NEWCOMER], members=[*OLD[:2], a_member(3, at=4)]))
    assert isinstance(decision, Refuse)
    assert decision.reason is Reason.PEER_URL_TAKEN


def test_a_dead_predecessor_of_http_at_a_newcomers_address_goes_first() -> None:
    holder = replace(a_member(5), peer_urls=(f"http://{ip(4)}:2380",))
    view = a_view(
        [an_instance(1), an_instance(2), an_instance(6), NEWCOMER],
        members=[*OLD, holder, a_member(6)],
        elsewhere={3: "terminated", 5: "terminated"},
        silent=[3, 5],
        desired=5,
    )
    decision = decide(view)
    assert isinstance(decision, Act)
    assert decision.action == RemoveMember(mid(5))
