"""An Auto Scaling group without hooks beside ours in the lab, whose hosts do as the seed does."""

from __future__ import annotations

import base64
import itertools
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from benchmarks import by_hand
from benchmarks.ours import ETCD_SETTLES_S, SIZE
from benchmarks.seed_way import Host, aws_program
from lab import Lab
from lab.paths import LabError
from lab.site import METADATA_PORT

_NAME: Final = "seed"
_GROUP_S: Final = 60.0
_LOOK_S: Final = 0.02


class SeedGroup:
    """The seed's way.

    Args:
        lab: a lab with the deployed stack.
        folder: for data and logs.
    """

    def __init__(self, lab: Lab, folder: Path) -> None:
        self._lab = lab
        self._folder = folder
        self._runs = itertools.count(1)
        self._hosts: list[Host] = []
        aws_program()
        self._make()

    def form(self, *, apart_s: Sequence[float], bound_s: float) -> float | None:
        """Have three hosts boot so far apart; returns the seconds from the last boot until all serve, if they do.

        Args:
            apart_s: when each host boots, in seconds after the instances run.
            bound_s: how long to wait after the last boot.
        """
        run = self._folder / f"seed-{next(self._runs)}"
        with self._three(apart_s) as booted:
            for record in booted:
                self._boot(record, run, bound_s + max(apart_s))
            return self._seconds_until_all_serve(since=record["at"], bound_s=bound_s)

    def replace(self, *, bound_s: float) -> float | None:
        """Kill a host of a running cluster; returns the seconds from the replacement's boot until it serves, if so."""
        run = self._folder / f"seed-{next(self._runs)}"
        with self._three() as booted:
            members = {each["instance"]: self._etcd(each["instance"], run) for each in booted}
            with by_hand.stopped_at_the_end(members.values()):
                by_hand.start_together(members.values(), ETCD_ENABLE_V2="true")
                addresses = [each.address for each in members.values()]
                by_hand.wait_until_served(addresses, deadline=time.monotonic() + _GROUP_S)
                time.sleep(ETCD_SETTLES_S)
                after = self._newest()
                victim = min(members)
                members[victim].stop()
                # Not "terminated" at once: the lab would give its address to the replacement, and the seed would then
                # take the dead member for its own (it never gets healthy).
                self._lab.kill(victim, ec2="impaired")
                (record,) = self._booted(after, 1)
                self._boot(record, run, bound_s)
                return self._seconds_until_all_serve(since=record["at"], bound_s=bound_s)

    # -- inside ---------------------------------------------------------------------------------------------------

    @contextmanager
    def _three(self, apart_s: Sequence[float] = ()) -> Iterator[Iterator[dict[str, Any]]]:
        """Give the boots of three instances as they happen; at the end all are gone again."""
        self._lab.control.tell("/boot", next_s=list(apart_s))
        after = self._newest()
        self._set_desired(SIZE)
        try:
            yield self._booted(after, SIZE)
        finally:
            for host in self._hosts:
                host.switch_off()
            self._hosts.clear()
            self._set_desired(0)
            self._lab.wait_in_service(0, _GROUP_S, _NAME)

    def _boot(self, record: dict[str, Any], run: Path, bound_s: float) -> None:
        etcd = self._etcd(record["instance"], run)
        host = Host(
            etcd,
            aws_endpoint=self._lab.state.aws_endpoint,
            metadata_url=f"http://{etcd.address}:{METADATA_PORT}",
            bound_s=bound_s,
        )
        self._hosts.append(host)
        host.start()

    def _seconds_until_all_serve(self, *, since: float, bound_s: float) -> float | None:
        deadline = since + bound_s
        for host in self._hosts:
            while not host.is_started.wait(_LOOK_S):
                if host.problem or time.monotonic() >= deadline:
                    return None
        try:
            by_hand.wait_until_served([host.etcd.address for host in self._hosts], deadline=deadline)
        except TimeoutError:
            return None
        return time.monotonic() - since

    def _etcd(self, instance_id: str, run: Path) -> by_hand.Etcd:
        address = next(each["address"] for each in self._lab.hosts() if each["instance_id"] == instance_id)
        return by_hand.Etcd(instance_id, address, run / instance_id)

    def _booted(self, after: int, count: int) -> Iterator[dict[str, Any]]:
        """Yield the journal's records of so many boots as they happen."""
        deadline = time.monotonic() + _GROUP_S
        while count:
            if time.monotonic() >= deadline:
                raise LabError(f"{count} hosts of the group {_NAME} did not boot")
            for record in self._lab.transitions(after=after, wait_s=1.0):
                after = record["seq"]
                if record["to"] == "booted" and record["group"] == _NAME:
                    count -= 1
                    yield record

    def _newest(self) -> int:
        return max((int(each["seq"]) for each in self._lab.transitions()), default=0)

    def _set_desired(self, count: int) -> None:
        self._lab.autoscaling.set_desired_capacity(AutoScalingGroupName=_NAME, DesiredCapacity=count)

    def _make(self) -> None:
        """Make the group, empty; the lab's hosts do nothing by themselves where user data names no agent."""
        template = self._lab.client("ec2").create_launch_template(
            LaunchTemplateName=_NAME,
            LaunchTemplateData={
                "ImageId": "ami-0c2023a1b2c3d4e5f",
                "InstanceType": "t4g.micro",
                "UserData": base64.b64encode(b"#!/bin/bash\n").decode(),
            },
        )["LaunchTemplate"]["LaunchTemplateId"]
        self._lab.autoscaling.create_auto_scaling_group(
            AutoScalingGroupName=_NAME,
            LaunchTemplate={"LaunchTemplateId": template, "Version": "$Latest"},
            MinSize=0,
            MaxSize=SIZE,
            DesiredCapacity=0,
            VPCZoneIdentifier=self._lab.group()["VPCZoneIdentifier"],
        )
