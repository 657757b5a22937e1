"""Which names clients find, and what is changed in the zone for that."""

from __future__ import annotations

import dataclasses

import pytest

from etcd_aws_cluster.core.dns import (
    Change,
    ChangeKind,
    Domain,
    RecordKind,
    RecordSet,
    change_batch,
    desired_records,
    owner_mark,
)
from etcd_aws_cluster.core.errors import NameTakenError
from tests.builders import a_cohort_record, a_member, a_record, a_view, an_instance, iid, ip

NAME = "etcd.example.internal"
DOMAIN = Domain(name=NAME, ttl_s=30, schemes=("http",), client_port=2379)
MARK = '"etcd-aws-cluster arn:aws:autoscaling:eu-west-1:123456789012:etcd"'
GROUP = a_view().group


def a_set(name: str, kind: str, *values: str, ttl_s: int = 30) -> RecordSet:
    return RecordSet(name=name, kind=RecordKind(kind), values=values, ttl_s=ttl_s)


def records_of(*ns: int, service: str = "_etcd-client._tcp", port: int = 2379) -> set[RecordSet]:
    """Return what is there for these voters."""
    return {
        a_set(NAME, "A", *(ip(n) for n in ns)),
        a_set(NAME, "TXT", MARK),
        *(a_set(f"{iid(n)}.{NAME}", "A", ip(n)) for n in ns),
        a_set(f"{service}.{NAME}", "SRV", *(f"0 0 {port} {iid(n)}.{NAME}." for n in ns)),
    }


def test_each_voter_has_a_name_and_all_of_them_are_the_cluster_and_its_service() -> None:
    assert set(desired_records(a_view(), DOMAIN) or ()) == records_of(1, 2, 3)


def test_what_is_wanted_is_in_a_fixed_order() -> None:
    wanted = desired_records(a_view(), DOMAIN)
    assert wanted == tuple(sorted(wanted or ()))
    assert wanted == desired_records(a_view(instances=[an_instance(n) for n in (3, 1, 2)]), DOMAIN)


def test_https_has_the_other_service_and_a_port_of_its_own() -> None:
    domain = dataclasses.replace(DOMAIN, schemes=("https",), client_port=4001)
    wanted = set(desired_records(a_view(), domain) or ())
    assert wanted == records_of(1, 2, 3, service="_etcd-client-ssl._tcp", port=4001)


def test_on_the_way_to_https_both_services_are_there() -> None:
    domain = dataclasses.replace(DOMAIN, schemes=("http", "https"))
    wanted = set(desired_records(a_view(), domain) or ())
    assert wanted == records_of(1, 2, 3) | records_of(1, 2, 3, service="_etcd-client-ssl._tcp")


def test_the_time_to_live_is_that_of_the_domain() -> None:
    wanted = desired_records(a_view(), dataclasses.replace(DOMAIN, ttl_s=5))
    assert {r.ttl_s for r in wanted or ()} == {5}


def test_a_learner_has_no_name_and_a_removed_member_has_none_any_more() -> None:
    members = [a_member(1), a_member(2), a_member(4, learner=True)]
    view = a_view(instances=[an_instance(n) for n in (1, 2, 3, 4)], members=members)
    assert set(desired_records(view, DOMAIN) or ()) == records_of(1, 2)


@pytest.mark.parametrize("state", ["Terminating", "Terminating:Wait", "Terminating:Proceed"])
def test_a_voter_that_leaves_has_no_name_though_it_still_votes(state: str) -> None:
    view = a_view(instances=[an_instance(1), an_instance(2), an_instance(3, state)])
    assert set(desired_records(view, DOMAIN) or ()) == records_of(1, 2)


def test_voters_that_all_leave_keep_their_names() -> None:
    view = a_view(instances=[an_instance(n, "Terminating:Wait") for n in (1, 2, 3)])
    assert set(desired_records(view, DOMAIN) or ()) == records_of(1, 2, 3)


@pytest.mark.parametrize("ec2", ["shutting-down", "terminated"])
def test_an_instance_that_ends_has_no_name_since_another_may_get_its_address(ec2: str) -> None:
    view = a_view(instances=[an_instance(1), an_instance(2), an_instance(3, ec2=ec2)])
    assert set(desired_records(view, DOMAIN) or ()) == records_of(1, 2)


def test_a_silent_voter_keeps_its_name_while_the_others_prove_the_membership() -> None:
    assert set(desired_records(a_view(silent=[3]), DOMAIN) or ()) == records_of(1, 2, 3)


def test_a_voter_outside_the_group_or_without_an_address_has_no_name() -> None:
    view = a_view(instances=[an_instance(1), an_instance(2, address=None)])
    assert set(desired_records(view, DOMAIN) or ()) == records_of(1)


UNKNOWN = {
    "no quorum answers": a_view(silent=[1, 2]),
    "nobody answers": a_view(silent=[1, 2, 3]),
    "EC2 shows no instance": a_view(instances=[]),
    "EC2 shows no address": a_view(instances=[an_instance(n, address=None) for n in (1, 2, 3)]),
    "there is no record": a_view(no_record=True),
    "the record cannot be read": a_view(problem="not JSON"),
    "a cluster is forming": a_view(record=a_cohort_record([1, 2, 3])),
    "the generation is retired": a_view(record=a_record([a_member(n) for n in (1, 2, 3)], state="retired")),
}


@pytest.mark.parametrize("view", UNKNOWN.values(), ids=UNKNOWN.keys())
def test_where_it_is_not_known_who_votes_nothing_is_wanted_and_nothing_is_emptied(view: object) -> None:
    assert desired_records(view, DOMAIN) is None  # type: ignore[arg-type]


@pytest.mark.parametrize("silent", [(), (1, 2, 3)])
@pytest.mark.parametrize("end", [{"desired": 0}, {"deleting": True}])
def test_a_group_that_is_to_have_no_instance_leaves_no_name(end: dict[str, int], silent: tuple[int, ...]) -> None:
    assert desired_records(a_view(silent=silent, **end), DOMAIN) == ()  # type: ignore[arg-type]


def batch(found: set[RecordSet], wanted: set[RecordSet]) -> set[Change]:
    return set(change_batch(sorted(found), sorted(wanted), DOMAIN, GROUP))


def test_into_an_empty_zone_the_mark_is_created_which_only_one_can() -> None:
    assert batch(set(), records_of(1)) == {
        Change(ChangeKind.CREATE if r.kind is RecordKind.TXT else ChangeKind.UPSERT, r) for r in records_of(1)
    }


def test_nothing_is_changed_where_all_is_as_it_should_be() -> None:
    assert batch(records_of(1, 2, 3), records_of(1, 2, 3)) == set()


def test_a_replacement_is_one_batch_that_touches_nothing_else() -> None:
    changes = batch(records_of(1, 2, 3), records_of(1, 2, 4))
    assert changes == {
        Change(ChangeKind.DELETE, a_set(f"{iid(3)}.{NAME}", "A", ip(3))),
        *(Change(ChangeKind.UPSERT, r) for r in records_of(1, 2, 4) - records_of(1, 2, 3)),
    }
    assert len(changes) == 4


def test_deletions_come_first() -> None:
    kinds = [c.kind for c in change_batch(records_of(1), records_of(2), DOMAIN, GROUP)]
    assert kinds == [ChangeKind.DELETE, *[ChangeKind.UPSERT] * 3]


def test_another_time_to_live_is_written_and_the_mark_with_it() -> None:
    other = {dataclasses.replace(r, ttl_s=5) for r in records_of(1)}
    assert batch(records_of(1), other) == {Change(ChangeKind.UPSERT, r) for r in other}


def test_a_record_is_deleted_as_it_was_found() -> None:
    found = {a_set(NAME, "TXT", MARK), a_set(f"{iid(9)}.{NAME}", "A", "10.9.9.9", ttl_s=77)}
    assert Change(ChangeKind.DELETE, a_set(f"{iid(9)}.{NAME}", "A", "10.9.9.9", ttl_s=77)) in batch(found, set())


def test_all_that_is_ours_goes_in_the_end_the_mark_too() -> None:
    assert batch(records_of(1, 2), set()) == {Change(ChangeKind.DELETE, r) for r in records_of(1, 2)}


def test_the_service_of_a_scheme_that_is_no_longer_used_goes() -> None:
    found = records_of(1) | records_of(1, service="_etcd-client-ssl._tcp")
    assert {(c.kind, c.record.name) for c in batch(found, records_of(1))} == {
        (ChangeKind.DELETE, f"_etcd-client-ssl._tcp.{NAME}")
    }


OTHERS = [
    a_set(f"www.{NAME}", "A", "10.1.1.1"),
    a_set(f"i-web.{NAME}", "A", "10.1.1.1"),
    a_set(f"xi-01.{NAME}", "A", "10.1.1.1"),
    a_set(f"{iid(1)}.{NAME}", "TXT", '"x"'),
    a_set(f"{iid(1)}.more.{NAME}", "A", "10.1.1.1"),
    a_set(f"{iid(1)}.etcd2.example.internal", "A", "10.1.1.1"),
    a_set(f"_etcd-server._tcp.{NAME}", "SRV", f"0 0 2380 {iid(1)}.{NAME}."),
    a_set(NAME, "SRV", f"0 0 2380 {iid(1)}.{NAME}."),
]


@pytest.mark.parametrize("other", OTHERS, ids=lambda r: f"{r.name} {r.kind}")
def test_what_a_controller_does_not_make_is_left_alone(other: RecordSet) -> None:
    assert batch({other}, set()) == set()
    assert batch(records_of(1) | {other}, set()) == {Change(ChangeKind.DELETE, r) for r in records_of(1)}


def test_the_names_of_another_cluster_are_refused_with_both_marks() -> None:
    theirs = {a_set(NAME, "TXT", '"etcd-aws-cluster arn:aws:autoscaling:us-east-1:123456789012:etcd"')}
    with pytest.raises(NameTakenError) as refusal:
        batch(theirs, records_of(1))
    assert str(refusal.value) == (
        f'the names of {NAME} are "etcd-aws-cluster arn:aws:autoscaling:us-east-1:123456789012:etcd"; '
        f"expected the mark {MARK}"
    )


def test_nothing_of_another_cluster_is_deleted_either() -> None:
    with pytest.raises(NameTakenError, match=f'^the names of {NAME} are "a" "b"; '):
        batch({a_set(NAME, "TXT", '"a"', '"b"'), a_set(NAME, "A", ip(1))}, set())


def test_names_without_a_mark_were_made_by_somebody_and_are_refused() -> None:
    with pytest.raises(NameTakenError) as refusal:
        batch({a_set(NAME, "A", "10.1.1.1"), a_set(f"{iid(7)}.{NAME}", "A", ip(7))}, records_of(1))
    assert str(refusal.value).startswith(f"the names of {NAME} are nobody's we know: {NAME}, {iid(7)}.{NAME};")


def test_the_mark_outlives_the_group_that_a_deploy_makes_anew() -> None:
    again = "arn:aws:autoscaling:eu-west-1:123456789012:autoScalingGroup:99999999:autoScalingGroupName/etcd"
    assert owner_mark(a_view(arn=again).group) == owner_mark(GROUP) == MARK
