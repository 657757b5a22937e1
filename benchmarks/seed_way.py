"""The seed's way, re-enacted: what its README and docs/performance.md say that each host does by itself at boot.

Every host asks the AWS API with the aws command-line tool and each peer by the v2 members API, evicts members that are
not in service, adds itself, writes the file and starts etcd. No request has a time limit of its own; the benchmark's
bound ends what would hang for ever.
"""

from __future__ import annotations

import functools
import http.client
import json
import os
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from http import HTTPStatus
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from benchmarks.etcd_process import Etcd
from lab.deployment import aws_environment
from lab.paths import CACHE, LabError

AWSCLI: Final = "awscli==1.46.2"
_VENV: Final = CACHE / "awscli"
_PAUSE_S: Final = 3.0  # after each try to remove or add a member, the one that went well included
_TRIES: Final = 9
_LOOK_S: Final = 0.01
_PIP_S: Final = 600.0


class NeverError(Exception):
    """The host does not get to a healthy etcd within the benchmark's bound, or gives up by itself."""


@functools.cache
def aws_program() -> Path:
    """Return the real aws command-line tool, installed on first use into an environment of its own.

    Raises:
        LabError: it does not run, and what needs it would look as if the seed never came to its end.
    """
    program, stamp = _VENV / "bin" / "aws", _VENV / f".{AWSCLI}"
    if not stamp.exists():
        subprocess.run([sys.executable, "-m", "venv", _VENV], check=True, timeout=_PIP_S)
        pip: list[str | Path] = [_VENV / "bin" / "pip", "install", "--quiet", "--disable-pip-version-check", AWSCLI]
        subprocess.run(pip, check=True, timeout=_PIP_S)
        stamp.touch()
    try:
        subprocess.run([program, "--version"], check=True, capture_output=True, timeout=_PIP_S)
    except (OSError, subprocess.SubprocessError) as error:
        raise LabError(f"{program} does not run: {error}; remove {_VENV}, it is made anew") from error
    return program


class Host(threading.Thread):
    """Boots when started; its etcd runs until :meth:`switch_off`.

    Args:
        etcd: its etcd, not started; the name is the instance id.
        aws_endpoint: of the local AWS.
        metadata_url: of its metadata service.
        bound_s: after how long a request that hangs is given up.
    """

    def __init__(self, etcd: Etcd, *, aws_endpoint: str, metadata_url: str, bound_s: float) -> None:
        super().__init__(name=f"seed-{etcd.name}", daemon=True)
        self.etcd = etcd
        self.problem = ""
        self.told: list[tuple[float, str]] = []
        self.is_started = threading.Event()
        self._aws_endpoint = aws_endpoint
        self._metadata_url = metadata_url
        self._until = time.monotonic() + bound_s
        self._off = threading.Event()
        # Nothing is asked through a proxy of the environment: it is this machine.
        self._opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))

    def switch_off(self) -> None:
        """End it with its etcd."""
        self._off.set()
        self.join()

    def run(self) -> None:
        """Do what a host does at boot, and stay until switched off: etcd ends with this thread."""
        try:
            self.etcd.start({"ETCD_ENABLE_V2": "true", **self._decide()})
            self._note("etcd started")
            self.is_started.set()
        except (NeverError, OSError, ValueError, KeyError, subprocess.SubprocessError) as error:
            self.problem = str(error) or type(error).__name__
        self._off.wait()
        self.etcd.stop()

    def _note(self, what: str) -> None:
        self.told.append((time.monotonic(), what))

    def _decide(self) -> dict[str, str]:
        """Return what the written file says."""
        me, address = self._identity()
        group = self._group_of(me)
        peers = self._addresses([each["InstanceId"] for each in group if each["LifecycleState"] == "InService"])
        asked = [peer for peer in peers.values() if peer != address]
        good = next((peer for peer in asked if self._members(peer) is not None), None)
        members = (self._members(good) if good else None) or []
        if good is None or me in {each["name"] for each in members}:
            everybody = self._addresses([each["InstanceId"] for each in group])
            listed = ",".join(f"{name}=http://{each}:2380" for name, each in everybody.items())
            return {"ETCD_INITIAL_CLUSTER": listed, "ETCD_INITIAL_CLUSTER_STATE": "new"}
        for member in members:
            if urlsplit(member["peerURLs"][0]).hostname not in peers.values():
                self._insist("DELETE", good, f"/v2/members/{member['id']}", None)
                self._note("removed the dead, 3 s")
        listed = ",".join(f"{each['name']}={each['peerURLs'][0]}" for each in self._members(good) or [])
        self._insist("POST", good, "/v2/members", {"peerURLs": [f"http://{address}:2380"], "name": me})
        self._note("added itself, 3 s")
        return {"ETCD_INITIAL_CLUSTER": f"{listed},{self.etcd.peer}", "ETCD_INITIAL_CLUSTER_STATE": "existing"}

    # -- AWS ------------------------------------------------------------------------------------------------------

    def _identity(self) -> tuple[str, str]:
        """Return instance id and private address; the lab's metadata service wants version 2's token first."""
        token_request = urllib.request.Request(  # noqa: S310  # an http URL of the lab's own
            f"{self._metadata_url}/latest/api/token",
            method="PUT",
            headers={"X-aws-ec2-metadata-token-ttl-seconds": "60"},
        )
        with self._opener.open(token_request) as answer:
            token = answer.read().decode()
        document_request = urllib.request.Request(  # noqa: S310  # as above
            f"{self._metadata_url}/latest/dynamic/instance-identity/document",
            headers={"X-aws-ec2-metadata-token": token},
        )
        with self._opener.open(document_request) as answer:
            document = json.load(answer)
        return document["instanceId"], document["privateIp"]

    def _group_of(self, instance_id: str) -> list[dict[str, Any]]:
        """Return the instances of the group that an instance is in: of all groups of the account, then of that one."""
        groups = self._aws("autoscaling", "describe-auto-scaling-groups")["AutoScalingGroups"]
        found = (
            each["AutoScalingGroupName"]
            for each in groups
            if instance_id in {instance["InstanceId"] for instance in each["Instances"]}
        )
        name = next(found, None)
        if name is None:
            raise NeverError("in no group")
        shown = self._aws("autoscaling", "describe-auto-scaling-groups", "--auto-scaling-group-names", name)
        instances: list[dict[str, Any]] = shown["AutoScalingGroups"][0]["Instances"]
        return instances

    def _addresses(self, instance_ids: list[str]) -> dict[str, str]:
        if not instance_ids:
            raise NeverError("nobody in service")
        shown = self._aws("ec2", "describe-instances", "--instance-ids", *instance_ids)
        return {
            each["InstanceId"]: each["PrivateIpAddress"]
            for reservation in shown["Reservations"]
            for each in reservation["Instances"]
            if "PrivateIpAddress" in each
        }

    def _aws(self, *arguments: str) -> Any:  # noqa: ANN401  # JSON
        environment = {"PATH": os.defpath, **aws_environment(self._aws_endpoint)}
        command: list[str | Path] = [aws_program(), *arguments, "--output", "json"]
        done = subprocess.run(command, env=environment, capture_output=True, check=True)
        return json.loads(done.stdout)

    # -- etcd -----------------------------------------------------------------------------------------------------

    def _members(self, address: str) -> list[dict[str, Any]] | None:
        """Return who a peer sees as members; None if it does not answer."""
        status, body = self._ask("GET", address, "/v2/members", None)
        if status != HTTPStatus.OK:
            return None
        members: list[dict[str, Any]] = json.loads(body)["members"]
        return members

    def _insist(self, method: str, address: str, path: str, told: Mapping[str, Any] | None) -> None:
        for _ in range(_TRIES):
            status, _ = self._ask(method, address, path, told)
            time.sleep(_PAUSE_S)
            if HTTPStatus.OK <= status < HTTPStatus.MULTIPLE_CHOICES or status == HTTPStatus.CONFLICT:
                return
        raise NeverError(f"{method} {path}: gave up")

    def _ask(self, method: str, address: str, path: str, told: Mapping[str, Any] | None) -> tuple[int, bytes]:
        """Ask a peer; status 0 is no answer. Raises NeverError at the benchmark's bound."""
        left_s = self._until - time.monotonic()
        if left_s <= 0:
            raise NeverError("the benchmark's bound is reached")
        connection = http.client.HTTPConnection(address, 2379, timeout=left_s)
        try:
            body = None if told is None else json.dumps(told)
            connection.request(method, path, body, {"Content-Type": "application/json"})
            answer = connection.getresponse()
            return answer.status, answer.read()
        except TimeoutError as error:
            raise NeverError(f"{method} {path} at {address} hangs") from error
        except (OSError, http.client.HTTPException):
            return 0, b""
        finally:
            connection.close()
