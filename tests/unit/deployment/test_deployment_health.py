"""When a cluster is whole enough to have its members replaced."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Any

import pytest

from etcd_aws_cluster.core.model import Group, InstanceId, Member, Reading
from etcd_aws_cluster.core.policy import Policy
from etcd_aws_cluster.deployment.health import health_of
from tests.builders import ARN, a_cohort_record, a_member, a_record, an_instance, readings_of
from tests.fakes.fake_clock import FakeClock
from tests.fakes.fake_store import FakeStore

THREE = tuple(a_member(n) for n in (1, 2, 3))


@dataclass
class Cluster:
    """Members that answer or do not, their instances, and the record."""

    members: tuple[Member, ...] = THREE
    silent: tuple[int, ...] = ()
    record: str = field(default_factory=lambda: a_record(THREE).to_json())
    third: str = "InService"

    def read(self, asked: Any) -> Any:  # noqa: ANN401 - two ports have a call of that name
        return self._reading(asked) if isinstance(asked, str) else self._group(asked)

    def _reading(self, endpoint: str) -> Reading:
        found = {r.endpoint: r for r in readings_of(self.members, silent=self.silent)}
        return found.get(endpoint, Reading(endpoint=endpoint, problem="refused"))

    def _group(self, _also: Collection[InstanceId]) -> Group:
        instances = (an_instance(1), an_instance(2), an_instance(3, self.third))
        return Group(name="etcd", arn=ARN, desired=3, is_deleting=False, instances=instances, elsewhere={})

    def trouble(self) -> str:
        store, me = FakeStore(), self
        if self.record:
            store.parameters["record"] = self.record
        either: Any = me
        return health_of(group=either, store=store, members=either, policy=Policy(), clock=FakeClock())()


def test_a_cluster_whose_members_all_serve_is_whole() -> None:
    assert Cluster().trouble() == ""


@pytest.mark.parametrize(
    ("cluster", "words"),
    [
        (Cluster(silent=(3,)), "voter 67 (i-03, http://10.0.0.3:2380) does not serve"),
        (Cluster(silent=(2, 3)), "no quorum answers (http://10.0.0.2:2379: no answer"),
        (Cluster(silent=(1, 2, 3)), "no quorum answers"),
        (Cluster(members=(*THREE, a_member(4, learner=True))), "learner 68 (i-04, http://10.0.0.4:2380) does not vote"),
        (Cluster(record=""), "no cluster has formed"),
        (Cluster(record=a_cohort_record([1, 2, 3]).to_json()), "no cluster has formed"),
        (Cluster(record="{"), "the record is not JSON"),
    ],
)
def test_anything_else_is_told(cluster: Cluster, words: str) -> None:
    assert words in cluster.trouble()


BEHIND = a_record(THREE[:2]).to_json()
"""It was written late: its third member has been promoted since, and waits to go into service."""


def test_a_record_that_is_behind_hides_no_voter_that_serves() -> None:
    assert Cluster(record=BEHIND, third="Pending:Wait").trouble() == ""
    assert Cluster(record=BEHIND, third="Pending:Wait", silent=(2,)).trouble().startswith("voter 66 (i-02")


def test_a_record_that_is_behind_hides_no_voter_that_does_not() -> None:
    assert Cluster(record=BEHIND, third="Pending:Wait", silent=(3,)).trouble().startswith("voter 67 (i-03")
