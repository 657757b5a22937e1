"""What a running lab is made of, written down so that another process finds it: ``state.json``."""

from __future__ import annotations

import dataclasses
import ipaddress
import json
import os
import socket
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from lab.paths import LabError
from lab.processes import Started

if TYPE_CHECKING:
    from pathlib import Path

METADATA_PORT: Final = 1338
_NETWORKS: Final = range(64, 127)


@dataclass
class LabState:
    """A lab as it was started.

    Attributes:
        aws_port: port of the local AWS on 127.0.0.1.
        control_port: port of its control.
        cidr: addresses of the lab's VPC; no two labs share one.
        etcd: the etcd binary.
        etcds: other etcd binaries, by release.
        cluster: name of the cluster, once deployed.
        app: the synthesized app, once deployed.
        enforce_iam: whether the local AWS checks signatures and policies.
        links: whether peers reach each other through links that can be cut.
        small_disks: whether each host has a disk of its own that can be full.
        clock_steps: whether the clock of function and agents can be put forward and back.
        processes: what was started, by name.
    """

    aws_port: int
    control_port: int
    cidr: str
    etcd: str
    cluster: str = "etcd"
    app: str = ""
    enforce_iam: bool = False
    links: bool = False
    small_disks: bool = False
    clock_steps: bool = False
    etcds: dict[str, str] = field(default_factory=dict)
    processes: dict[str, Started] = field(default_factory=dict)

    @property
    def aws_endpoint(self) -> str:
        """URL of the local AWS."""
        return f"http://127.0.0.1:{self.aws_port}"

    @property
    def control_url(self) -> str:
        """URL of its control."""
        return f"http://127.0.0.1:{self.control_port}"

    def save(self, directory: Path) -> None:
        """Write it down."""
        directory.mkdir(parents=True, exist_ok=True)
        fresh = directory / f".state.{os.getpid()}"
        fresh.write_text(json.dumps(dataclasses.asdict(self), indent=2), encoding="utf-8")
        fresh.replace(directory / "state.json")

    @classmethod
    def load(cls, directory: Path) -> LabState:
        """Read it.

        Raises:
            LabError: there is no lab.
        """
        path = directory / "state.json"
        try:
            told: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        except FileNotFoundError as error:
            raise LabError(f"no lab in {directory}: start one with python -m lab up (or make lab-up)") from error
        processes = {name: Started(*each) for name, each in told.pop("processes").items()}
        return cls(**told, processes=processes)


def guard_address(cidr: str) -> str:
    """The last address of a lab's network: its local AWS listens there, so that no other lab takes the network."""
    return str(ipaddress.ip_network(cidr)[-2])


def free_cidr() -> str:
    """A loopback network that no other lab uses.

    Raises:
        LabError: all are taken, or this system binds no loopback addresses but 127.0.0.1.
    """
    for second in _NETWORKS:
        cidr = f"127.{second}.0.0/16"
        try:
            with socket.create_server((guard_address(cidr), METADATA_PORT)):
                return cidr
        except OSError as error:
            last = error
    raise LabError(f"no loopback network is free ({last}); the lab needs Linux, where all of 127.0.0.0/8 can be bound")
