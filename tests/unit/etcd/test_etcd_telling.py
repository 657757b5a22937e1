"""What a member tells of its database and of etcd's alarms; what cannot be understood is unknown, no more."""

from __future__ import annotations

import json
from typing import Any

import pytest

from etcd_aws_cluster.core.model import EtcdAlarm, MemberId, Reading
from etcd_aws_cluster.etcd.client import EtcdClient
from tests.unit.etcd import recorded as r
from tests.unit.etcd.scripted_server import ok, serving, serving_paths

NOSPACE = f"memberID:{r.N1} alarm:NOSPACE "  # as 3.4, 3.5 and 3.6 write it


def read(client: EtcdClient, **status: object) -> Reading:
    """Read a 3.5 whose status has these fields too."""
    answer: dict[str, Any] = json.loads(r.STATUS) | status
    with serving(status=ok(json.dumps(answer)), list=ok(r.MEMBERS)) as server:
        return client.read(server.endpoint)


def test_a_member_tells_the_size_of_its_database_and_since_3_6_its_quota(client: EtcdClient) -> None:
    reading = read(client, dbSizeQuota="4194304")

    assert reading.database_bytes == 20480
    assert reading.quota_bytes == 4194304


def test_a_member_without_alarms_says_so(client: EtcdClient) -> None:
    reading = read(client)

    assert reading.alarms == frozenset()
    assert reading.quota_bytes is None


def test_a_learner_and_a_member_without_a_leader_tell_of_alarms_too(client: EtcdClient) -> None:
    with serving(version=ok(r.VERSION_3_4), status=ok(r.STATUS_OF_LEARNER)) as server:
        assert client.read(server.endpoint).alarms == frozenset()
    with serving(status=ok(r.STATUS_WITHOUT_LEADER)) as server:
        assert client.read(server.endpoint).alarms == frozenset()


def test_an_alarm_is_read_from_among_other_troubles(client: EtcdClient) -> None:
    errors = [NOSPACE, "etcdserver: no leader", f"memberID:{r.N3}  alarm:CORRUPT"]

    assert read(client, errors=errors).alarms == frozenset(
        {EtcdAlarm(MemberId(r.N1), "NOSPACE"), EtcdAlarm(MemberId(r.N3), "CORRUPT")}
    )


@pytest.mark.parametrize("errors", ["NOSPACE", {}, 7, [7], [NOSPACE, "an alarm in other words"]])
def test_alarms_in_another_form_are_unknown_not_absent(client: EtcdClient, errors: object) -> None:
    reading = read(client, errors=errors)

    assert reading.alarms is None
    assert reading.is_linearizable


@pytest.mark.parametrize("size", ["many", -1, 1.5, True, [], str(2**64), 0, "0"])
def test_a_size_that_is_none_is_unknown(client: EtcdClient, size: object) -> None:
    reading = read(client, dbSize=size, dbSizeQuota=size)

    assert (reading.database_bytes, reading.quota_bytes) == (None, None)
    assert reading.is_linearizable


def test_before_3_4_a_status_has_no_alarms_whatever_is_so(client: EtcdClient) -> None:
    answers = {
        "/version": ok('{"etcdserver":"3.3.27","etcdcluster":"3.3.0"}'),
        "/v3beta/maintenance/status": ok(r.STATUS.replace("3.5.1", "3.3.27")),
        "/v3beta/kv/range": ok(r.RANGE),
        "/v3beta/cluster/member/list": ok(r.MEMBERS),
    }
    with serving_paths(dict(answers)) as server:
        reading = client.read(server.endpoint)

    assert reading.alarms is None
    assert reading.database_bytes == 20480
