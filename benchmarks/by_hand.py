"""etcd started by hand: processes with a list that somebody knew beforehand, and nothing around them."""

from __future__ import annotations

import base64
import http.client
import itertools
import json
import shutil
import socket
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from lab import processes
from lab.paths import default_etcd
from lab.site import METADATA_PORT, free_cidr, guard_address

_READ: Final = json.dumps({"key": base64.b64encode(b"any").decode()})
_ANSWER_S: Final = 1.0
_LOOK_S: Final = 0.005


class Etcd:
    """One etcd process on an address of its own, with the ports that everybody uses.

    Args:
        name: its name.
        address: a loopback address.
        folder: for its data and log.
    """

    def __init__(self, name: str, address: str, folder: Path) -> None:
        self.name = name
        self.address = address
        self._folder = folder
        self._started: processes.Started | None = None

    @property
    def peer(self) -> str:
        """Its part of an initial cluster."""
        return f"{self.name}=http://{self.address}:2380"

    def start(self, variables: Mapping[str, str]) -> None:
        """Start it with these variables besides its own URLs. It ends with the thread that started it."""
        self._folder.mkdir(parents=True, exist_ok=True)
        client, peer = f"http://{self.address}:2379", f"http://{self.address}:2380"
        environment = {
            "ETCD_DATA_DIR": str(self._folder / "data"),
            "ETCD_NAME": self.name,
            "ETCD_LISTEN_PEER_URLS": peer,
            "ETCD_LISTEN_CLIENT_URLS": client,
            "ETCD_INITIAL_ADVERTISE_PEER_URLS": peer,
            "ETCD_ADVERTISE_CLIENT_URLS": client,
            **variables,
        }
        _, self._started = processes.start(
            [default_etcd()],
            log=self._folder / "etcd.log",
            environment=environment,
            directory=self._folder,
            preexec=processes.dies_with_parent,
        )

    def stop(self) -> None:
        """Stop it and forget its data."""
        if self._started:
            processes.stop(self._started)
        shutil.rmtree(self._folder, ignore_errors=True)


class Network:
    """Three loopback addresses of a network that no lab takes meanwhile.

    Args:
        folder: for data and logs.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._runs = itertools.count(1)
        cidr = free_cidr()
        self._held = socket.create_server((guard_address(cidr), METADATA_PORT))
        self._addresses = [f"{cidr.removesuffix('.0.0/16')}.0.{last}" for last in (4, 5, 6)]

    def close(self) -> None:
        """Give the network back."""
        self._held.close()

    def form(self) -> float:
        """Start three at once; returns the seconds until every one answered a linearizable read."""
        run = self._folder / f"by-hand-{next(self._runs)}"
        etcds = [Etcd(f"hand-{each[-1]}", each, run / each) for each in self._addresses]
        with stopped_at_the_end(etcds):
            began = time.monotonic()
            start_together(etcds)
            wait_until_served(self._addresses, deadline=began + 60)
            return time.monotonic() - began


def start_together(etcds: Iterable[Etcd], **more: str) -> None:
    """Start the members of a new cluster."""
    members = list(etcds)
    peers = ",".join(each.peer for each in members)
    for each in members:
        each.start({"ETCD_INITIAL_CLUSTER": peers, "ETCD_INITIAL_CLUSTER_STATE": "new", **more})


@contextmanager
def stopped_at_the_end(etcds: Iterable[Etcd]) -> Iterator[None]:
    """Stop them, whatever happens."""
    try:
        yield
    finally:
        for each in etcds:
            each.stop()


def wait_until_served(addresses: Iterable[str], *, deadline: float) -> None:
    """Wait until each of them has answered a linearizable read.

    Args:
        addresses: the members'.
        deadline: by this machine's monotonic seconds.

    Raises:
        TimeoutError: one had not by then.
    """
    for address in addresses:
        while not serves(address):
            if time.monotonic() >= deadline:
                raise TimeoutError(f"{address} does not serve")
            time.sleep(_LOOK_S)


def serves(address: str) -> bool:
    """Whether a member answers a linearizable read."""
    connection = http.client.HTTPConnection(address, 2379, timeout=_ANSWER_S)
    try:
        connection.request("POST", "/v3/kv/range", _READ)
        return connection.getresponse().status == http.HTTPStatus.OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()
