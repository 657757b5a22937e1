"""Runs the hosts: ``python -m lab.hosts``. Ends, and everything with it, when the local AWS is gone."""

from __future__ import annotations

import argparse
import json
import signal
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from lab.control import Control, ControlError
from lab.hosts.disks import Disks
from lab.hosts.host import Host, Site
from lab.hosts.links import Links
from lab.paths import LabError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from types import FrameType

_POLL_S: Final = 20.0
_AWAY_S: Final = 5.0


def main() -> None:
    """Boot and stop hosts as the local AWS tells, until SIGTERM."""
    options = _arguments()
    control = Control(options.control)
    site = Site(
        folder=options.folder,
        agent=options.agent,
        etcd=options.etcd,
        aws_endpoint=options.aws,
        metadata_port=options.metadata_port,
        restart_s=options.restart_s,
        watch_s=options.watch_s,
        renew_s=options.renew_s,
        note=control.note,
        links=Links() if options.links else None,
        disks=Disks() if options.small_disks else None,
        clock=json.loads(options.clock),
        etcds={version: Path(path) for version, path in json.loads(options.etcds).items()},
    )
    hosts: dict[str, Host] = {}

    def stop(_number: int, _frame: FrameType | None) -> None:
        for host in hosts.values():
            host.cut_power()
        for host in hosts.values():
            host.join(_AWAY_S)
        sys.exit(0)

    signal.signal(signal.SIGTERM, stop)
    threading.Thread(target=obey, args=(control, site, hosts), name="orders", daemon=True).start()
    follow(control, site, hosts)


def follow(control: Control, site: Site, hosts: dict[str, Host]) -> None:
    """Keep the hosts as the listing says, until the local AWS does not answer any more."""
    version = 0
    while True:
        try:
            listing = control.instances(after=version, wait_s=_POLL_S)
        except ControlError:
            return
        version = listing["version"]
        for facts in listing["instances"]:
            adjust(hosts, site, facts)


def obey(control: Control, site: Site, hosts: Mapping[str, Host]) -> None:
    """Do what the local AWS was told that the hosts should do, and say whether it was done."""
    seq = 0
    while True:
        try:
            orders = control.orders(after=seq, wait_s=_POLL_S)
        except ControlError:
            return
        for order in orders:
            seq, error = order["seq"], ""
            try:
                carry_out(site, hosts, order)
            except Exception as problem:  # noqa: BLE001  # who gave the order gets it
                error = f"{type(problem).__name__}: {problem}"
            control.tell(f"/orders/{seq}/done", error=error)


def carry_out(site: Site, hosts: Mapping[str, Host], order: dict[str, Any]) -> None:
    """Do one order.

    Raises:
        LabError: the lab was started without what it needs.
    """
    match order["what"]:
        case "cut-links":
            if site.links is None:
                raise LabError("the lab was not started with links=True")
            site.links.cut((source, target) for source, target in order["links"])
        case "fill-disk" | "free-disk":
            if site.disks is None:
                raise LabError("the hosts have no disks of their own")
            change = site.disks.fill if order["what"] == "fill-disk" else site.disks.free
            change(order["instance_id"])
        case "renew":
            for host in list(hosts.values()):
                host.renew(order["renew_at"])


def adjust(hosts: dict[str, Host], site: Site, facts: dict[str, Any]) -> None:
    """Boot or stop the host of one instance."""
    instance_id = facts["instance_id"]
    host = hosts.get(instance_id)
    if facts["powered"] and facts["state"] == "running" and host is None:
        hosts[instance_id] = Host(site, facts)
        hosts[instance_id].start()
    elif host is not None and not facts["powered"]:
        if facts["cut"]:
            host.cut_power()
        else:
            host.shut_down()
        threading.Thread(target=host.join, daemon=True).start()
        del hosts[instance_id]


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="lab.hosts", description="Runs an agent and an etcd for each instance.")
    parser.add_argument("--control", required=True, help="URL of the lab's control")
    parser.add_argument("--aws", required=True, help="URL of the local AWS")
    parser.add_argument("--metadata-port", type=int, required=True)
    parser.add_argument("--folder", type=Path, required=True, help="has one folder for each instance")
    parser.add_argument("--agent", type=Path, required=True, help="the agent's bundle")
    parser.add_argument("--etcd", type=Path, required=True, help="the etcd binary")
    parser.add_argument("--etcds", default="{}", help="JSON object: other etcd binaries by deployed release")
    parser.add_argument("--restart-s", type=float, default=0.2)
    parser.add_argument("--watch-s", type=float, default=1.0)
    parser.add_argument("--renew-s", type=float, default=60.0)
    parser.add_argument("--links", action="store_true", help="let peers reach each other through links")
    parser.add_argument("--small-disks", action="store_true", help="mount a disk for each host")
    parser.add_argument("--clock", default="{}", help="JSON object: variables that let an agent see the lab's clock")
    return parser.parse_args()


main()
