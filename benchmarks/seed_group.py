"""An Auto Scaling group without hooks beside ours in the lab, whose hosts do as the seed does."""

from __future__ import annotations

import base64
import itertools
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from benchmarks.etcd_process import Etcd, start_together, stopped_at_the_end, wait_until_served
from benchmarks.ours import ETCD_SETTLES_S, SIZE
from benchmarks.seed_way import Host, aws_program
from benchmarks.writes import Mark, Window, expect_kept, watched
from lab import Lab
from lab.paths import LabError
from lab.site import METADATA_PORT
from lab.writer import Writer

_NAME: Final = "seed"
_GROUP_S: Final = 60.0
_LOOK_S: Final = 0.02


class SeedGroup:
    """The seed's way.

    Args:
        lab: a lab with the deployed stack.
        folder: for data and logs.
        program: an etcd binary that has the v2 API.
    """

    def __init__(self, lab: Lab, folder: Path, *, program: Path) -> None:
        self._lab = lab
        self._folder = folder
        self._program = program
        self._runs = itertools.count(1)
        self._run = folder
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
            return self._seconds_until_all_serve(self._hosts, since=record["at"], bound_s=bound_s)

    def replace(self, *, leader: bool, bound_s: float) -> float | None:
        """Kill a host of a running cluster; returns the seconds from the replacement's boot until it serves, if so.

        Args:
            leader: the leader's, or a follower's.
            bound_s: how long to wait after the boot.
        """
        with self._running() as members:
            victim = next(each for each in members if (each.is_leader() is leader))
            victim.kill()
            host, at = self._replacement(victim, bound_s)
            return self._seconds_until_served(host, since=at, bound_s=bound_s)

    def roll(self, *, bound_s: float) -> tuple[Window, float | None]:
        """Have a client write while each host is replaced in turn, the next once its predecessor's replacement serves.

        Args:
            bound_s: how long to wait for each.

        Returns:
            What the client saw, and the seconds that it took; None if a replacement never served.
        """
        took: list[float | None] = []
        told: list[tuple[float, str]] = []
        with self._running() as members:
            serving = list(members)

            def all_in_turn() -> None:
                began = time.monotonic()
                for old in members:
                    told.append((time.monotonic(), "terminate"))
                    old.shut_down()
                    serving.remove(old)
                    host, at = self._replacement(old, bound_s)
                    told.append((at, "boot"))
                    served = self._seconds_until_served(host, since=at, bound_s=bound_s)
                    told.extend(host.told)
                    if served is None:
                        took.append(None)
                        return
                    told.append((at + served, "serves"))
                    serving.append(host.etcd)
                took.append(time.monotonic() - began)

            with Writer(lambda: [each.client_url for each in serving], pause_s=0.0) as writer:
                time.sleep(1.0)
                seen = watched(writer, all_in_turn, lambda began: [Mark(at - began, what) for at, what in told])
            if took[0] is not None:
                expect_kept(writer)
            return seen, took[0]

    # -- inside ---------------------------------------------------------------------------------------------------

    @contextmanager
    def _three(self, apart_s: Sequence[float] = ()) -> Iterator[Iterator[dict[str, Any]]]:
        """Give the boots of three instances as they happen; at the end all are gone again."""
        self._lab.control.tell("/boot", next_s=list(apart_s))
        after = self._lab.newest_transition()
        self._set_desired(SIZE)
        try:
            yield self._booted(after, SIZE)
        finally:
            for host in self._hosts:
                host.switch_off()
            self._hosts.clear()
            self._set_desired(0)
            self._lab.wait_in_service(0, _GROUP_S, _NAME)

    @contextmanager
    def _running(self) -> Iterator[list[Etcd]]:
        """Give the members of a cluster that somebody formed for it, long enough ago for etcd to take another."""
        self._run = self._folder / f"seed-{next(self._runs)}"
        with self._three() as booted:
            members = [self._etcd(each["instance"], self._run) for each in booted]
            with stopped_at_the_end(members):
                start_together(members, ETCD_ENABLE_V2="true")
                wait_until_served(members, deadline=time.monotonic() + _GROUP_S)
                time.sleep(ETCD_SETTLES_S)
                yield members

    def _replacement(self, victim: Etcd, bound_s: float) -> tuple[Host, float]:
        """Return the host that the group launches in another's place, and when it booted."""
        after = self._lab.newest_transition()
        # Not "terminated" at once: the lab would give its address to the replacement, and the seed would then
        # take the dead member for its own (it never gets healthy).
        self._lab.kill(victim.name, ec2="impaired")
        (record,) = self._booted(after, 1)
        return self._boot(record, self._run, bound_s), record["at"]

    def _seconds_until_served(self, host: Host, *, since: float, bound_s: float) -> float | None:
        return self._seconds_until_all_serve([host], since=since, bound_s=bound_s)

    def _boot(self, record: dict[str, Any], run: Path, bound_s: float) -> Host:
        etcd = self._etcd(record["instance"], run)
        host = Host(
            etcd,
            aws_endpoint=self._lab.state.aws_endpoint,
            metadata_url=f"http://{etcd.address}:{METADATA_PORT}",
            bound_s=bound_s,
        )
        self._hosts.append(host)
        host.start()
        return host

    def _seconds_until_all_serve(self, hosts: Sequence[Host], *, since: float, bound_s: float) -> float | None:
        deadline = since + bound_s
        for host in hosts:
            while not host.is_started.wait(_LOOK_S):
                if host.problem or time.monotonic() >= deadline:
                    return None
        try:
            wait_until_served([host.etcd for host in hosts], deadline=deadline)
        except TimeoutError:
            return None
        return time.monotonic() - since

    def _etcd(self, instance_id: str, run: Path) -> Etcd:
        address = next(each["address"] for each in self._lab.hosts() if each["instance_id"] == instance_id)
        return Etcd(instance_id, address, run / instance_id, program=self._program)

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
