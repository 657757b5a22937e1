"""What AWS and etcd say, in our words."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import pytest

from etcd_aws_cluster.core.errors import RejectedError, Rejection
from etcd_aws_cluster.core.model import Ec2State, Lifecycle
from etcd_aws_cluster.core.policy import Policy
from etcd_aws_cluster.core.publish import current_record
from etcd_aws_cluster.core.view import read_membership
from tests.builders import CLUSTER, a_member, a_view, an_instance

URL = "http://10.0.0.3:2379"


@pytest.mark.parametrize("state", Lifecycle)
def test_every_listed_lifecycle_state_is_itself(state: Lifecycle) -> None:
    assert Lifecycle.parse(state.value) is state


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        ("Warmed:Stopped", Lifecycle.WARMED_OTHER),
        ("Warmed:Pending:Proceed", Lifecycle.WARMED_OTHER),
        ("warmed:Stopped", Lifecycle.UNKNOWN),
        ("ReplacingRootVolume:Wait", Lifecycle.UNKNOWN),
        ("", Lifecycle.UNKNOWN),
    ],
)
def test_a_lifecycle_state_that_is_not_listed_is_never_an_error(raw: str, expected: Lifecycle) -> None:
    assert Lifecycle.parse(raw) is expected


@pytest.mark.parametrize(
    ("state", "has_ended", "is_ending"),
    [
        (Ec2State.PENDING, False, False),
        (Ec2State.RUNNING, False, False),
        (Ec2State.STOPPING, False, False),
        (Ec2State.STOPPED, False, False),
        (Ec2State.SHUTTING_DOWN, False, True),
        (Ec2State.TERMINATED, True, True),
        (Ec2State.ABSENT, True, True),
        (Ec2State.UNKNOWN, False, False),
    ],
)
def test_only_a_terminated_or_absent_instance_has_ended(state: Ec2State, has_ended: bool, is_ending: bool) -> None:  # noqa: FBT001
    assert (state.has_ended, state.is_ending) == (has_ended, is_ending)


@pytest.mark.parametrize("state", Lifecycle)
def test_who_terminates_or_is_in_the_warm_pool_is_leaving_and_nobody_else(state: Lifecycle) -> None:
    expected = state.value.startswith(("Terminating", "Warmed:")) and state is not Lifecycle.TERMINATING_RETAINED
    assert a_view().is_leaving(an_instance(1, state.value)) is expected


def test_a_member_has_started_when_it_has_published_its_name_and_where_clients_find_it() -> None:
    assert a_member(3).is_started
    assert not replace(a_member(3), name="").is_started
    assert not replace(a_member(3), client_urls=()).is_started


@pytest.mark.parametrize(
    ("said", "written"),
    [
        ({"name": "n" * 64}, {"name": "n" * 64}),
        ({"name": "n" * 65}, {"name": ""}),
        ({"name": "a=b"}, {"name": ""}),
        ({"client_urls": (URL, f"http://{'h' * (243 - len(URL))}.:2379")}, {}),
        ({"client_urls": (URL, f"http://{'h' * (244 - len(URL))}.:2379")}, {"client_urls": ()}),
        ({"client_urls": (URL, "unix://etcd")}, {"client_urls": ()}),
        ({"client_urls": ()}, {}),
    ],
)
def test_of_what_a_member_says_of_itself_only_what_fits_is_written(
    said: Mapping[str, object], written: Mapping[str, object]
) -> None:
    member = replace(a_member(3), **said)  # type: ignore[arg-type]
    view = a_view(members=[a_member(1), a_member(2), member])
    record, membership = view.stored.record, read_membership(view, CLUSTER)
    assert record is not None
    assert membership is not None
    entry = current_record(view, record, membership).members[-1]
    assert {"name": entry.name, "client_urls": entry.client_urls} == {
        "name": member.name,
        "client_urls": member.client_urls,
        **written,
    }


def test_a_member_is_shown_by_its_hex_id_its_name_and_where_its_peers_find_it() -> None:
    member = replace(a_member(3, started=False), peer_urls=("http://10.0.0.3:2380", "http://[fd00::3]:2380"))
    assert str(member) == "67 (unnamed, http://10.0.0.3:2380,http://[fd00::3]:2380)"


def test_an_ipv6_address_stands_in_brackets_in_a_url_and_a_name_does_not() -> None:
    policy = Policy(client_scheme="https", client_port=2, peer_port=1)
    assert (policy.client_url("fd00::3"), policy.peer_url("fd00::3")) == ("https://[fd00::3]:2", "http://[fd00::3]:1")
    assert (policy.client_url("etcd-3"), policy.peer_url("10.0.0.3")) == ("https://etcd-3:2", "http://10.0.0.3:1")


def test_a_rejection_keeps_its_meaning_and_etcds_own_words() -> None:
    error = RejectedError(Rejection.NOT_IN_SYNC, "etcdserver: can only promote a learner member in sync with leader")
    assert error.rejection is Rejection.NOT_IN_SYNC
    assert str(error) == (
        "the learner has not caught up: etcdserver: can only promote a learner member in sync with leader"
    )
