"""What can be done to a deployed lab, and that it is borne: three real members, one local AWS."""

from __future__ import annotations

import base64
import time
from collections.abc import Iterator
from datetime import datetime
from typing import Any

import pytest
import requests

from lab import Lab
from tests.end_to_end.conftest import SETTINGS, SETTLE_S
from tests.real_etcd import eventually

pytestmark = [pytest.mark.real_etcd, pytest.mark.timeout(900)]

UNANSWERED_S = 1.0
COMEBACK_S = 1


class Cluster:
    """The members of a lab, one by one."""

    def __init__(self, lab: Lab) -> None:
        self.lab = lab
        self._keys = 0

    def post(self, instance_id: str, path: str, body: object, timeout_s: float = 5.0) -> dict[str, Any]:
        """An answer of one member's gateway; raises what requests raises."""
        address = next(each["address"] for each in self.lab.hosts() if each["instance_id"] == instance_id)
        with requests.Session() as session:
            session.trust_env = False
            answer = session.post(f"http://{address}:2379/v3/{path}", json=body, timeout=timeout_s)
        answer.raise_for_status()
        found: dict[str, Any] = answer.json()
        return found

    def put(self, instance_id: str, timeout_s: float = 5.0) -> str:
        """Write a new key through a member; returns it once it is acknowledged."""
        self._keys += 1
        key = base64.b64encode(f"mischief/{self._keys}".encode()).decode()
        self.post(instance_id, "kv/put", {"key": key, "value": key}, timeout_s)
        return key

    def has(self, instance_id: str, key: str) -> bool:
        """Whether the member itself has the key, whatever the others say."""
        return bool(self.post(instance_id, "kv/range", {"key": key, "serializable": True}).get("kvs"))

    def leader(self) -> str:
        """The instance that leads."""
        leader = self.lab.etcdctl.leader()
        return str(next(each["name"] for each in self.lab.etcdctl.members() if each["ID"] == leader))

    def leader_by(self, instance_id: str) -> str:
        """The member id of the leader that this member knows of; 0 if it knows of none."""
        return str(self.post(instance_id, "maintenance/status", {}).get("leader", "0"))

    def isolate(self, instance_id: str) -> list[str]:
        """Cut an instance off from all others, and return these."""
        others = [each for each in self.lab.instances() if each != instance_id]
        self.lab.cut_links([pair for each in others for pair in ((instance_id, each), (each, instance_id))])
        return others


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    directory = tmp_path_factory.mktemp("lab")
    with Lab(directory, links=True, small_disks=True, clock_steps=True) as lab:
        # These tests speak to etcd in the clear: what is cut, filled or stepped is not about TLS.
        lab.deploy({**SETTINGS, "etcd:etcd_client_scheme": "http", "etcd:etcd_peer_scheme": "http"})
        lab.wait_in_service(3, SETTLE_S)
        _no_other_ticks(lab)
        yield Cluster(lab)


def _no_other_ticks(lab: Lab) -> None:
    """The controller looks when a test says so, and a message that was lost comes back soon."""
    events = lab.client("events")
    for rule in events.list_rules()["Rules"]:
        if rule.get("ScheduleExpression"):
            events.disable_rule(Name=rule["Name"])
    lab.sqs.set_queue_attributes(QueueUrl=lab.queue_url(), Attributes={"VisibilityTimeout": str(COMEBACK_S)})


def test_a_leader_that_is_cut_off_leads_no_more_and_acknowledges_nothing(cluster: Cluster) -> None:
    lab, old = cluster.lab, cluster.leader()
    known = cluster.leader_by(old)
    others = cluster.isolate(old)
    lab.wait_for(lambda: cluster.leader_by(old) == "0", SETTLE_S, "the old leader to step down")
    lab.wait_for(lambda: cluster.leader_by(others[0]) not in {"0", known}, SETTLE_S, "another leader")
    key = cluster.put(others[0])
    with pytest.raises(requests.RequestException):
        cluster.put(old, UNANSWERED_S)
    lab.cut_links([])
    lab.wait_for(lambda: cluster.has(old, key), SETTLE_S, "the old leader to catch up")


def test_a_follower_that_is_cut_off_catches_up_when_the_network_is_back(cluster: Cluster) -> None:
    lab, leader = cluster.lab, cluster.leader()
    follower = next(each for each in lab.instances() if each != leader)
    cluster.isolate(follower)
    key = cluster.put(leader)
    assert not cluster.has(follower, key)
    lab.cut_links([])
    lab.wait_for(lambda: cluster.has(follower, key), SETTLE_S, "the follower to catch up")


def test_etcd_ends_on_a_full_disk_and_is_back_with_its_data_when_there_is_room(cluster: Cluster) -> None:
    lab = cluster.lab
    if not lab.can_fill_disks:
        pytest.skip("not run: mounting is not allowed here")
    leader = cluster.leader()
    victim = next(each for each in lab.instances() if each != leader)
    before, after = {each["ID"] for each in lab.etcdctl.members()}, lab.newest_transition()

    def ended() -> bool:
        cluster.put(leader)
        moves = [each["to"] for each in lab.transitions(after=after) if each.get("instance") == victim]
        return "etcd-ended" in moves

    lab.fill_disk(victim)
    lab.wait_for(ended, SETTLE_S, "etcd to end on its full disk")
    assert "no space left on device" in (lab.folder(victim) / "etcd.log").read_text(encoding="utf-8")
    lab.free_disk(victim)
    key = cluster.put(leader)

    def is_back() -> bool:
        try:
            return cluster.has(victim, key)
        except requests.RequestException:
            return False

    lab.wait_for(is_back, SETTLE_S, "etcd to be back")
    assert {each["ID"] for each in lab.etcdctl.members()} == before


@pytest.mark.parametrize("offset_s", [200, -200])
def test_the_function_sees_the_clock_that_was_stepped(cluster: Cluster, offset_s: int) -> None:
    lab = cluster.lab
    if not lab.can_step_clock:
        pytest.skip("not run: no libfaketime for this machine")
    lab.run_now(SETTLE_S)  # the process that is to see it runs already
    lab.step_clock(offset_s)

    def is_seen() -> bool:
        began = int(time.time())
        shown = datetime.fromisoformat(lab.run_now(SETTLE_S)["timestamp"]).timestamp()
        return began <= shown - offset_s <= time.time()

    eventually(is_seen)  # within a second
    lab.step_clock(0)


@pytest.mark.parametrize(("after_effect", "read_twice"), [(False, 0), (True, 1)])
def test_a_killed_run_is_begun_again_when_its_message_comes_back(
    cluster: Cluster, *, after_effect: bool, read_twice: int
) -> None:
    lab = cluster.lab
    lab.run_now(SETTLE_S)
    called, after = lab.control.calls(), lab.newest_transition()
    assert lab.kill_function(after_calls=1, after_effect=after_effect) is False
    message_id = lab.tick()
    ended = lab.wait_for(lambda: lab.run_for(message_id), SETTLE_S, "the message to come back")
    (killed,) = [each for each in lab.transitions(after=after) if each["kind"] == "function"]
    assert killed["busy"]
    # A run reads the record once; the killed one read it too, or did not.
    made = lab.control.calls()["ssm:GetParameters"] - called["ssm:GetParameters"]
    assert made == 1 + read_twice
    assert ended["cold_start"]


def test_a_function_that_is_killed_between_two_runs_starts_cold(cluster: Cluster) -> None:
    lab = cluster.lab
    lab.run_now(SETTLE_S)
    assert lab.kill_function() is False
    assert lab.run_now(SETTLE_S)["cold_start"]
