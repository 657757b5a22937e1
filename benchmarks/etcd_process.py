"""etcd as a process with the variables that somebody gave it, and nothing around it."""

from __future__ import annotations

import base64
import http.client
import json
import shutil
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from benchmarks.certificates import Files
from lab import processes

_READ: Final = json.dumps({"key": base64.b64encode(b"any").decode()})
_ANSWER_S: Final = 1.0
_LOOK_S: Final = 0.005


class Etcd:
    """One etcd process on an address of its own, with the ports that everybody uses.

    Args:
        name: its name.
        address: a loopback address.
        folder: for its data and log.
        program: the etcd binary.
        files: for https; without them it is http.
    """

    def __init__(self, name: str, address: str, folder: Path, *, program: Path, files: Files | None = None) -> None:
        self.name = name
        self.address = address
        self._folder = folder
        self._program = program
        self._files = files
        self._scheme = "https" if files else "http"
        self._started: processes.Started | None = None

    @property
    def peer(self) -> str:
        """Its part of an initial cluster."""
        return f"{self.name}={self.peer_url}"

    @property
    def peer_url(self) -> str:
        """Where other members find it."""
        return f"{self._scheme}://{self.address}:2380"

    @property
    def client_url(self) -> str:
        """Where clients find it."""
        return f"{self._scheme}://{self.address}:2379"

    def start(self, variables: Mapping[str, str]) -> None:
        """Start it with these variables besides its own URLs. It ends with the thread that started it."""
        self._folder.mkdir(parents=True, exist_ok=True)
        environment = {
            "ETCD_DATA_DIR": str(self._folder / "data"),
            "ETCD_NAME": self.name,
            "ETCD_LISTEN_PEER_URLS": self.peer_url,
            "ETCD_LISTEN_CLIENT_URLS": self.client_url,
            "ETCD_INITIAL_ADVERTISE_PEER_URLS": self.peer_url,
            "ETCD_ADVERTISE_CLIENT_URLS": self.client_url,
            **(self._files.variables if self._files else {}),
            **variables,
        }
        _, self._started = processes.start(
            [self._program],
            log=self._folder / "etcd.log",
            environment=environment,
            directory=self._folder,
            preexec=processes.dies_with_parent,
        )

    def serves(self) -> bool:
        """Whether it answers a linearizable read."""
        if self._files:
            connection: http.client.HTTPConnection = http.client.HTTPSConnection(
                self.address, 2379, timeout=_ANSWER_S, context=self._files.context()
            )
        else:
            connection = http.client.HTTPConnection(self.address, 2379, timeout=_ANSWER_S)
        try:
            connection.request("POST", "/v3/kv/range", _READ)
            return connection.getresponse().status == http.HTTPStatus.OK
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()

    def is_leader(self) -> bool:
        """Whether it says that it leads; http only."""
        connection = http.client.HTTPConnection(self.address, 2379, timeout=_ANSWER_S)
        try:
            connection.request("POST", "/v3/maintenance/status", "{}")
            status = json.load(connection.getresponse())
        finally:
            connection.close()
        return bool(status.get("leader") == status["header"]["member_id"])

    def shut_down(self) -> None:
        """End it as a host that shuts down does; its data stays."""
        if self._started:
            processes.stop(self._started)

    def kill(self) -> None:
        """End it as a host that dies does."""
        if self._started:
            processes.kill(self._started)

    def stop(self) -> None:
        """End it and forget its data."""
        self.shut_down()
        shutil.rmtree(self._folder, ignore_errors=True)


def start_together(etcds: Iterable[Etcd], **more: str) -> None:
    """Start the members of a new cluster."""
    members = list(etcds)
    peers = ",".join(each.peer for each in members)
    for each in members:
        each.start({"ETCD_INITIAL_CLUSTER": peers, "ETCD_INITIAL_CLUSTER_STATE": "new", **more})


@contextmanager
def stopped_at_the_end(etcds: Iterable[Etcd]) -> Iterator[None]:
    """Stop all that there are at the end, whatever happens."""
    try:
        yield
    finally:
        for each in etcds:
            each.stop()


def wait_until_served(etcds: Iterable[Etcd], *, deadline: float) -> None:
    """Wait until each of them has answered a linearizable read.

    Args:
        etcds: the members.
        deadline: by this machine's monotonic seconds.

    Raises:
        TimeoutError: one had not by then.
    """
    for each in etcds:
        while not each.serves():
            if time.monotonic() >= deadline:
                raise TimeoutError(f"{each.client_url} does not serve")
            time.sleep(_LOOK_S)
