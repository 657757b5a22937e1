"""One lab for the whole folder: the real stack, deployed once by the real CLI; its tests run in the order written."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import pytest

from lab import Lab
from lab.paths import LabError

SETTLE_S = 240.0
# Where all is well none of these times passes, however busy the machine is.
SETTINGS = {
    "etcd:gather_window_s": "30",
    "etcd:formation_timeout_s": "120",
    "etcd:join_timeout_s": "120",
    "etcd:launch_hook_timeout_s": "240",
    "etcd:replacement_wait_s": "120",
    "etcd:unresponsive_grace_s": "5",
    "etcd:aws_poll_interval_s": "1",
    "etcd:dns_zone_name": "example.internal",
}


class Deployed:
    """A lab with its stack, and what the tests do with it."""

    def __init__(self, lab: Lab) -> None:
        self.lab = lab

    def tick(self) -> dict[str, Any]:
        """Have the controller look now; returns how its run ended."""
        return self.lab.run_now(SETTLE_S)

    def logged(self, message: str) -> list[dict[str, Any]]:
        """Return the controller's log lines with that message, oldest first."""
        lines = (line for line in self.lab.function_log() if line.startswith("{"))
        return [entry for entry in map(json.loads, lines) if entry.get("message") == message]

    def calls(self) -> Counter[str]:
        """Return how often each AWS action has been called."""
        return Counter(self.lab.control.calls())

    def voters(self) -> set[str]:
        """Return the names of etcd's voters, by etcdctl."""
        return self.lab.etcdctl.voters()

    def names(self) -> dict[tuple[str, str], set[str]]:
        """Return the values of all records that the zone holds beside its own, by name and type."""
        route53 = self.lab.client("route53")
        (zone,) = route53.list_hosted_zones_by_name(DNSName="example.internal")["HostedZones"]
        found = route53.list_resource_record_sets(HostedZoneId=zone["Id"])["ResourceRecordSets"]
        return {
            (r["Name"], r["Type"]): {each["Value"] for each in r["ResourceRecords"]}
            for r in found
            if r["Type"] not in {"SOA", "NS"}
        }

    def is_settled(self, count: int) -> bool:
        """Whether the group has that many instances, all in service, and exactly those vote."""
        states = self.lab.instances()
        if list(states.values()) != ["InService"] * count:
            return False
        with suppress(LabError):  # an election may take longer than etcdctl waits
            return self.voters() == set(states)
        return False

    def settle(self, count: int) -> None:
        """Wait for that."""
        self.lab.wait_in_service(count, SETTLE_S)
        assert self.voters() == set(self.lab.instances())


@pytest.fixture(scope="session")
def deployed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployed]:
    """Three instances in service."""
    with Lab(tmp_path_factory.mktemp("lab")) as lab:
        lab.deploy(SETTINGS)
        world = Deployed(lab)
        lab.wait_in_service(3, SETTLE_S)
        yield world
