"""What the guard takes for the running cluster, and when it needs none."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from etcd_aws_cluster.core.errors import AwsError, GroupGoneError, NotSentError
from etcd_aws_cluster.core.model import Ec2State, Group, Instance, InstanceId
from etcd_aws_cluster.deployment.deployed import Deployed
from etcd_aws_cluster.deployment.guard import Guard, RefusedError
from etcd_aws_cluster.etcd.wire import Versions
from tests.builders import ARN, a_cohort_record, a_member, a_record, an_instance, iid
from tests.fakes.fake_clock import FakeClock
from tests.fakes.fake_store import FakeStore

TEXT = "version=3.5.30 client=http:2379 peer=http:2380 transition=off pki=automatic signs=1 trusts=1"
PLAIN = Deployed.from_text(TEXT)
SECURE = TEXT.replace("http", "https").replace("off", "on")


@dataclass
class Place:
    """A group, its instances' tags, what answers where, and the record."""

    instances: tuple[Instance, ...] = tuple(an_instance(n) for n in (1, 2, 3))
    tags: dict[int, str] = field(default_factory=lambda: dict.fromkeys((1, 2, 3), TEXT))
    answers: dict[str, str] = field(default_factory=lambda: {f"http://10.0.0.{n}:2379": "3.5.30" for n in (1, 2, 3)})
    elsewhere: Mapping[InstanceId, Ec2State] = field(default_factory=dict)
    agreed: list[tuple[int, int]] = field(default_factory=list)
    """What the cluster has agreed on, by round of questions; the last for good."""
    is_deleting: bool = False
    is_gone: bool = False
    failing_reads: int = 0
    store: FakeStore = field(default_factory=FakeStore)
    asked: list[str] = field(default_factory=list)

    def read(self, also: Collection[InstanceId]) -> Group:
        if self.failing_reads:
            self.failing_reads -= 1
            raise AwsError("DescribeAutoScalingGroups for etcd failed: Throttling")
        if self.is_gone:
            raise GroupGoneError("there is no group")
        return Group(
            name="etcd",
            arn=ARN,
            desired=3,
            is_deleting=self.is_deleting,
            instances=self.instances,
            elsewhere=self.elsewhere,
        )

    def versions(self, endpoint: str) -> Versions:
        self.asked.append(endpoint)
        if endpoint not in self.answers:
            raise NotSentError(f"{endpoint}: refused")
        text = self.answers[endpoint]
        major, minor = text.split(".")[:2]
        rounds = (len(self.asked) - 1) // len(self.answers)
        cluster = self.agreed[min(rounds, len(self.agreed) - 1)] if self.agreed else None
        return Versions(server=(int(major), int(minor)), cluster=cluster, text=text)

    def check(self, asked: str) -> str:
        """Return why the guard refuses; empty if it does not."""
        group: Any = self
        guard = Guard(
            group=group,
            store=self.store,
            versions=self.versions,
            tags=lambda ids: {iid(n): text for n, text in self.tags.items() if iid(n) in ids},
            clock=FakeClock(),
        )
        try:
            guard.check(Deployed.from_text(asked))
        except RefusedError as refused:
            return str(refused)
        return ""


def formed(*ns: int) -> FakeStore:
    """A store with the record of a cluster."""
    store = FakeStore()
    store.parameters["record"] = a_record([a_member(n) for n in ns or (1, 2, 3)]).to_json()
    return store


def version(text: str) -> str:
    return TEXT.replace("3.5.30", text)


def test_a_running_cluster_is_upgraded_by_one_minor_version_and_no_more() -> None:
    place = Place(store=formed())
    assert place.check(version("3.6.16")) == ""
    assert "3.7.0 was asked for" in place.check(version("3.7.0"))
    assert "i-01 3.5.30, i-02 3.5.30, i-03 3.5.30" in place.check(version("3.7.0"))


def test_a_cluster_that_was_just_upgraded_is_given_time_to_agree_on_its_version() -> None:
    upgraded = {f"http://10.0.0.{n}:2379": "3.6.16" for n in (1, 2, 3)}
    place = Place(store=formed(), answers=upgraded, agreed=[(3, 5), (3, 5), (3, 6)])
    assert "is not downgraded by deploying an older release" in place.check(version("3.5.35"))
    assert len(place.asked) == 3 * 3


def test_a_version_that_stays_behind_all_members_is_etcds_own_downgrade_and_may_be_followed() -> None:
    downgrading = {f"http://10.0.0.{n}:2379": "3.6.16" for n in (1, 2, 3)}
    assert Place(store=formed(), answers=downgrading, agreed=[(3, 5)]).check(version("3.5.35")) == ""


def test_half_an_upgrade_is_not_waited_for() -> None:
    half = {"http://10.0.0.1:2379": "3.6.16", "http://10.0.0.2:2379": "3.5.30", "http://10.0.0.3:2379": "3.5.30"}
    place = Place(store=formed(), answers=half, agreed=[(3, 5)])
    assert place.check(version("3.5.30")) == ""
    assert len(place.asked) == len(half)


def test_where_there_is_no_group_or_it_is_being_deleted_everything_is_allowed() -> None:
    assert Place(is_gone=True, store=formed()).check(version("2.3.8")) == ""
    assert Place(is_deleting=True, store=formed()).check(version("2.3.8")) == ""


def test_a_new_or_retired_cluster_may_be_anything() -> None:
    waiting = tuple(an_instance(n, "Pending:Wait") for n in (1, 2, 3))
    assert Place(instances=waiting).check(version("3.7.0")) == ""
    store = FakeStore()
    store.parameters["record"] = a_cohort_record([1, 2, 3], state="retired").to_json()
    assert Place(instances=waiting, store=store).check(version("3.7.0")) == ""


def test_a_first_version_that_does_not_form_can_be_put_right_until_one_answers() -> None:
    store = FakeStore()
    store.parameters["record"] = a_cohort_record([1, 2, 3]).to_json()
    serving = Place(store=store)
    assert "3.7.0 was asked for" in serving.check(version("3.7.0"))
    assert replace(serving, answers={}).check(version("3.7.0")) == ""


def test_without_a_record_what_is_in_service_is_looked_at_all_the_same() -> None:
    assert "3.7.0 was asked for" in Place().check(version("3.7.0"))


def test_of_a_silent_cluster_nothing_may_be_changed() -> None:
    place = Place(store=formed(), answers={})
    assert place.check(TEXT) == ""
    assert "No member of the running cluster answers (i-01: http://10.0.0.1:2379: refused" in place.check(
        version("3.5.31")
    )


def test_a_record_that_cannot_be_read_is_no_reason_to_go_on() -> None:
    store = FakeStore()
    store.parameters["record"] = "{"
    assert "record cannot be read" in Place(store=store).check(TEXT)


def test_each_member_is_asked_where_its_own_deployment_has_it_listen() -> None:
    place = Place(store=formed(), tags={1: SECURE, 2: TEXT, 3: TEXT})
    place.answers["https://10.0.0.1:2379"] = "3.5.30"
    place.check(TEXT)
    assert place.asked == ["https://10.0.0.1:2379", "http://10.0.0.2:2379", "http://10.0.0.3:2379"]


def test_without_tags_the_record_says_where_they_listen_and_what_cannot_be_changed() -> None:
    place = Place(store=formed(), tags={})
    assert place.check(version("3.6.16")) == ""
    assert "From http to https it goes in steps" in place.check(TEXT.replace("http", "https"))
    assert "etcd:etcd_client_port=4001" in place.check(TEXT.replace("2379", "4001"))


def test_newcomers_and_instances_that_have_ended_do_not_count() -> None:
    others = (
        an_instance(4, "Pending:Wait"),
        an_instance(5, "Terminating:Proceed", ec2="terminated"),
        an_instance(6, "Warmed:Stopped"),
    )
    place = Place(store=formed(1, 2, 3, 4, 5), instances=(*Place().instances, *others))
    assert place.check(version("3.6.16")) == ""
    assert len(place.asked) == 3


@pytest.mark.parametrize(("state", "counts"), [("running", True), ("terminated", False), ("absent", False)])
def test_a_recorded_member_that_the_group_does_not_list_counts_while_it_may_run(state: str, *, counts: bool) -> None:
    place = Place(store=formed(1, 2, 3, 4), elsewhere={iid(4): Ec2State(state)})
    assert ("Not every member answers (i-04: http://10.0.0.4:2379" in place.check(version("3.6.16"))) is counts


def test_aws_is_asked_again_and_in_the_end_nothing_is_changed_on_a_guess() -> None:
    assert Place(store=formed(), failing_reads=3).check(TEXT) == ""
    with pytest.raises(AwsError):
        Place(store=formed(), failing_reads=4).check(TEXT)
