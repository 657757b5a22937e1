"""One host: a folder as its root, and what its systemd unit runs."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from lab import processes
from lab.hosts.user_data import agent_environment, environment_file, old_unit_environment

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from lab.hosts.disks import Disks
    from lab.hosts.links import Links

_PEERS_FILE: Final = "/etc/sysconfig/etcd-peers"
_DATA_DIR: Final = "/var/lib/etcd"
_PKI_DIR: Final = "/etc/etcd/pki"
_LISTEN_PEERS: Final = "ETCD_LISTEN_PEER_URLS"
_LOOK_S: Final = 0.05
_OLD_WAY: Final = Path(__file__).with_name("old_way.py")
_DEPLOYED: Final = "etcd-aws-cluster:deployed"
_VERSION: Final = re.compile(r"\bversion=(\S+)")


@dataclass(frozen=True)
class Site:
    """What all hosts of a lab share.

    Attributes:
        folder: has one folder for each instance.
        agent: the agent's bundle.
        etcd: the etcd binary.
        etcds: other etcd binaries, by the release that an instance's tag says it was deployed with.
        aws_endpoint: URL of the local AWS.
        metadata_port: port of IMDS on an instance's address.
        restart_s: seconds between the end of etcd or agent and its next start.
        watch_s: seconds between a proxy's looks at the record.
        renew_s: seconds between looks whether a certificate is due to be renewed, an hour on a real host.
        note: tells the lab's journal what a host does.
        links: through which peers reach each other; None: directly.
        disks: gives each host a disk of its own; None: they share the machine's.
        clock: variables that let the agent see the lab's clock.
    """

    folder: Path
    agent: Path
    etcd: Path
    aws_endpoint: str
    metadata_port: int
    restart_s: float
    watch_s: float
    renew_s: float
    note: Callable[[dict[str, Any]], None]
    links: Links | None = None
    disks: Disks | None = None
    clock: Mapping[str, str] = field(default_factory=dict)
    etcds: Mapping[str, Path] = field(default_factory=dict)

    def etcd_of(self, tags: Mapping[str, str]) -> Path:
        """The binary that an instance's user data would install."""
        found = _VERSION.search(tags.get(_DEPLOYED, ""))
        return self.etcds.get(found[1] if found else "", self.etcd)


class Host(threading.Thread):
    """Boots when started; off after :meth:`shut_down` or :meth:`cut_power`.

    Processes die with this thread, so that none outlives the lab.

    Args:
        site: what it shares with the other hosts.
        facts: the instance, as the control's listing tells it.
    """

    def __init__(self, site: Site, facts: Mapping[str, Any]) -> None:
        super().__init__(name=f"host-{facts['instance_id']}", daemon=True)
        self._site = site
        self._facts = facts
        self._id = str(facts["instance_id"])
        self.folder = site.folder / self._id
        self._off = threading.Event()
        self._grace_s = 0.0
        self._look_now = threading.Event()
        self._renew_at: dict[str, str] = {}

    def shut_down(self, *, grace_s: float = 2.0) -> None:
        """Shut down in order: SIGTERM, and SIGKILL after the grace time."""
        self._grace_s = grace_s
        self._off.set()

    def cut_power(self) -> None:
        """Everything ends at once."""
        self._off.set()

    def renew(self, renew_at: str) -> None:
        """Look now whether the certificate is due, after which part of its life it may be; empty: as it is set."""
        self._renew_at = {"CERTIFICATE_RENEW_AT": renew_at} if renew_at else {}
        self._look_now.set()

    def run(self) -> None:
        """Boot, then do as the unit does: the agent, etcd, and again if one of them failed."""
        if self._off.wait(float(self._facts.get("boot_delay_s", 0.0))):
            return
        self._note("booted")
        try:
            self._serve()
        finally:
            if self._site.links:
                self._site.links.close(self._id)
            if self._site.disks:
                self._site.disks.unmount(self._id)

    def _serve(self) -> None:
        old = old_unit_environment(str(self._facts["user_data"]), private_ipv4=str(self._facts["address"]))
        if old is not None:
            self._serve_the_old_way(old)
            return
        try:
            given = agent_environment(str(self._facts["user_data"]))
        except ValueError as error:
            self._log("agent").write_text(f"{error}\n", encoding="utf-8")
            self._note("no-agent-environment")
            return
        environment = self._agent_environment(given)
        while not self._off.is_set():
            if self._agent(environment) == 0 and self._etcd(environment) == 0:
                self._note("etcd-stays-down")
                return
            self._off.wait(self._site.restart_s)

    def _serve_the_old_way(self, unit: dict[str, str]) -> None:
        """Do as the unit of a host without the agent does: the old container, once, then etcd with what it wrote."""
        environment = self._agent_environment({"ETCD_DATA_DIR": unit["ETCD_DATA_DIR"]})
        while not self._off.is_set():
            process, _ = self._start("agent", [sys.executable, _OLD_WAY], environment)
            if self._wait(process) == 0 and self._etcd(environment, unit) == 0:
                self._note("etcd-stays-down")
                return
            self._off.wait(self._site.restart_s)

    def _agent_environment(self, given: dict[str, str]) -> dict[str, str]:
        """The unit's environment, with paths below this host's root and endpoints of the lab."""
        paths = {"ETCD_PEERS_FILE": _PEERS_FILE, "ETCD_DATA_DIR": _DATA_DIR, "ETCD_PKI_DIR": _PKI_DIR}
        rooted = {name: str(self._rooted(given.get(name, default))) for name, default in paths.items()}
        for path in rooted.values():
            Path(path).parent.mkdir(parents=True, exist_ok=True)
        if self._site.disks:
            self._site.disks.mount(self._id, Path(rooted["ETCD_DATA_DIR"]).parent)
        address, port = self._facts["address"], self._site.metadata_port
        return {
            "PATH": os.environ.get("PATH", os.defpath),
            "HOME": str(self.folder),
            **self._site.clock,
            **given,
            **rooted,
            # All hosts share this machine's 127.0.0.1, so none may listen there.
            "ETCD_LISTEN_LOOPBACK": "off",
            "AWS_ENDPOINT_URL": self._site.aws_endpoint,
            "AWS_EC2_METADATA_SERVICE_ENDPOINT": f"http://{address}:{port}",
        }

    def _agent(self, environment: dict[str, str]) -> int:
        self._note("agent-started")
        process, _ = self._start("agent", [sys.executable, self._site.agent], environment)
        code = self._wait(process)
        self._note("agent-done", code=code)
        return code

    def _etcd(self, environment: dict[str, str], unit: Mapping[str, str] | None = None) -> int:
        """Run etcd with the variables of the written file, those of its unit if it has any, and no others.

        A proxy starts anew when its file changes.
        """
        peers = Path(environment["ETCD_PEERS_FILE"])
        written = peers.read_text(encoding="utf-8")
        variables = {**(unit or {}), "ETCD_DATA_DIR": environment["ETCD_DATA_DIR"], **environment_file(written)}
        if self._site.links and _LISTEN_PEERS in variables:
            try:
                variables[_LISTEN_PEERS] = self._site.links.open(self._id, variables[_LISTEN_PEERS])
            except OSError as error:  # the last instance of this address has not quite gone
                self._note("etcd-ended", code=1, error=str(error))
                return 1
        ended = threading.Event()
        watcher = self._watch(environment) if variables.get("ETCD_PROXY") == "on" else None
        process, started = self._start(
            "etcd",
            [self._site.etcd_of(self._facts["tags"])],
            variables,
        )
        if self._site.links:
            self._site.links.runs(self._id, started.pid)
        (self.folder / "etcd.pid").write_text(f"{started.pid} {started.born}", encoding="ascii")
        self._note("etcd-started")
        if environment.get("ETCD_PKI", "off") != "off":
            threading.Thread(target=self._renew_until, args=(ended, environment), daemon=True).start()
        code = self._wait(process, lambda: watcher is not None and peers.read_text(encoding="utf-8") != written)
        ended.set()
        (self.folder / "etcd.pid").unlink(missing_ok=True)
        if self._site.links:
            self._site.links.ended(started.pid)
        if watcher is not None:
            self._end(watcher)
        self._note("etcd-ended", code=code)
        return code

    def _renew_until(self, ended: threading.Event, environment: dict[str, str]) -> None:
        """Do as the unit's timer does."""
        while not ended.is_set():
            due_at = time.monotonic() + self._site.renew_s
            while time.monotonic() < due_at and not self._look_now.is_set():
                if ended.wait(_LOOK_S):
                    return
            self._look_now.clear()
            command: list[str | Path] = [sys.executable, self._site.agent, "--renew"]
            process, _ = self._start("renew", command, environment | self._renew_at)
            self._note("renewed", code=self._wait(process))

    def _watch(self, environment: dict[str, str]) -> subprocess.Popen[bytes]:
        command: list[str | Path] = [sys.executable, self._site.agent, "--watch", str(self._site.watch_s)]
        return self._start("agent", command, environment)[0]

    def _start(
        self, name: str, command: Sequence[str | Path], environment: dict[str, str]
    ) -> tuple[subprocess.Popen[bytes], processes.Started]:
        return processes.start(
            command,
            log=self._log(name),
            environment=environment,
            directory=self.folder,
            preexec=processes.dies_with_parent,
        )

    def _wait(self, process: subprocess.Popen[bytes], is_stale: Callable[[], bool] = lambda: False) -> int:
        """Wait for the end of a process; this host's being off, or staleness, ends it."""
        while True:
            try:
                return process.wait(_LOOK_S)
            except subprocess.TimeoutExpired:
                if self._off.is_set() or is_stale():
                    self._end(process)
                    return process.returncode or -signal.SIGTERM

    def _end(self, process: subprocess.Popen[bytes]) -> None:
        if self._grace_s or not self._off.is_set():
            process.terminate()
            try:
                process.wait(self._grace_s or 2.0)
            except subprocess.TimeoutExpired:
                process.kill()
        else:
            process.kill()
        process.wait()

    def _rooted(self, path: str) -> Path:
        return self.folder / path.lstrip("/")

    def _log(self, name: str) -> Path:
        self.folder.mkdir(parents=True, exist_ok=True)
        return self.folder / f"{name}.log"

    def _note(self, what: str, **more: object) -> None:
        self._site.note({"kind": "host", "instance": self._id, "group": self._facts["group"], "to": what, **more})
