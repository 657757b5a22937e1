"""Database size, quota and alarms, as real etcd tells them; one member each, whose quota is used up."""

from __future__ import annotations

import base64
import ssl
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta

import pytest

from etcd_aws_cluster.core.model import EtcdAlarm, Reading
from etcd_aws_cluster.etcd.client import EtcdClient
from etcd_aws_cluster.etcd.transport import Answer, Transport
from tests.real_etcd import NotAtHandError, RealEtcd, eventually, find_binary

QUOTA = 2 * 1024**2
VALUE = base64.b64encode(bytes(256 * 1024)).decode()
SECOND = timedelta(seconds=1)

pytestmark = pytest.mark.real_etcd


@dataclass
class Member:
    """A cluster of one."""

    version: str
    endpoint: str
    client: EtcdClient
    transport: Transport

    def read(self) -> Reading:
        return self.client.read(self.endpoint)

    def ask(self, path: str, body: dict[str, object]) -> Answer:
        return self.transport.send("POST", self.endpoint, path, body)

    def alarms(self) -> set[tuple[str, str]]:
        """What etcd's own alarm API says."""
        answer = self.ask("/v3/maintenance/alarm", {"action": "GET"}).json()
        assert isinstance(answer, dict)
        return {(alarm["memberID"], alarm["alarm"]) for alarm in answer.get("alarms", [])}

    def fill(self) -> None:
        """Write until etcd takes no more."""
        for number in range(100):
            key = base64.b64encode(str(number).encode()).decode()
            if "database space exceeded" in self.ask("/v3/kv/put", {"key": key, "value": VALUE}).excerpt:
                return
        raise AssertionError("etcd has taken more than its quota many times over")


@pytest.fixture(params=["3.4", "3.5", "3.6"])
def member(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Member]:
    try:
        binary = find_binary(request.param)
    except NotAtHandError as error:
        pytest.skip(str(error))
    etcd = RealEtcd(binary, tmp_path_factory.mktemp("etcd"), [f"--quota-backend-bytes={QUOTA}"])
    transport = Transport(connect_timeout=SECOND, read_timeout=5 * SECOND, tls=ssl.create_default_context)
    try:
        etcd.form(["lone"])
        with EtcdClient(connect_timeout=SECOND, read_timeout=5 * SECOND) as client:
            member = Member(request.param, etcd.endpoint("lone"), client, transport)
            eventually(lambda: member.read().is_linearizable)
            yield member
    finally:
        transport.close()
        etcd.close()


def test_a_database_that_fills_up_is_told_and_the_alarm_with_it(member: Member) -> None:
    before = member.read()
    assert before.alarms == frozenset()
    assert before.database_bytes is not None
    assert 0 < before.database_bytes < QUOTA
    assert before.quota_bytes == (QUOTA if member.version >= "3.6" else None)

    member.fill()

    full = eventually(lambda: r if (r := member.read()).alarms else None)
    assert full is not None
    assert full.member_id is not None
    assert full.database_bytes is not None
    assert full.alarms == frozenset({EtcdAlarm(full.member_id, "NOSPACE")})
    assert full.database_bytes > before.database_bytes
    assert full.is_linearizable  # membership goes on
    assert member.alarms() == {(str(full.member_id), "NOSPACE")}


def test_a_corruption_alarm_is_told(member: Member) -> None:
    member_id = member.read().member_id
    assert member_id is not None
    member.ask("/v3/maintenance/alarm", {"action": "ACTIVATE", "alarm": "CORRUPT", "memberID": str(member_id)})

    assert eventually(lambda: member.read().alarms) == frozenset({EtcdAlarm(member_id, "CORRUPT")})
    assert member.alarms() == {(str(member_id), "CORRUPT")}
