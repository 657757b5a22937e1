"""etcdctl, as a person would use it."""

from __future__ import annotations

import json
import os
import subprocess
from typing import TYPE_CHECKING, Any

from lab.paths import LabError, etcdctl_beside

if TYPE_CHECKING:
    from pathlib import Path

    from lab.client_tls import ClientTls

_TIMEOUT_S = 60.0


class Etcdctl:
    """Runs etcdctl against the members.

    Args:
        etcd: the etcd binary; the etcdctl beside it is used.
        endpoints: client URLs.
        tls: the files for https.
    """

    def __init__(self, etcd: Path, endpoints: list[str], tls: ClientTls | None = None) -> None:
        self._program = etcdctl_beside(etcd)
        self._endpoints = endpoints
        self._tls = tls

    def run(self, *arguments: str) -> str:
        """Run it and return what it says.

        Raises:
            LabError: it failed; the message has its words.
        """
        return self._ask(self._endpoints, *arguments)

    def _ask(self, endpoints: list[str], *arguments: str) -> str:
        environment = {"ETCDCTL_API": "3", "PATH": os.defpath}
        command = [str(self._program), f"--endpoints={','.join(endpoints)}", "--command-timeout=15s", *arguments]
        if self._tls is not None and any(each.startswith("https:") for each in endpoints):
            files = self._tls.ready()
            names = {"CACERT": files.ca, "CERT": files.certificate, "KEY": files.key}
            environment |= {f"ETCDCTL_{name}": str(path) for name, path in names.items()}
        done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=_TIMEOUT_S, check=False)
        if done.returncode:
            raise LabError(f"etcdctl {' '.join(arguments)}: {done.stderr.strip() or done.stdout.strip()}")
        return done.stdout

    def members(self) -> list[dict[str, Any]]:
        """The member list: ``ID`` (a number), ``name``, ``peerURLs``, ``clientURLs``, ``isLearner``."""
        members: list[dict[str, Any]] = json.loads(self.run("member", "list", "--write-out=json"))["members"]
        return members

    def voters(self) -> set[str]:
        """The names of the members that vote; an unstarted one's is empty."""
        return {each.get("name", "") for each in self.members() if not each.get("isLearner")}

    def hashes(self) -> dict[str, int]:
        """The hash of all keys at one revision that every member has, by client URL.

        Raises:
            LabError: a member does not answer.
        """
        newest = json.loads(self.run("endpoint", "hashkv", "--write-out=json"))
        revision = min(int(each["HashKV"]["header"]["revision"]) for each in newest)
        same = json.loads(self.run("endpoint", "hashkv", f"--rev={revision}", "--write-out=json"))
        return {str(each["Endpoint"]): int(each["HashKV"]["hash"]) for each in same}

    def leader(self) -> int:
        """The leader's member id; 0 when there is none.

        Raises:
            LabError: no member answers.
        """
        statuses = []
        for endpoint in self._endpoints:
            try:
                statuses += json.loads(self._ask([endpoint], "endpoint", "status", "--write-out=json"))
            except LabError:
                continue
        if not statuses:
            raise LabError(f"none of {', '.join(self._endpoints)} answers")
        return int(max(statuses, key=lambda each: each["Status"]["raftTerm"])["Status"].get("leader", 0))
