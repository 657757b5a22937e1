"""Runs the hosts: ``python -m lab.hosts``. Ends, and everything with it, when the local AWS is gone."""

from __future__ import annotations

import argparse
import signal
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from lab.control import Control, ControlError
from lab.hosts.host import Host, Site

if TYPE_CHECKING:
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
        note=control.note,
    )
    hosts: dict[str, Host] = {}

    def stop(_number: int, _frame: FrameType | None) -> None:
        for host in hosts.values():
            host.cut_power()
        for host in hosts.values():
            host.join(_AWAY_S)
        sys.exit(0)

    signal.signal(signal.SIGTERM, stop)
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
    parser.add_argument("--restart-s", type=float, default=0.2)
    parser.add_argument("--watch-s", type=float, default=1.0)
    return parser.parse_args()


main()
