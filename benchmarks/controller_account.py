"""A real cluster in a lab, in an account that grows, for the function and for whoever makes its calls by hand."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from benchmarks.controller_code import Bundles, environment, run_program
from lab import Lab
from lab.deployment import aws_environment

TICKS: Final = 10
"""In one process, after the first: enough for a median, few enough that both ways take turns often."""

_EVENT: Final = Path(__file__).parents[1] / "tests" / "events" / "scheduled.json"
_FUNCTION: Final = "etcd_aws_cluster.entry.handle"
_BOUND_S: Final = 180.0
_SETTLES_S: Final = 3.0


class Account:
    """What the function runs in.

    Args:
        lab: started, with the deployed stack.
        bundles: the function's code.
        folder: for files between the processes.
    """

    def __init__(self, lab: Lab, bundles: Bundles, folder: Path) -> None:
        self._lab = lab
        self._answer = folder / "answer.json"
        self._asked = folder / "asked.json"
        self._event = folder / "event.json"
        record = {"messageId": "m1", "body": _EVENT.read_text(encoding="utf-8")}
        self._event.write_text(json.dumps({"Records": [record]}), encoding="utf-8")
        functions = lab.client("lambda").list_functions()["Functions"]
        (told,) = (each["Environment"]["Variables"] for each in functions if each["Handler"] == _FUNCTION)
        self.variables: dict[str, str] = told
        self.env = environment(
            bundles.deployed, {**told, **aws_environment(lab.state.aws_endpoint), "MODELS": str(bundles.models)}
        )

    def scale(self, members: int) -> None:
        """Have so many members, settled."""
        self._lab.scale(members)
        self._lab.wait_in_service(members, _BOUND_S)
        self._lab.wait_for(
            lambda: len(self._lab.client_urls()) == members, _BOUND_S, "all to know that they are members"
        )
        time.sleep(_SETTLES_S)
        self._note_what_to_ask()

    def replace(self) -> None:
        """Lose a member's host, and have it replaced."""
        members = self._lab.instances()
        victim = min(members)
        self._lab.kill(victim)
        self._lab.wait_for(lambda: victim not in self._lab.instances(), _BOUND_S, "the host to be missed")
        self._lab.wait_in_service(len(members), _BOUND_S)

    @contextmanager
    def others(self, count: int) -> Iterator[None]:
        """Have so many other groups in the account, and as many instances, for a while."""
        subnets = self._lab.group()["VPCZoneIdentifier"]
        template = self._lab.group()["LaunchTemplate"]["LaunchTemplateId"]
        names = [f"other-{number}" for number in range(count)]
        ec2 = self._lab.client("ec2")
        launched: list[str] = []
        try:
            for name in names:
                self._lab.autoscaling.create_auto_scaling_group(
                    AutoScalingGroupName=name,
                    MinSize=0,
                    MaxSize=1,
                    DesiredCapacity=0,
                    VPCZoneIdentifier=subnets,
                    LaunchTemplate={"LaunchTemplateId": template, "Version": "1"},
                )
            if count:
                told = ec2.run_instances(
                    ImageId="ami-0c2023a1b2c3d4e5f",
                    InstanceType="t3.nano",
                    MinCount=count,
                    MaxCount=count,
                    SubnetId=subnets.split(",")[0],
                )
                launched = [each["InstanceId"] for each in told["Instances"]]
            yield
        finally:
            if launched:
                ec2.terminate_instances(InstanceIds=launched)
            for name in names:
                self._lab.autoscaling.delete_auto_scaling_group(AutoScalingGroupName=name, ForceDelete=True)

    def ours(self) -> list[tuple[float, float]]:
        """Return CPU and wall seconds of some settled ticks of a warm function."""
        return self._ticks("ours.py", self._event)

    def bare(self) -> list[tuple[float, float]]:
        """Return the same of the bare calls."""
        return self._ticks("bare.py", self._asked)

    def counted(self) -> Mapping[str, int]:
        """Return the calls that a settled tick makes of ``aws`` and ``etcd``, and their answers' ``..._bytes``."""
        return run_program("counted.py", str(self._event), env=self.env, answer=self._answer)

    def first_ticks(self) -> tuple[Sequence[str], Sequence[str]]:
        """Return the arguments of a start with the first settled tick: ours, and the bare calls."""
        ours = (str(self._event), str(self._answer), "0")
        return ("ours.py", *ours), ("bare.py", str(self._asked), *ours[1:])

    def stages(self, env: Mapping[str, str]) -> Mapping[str, float]:
        """Return the CPU seconds of each stage of a cold start with that environment."""
        marks = run_program("ours.py", str(self._event), "0", env=env, answer=self._answer)["marks"]
        return between(marks)

    def peak_mib(self) -> float:
        """Return the peak memory of the deployed function's own process in the lab, whatever it has done so far.

        Raises:
            LookupError: it is not running.
        """
        name = b"AWS_LAMBDA_FUNCTION_NAME=" + self._function_name().encode()
        for process in Path("/proc").glob("[0-9]*"):
            try:
                is_it = name in (process / "environ").read_bytes().split(b"\0")
                status = (process / "status").read_text(encoding="utf-8") if is_it else ""
            except OSError:
                continue
            if is_it:
                return peak_of(status)
        raise LookupError(f"no process of {name.decode()}")

    def _function_name(self) -> str:
        functions = self._lab.client("lambda").list_functions()["Functions"]
        return next(str(each["FunctionName"]) for each in functions if each["Handler"] == _FUNCTION)

    def _note_what_to_ask(self) -> None:
        """Write what the bare calls need to know."""
        prefix, pki = self.variables["PARAMETER_PREFIX"], self.variables["ETCD_PKI"] != "off"
        files = self._lab.tls.ready() if pki else None
        asked: dict[str, Any] = {
            "group": self.variables["CLUSTER_NAME"],
            "parameters": [f"{prefix}/record", f"{prefix}/initial-cluster"],
            "path": prefix if pki else "",
            "members": self._lab.client_urls(),
            "tls": {"ca": str(files.ca), "certificate": str(files.certificate), "key": str(files.key)} if files else {},
        }
        self._asked.write_text(json.dumps(asked), encoding="utf-8")

    def _ticks(self, program: str, told: Path) -> list[tuple[float, float]]:
        answer = run_program(program, str(told), str(TICKS), env=self.env, answer=self._answer)
        return [(cpu_s, wall_s) for cpu_s, wall_s in answer["ticks"]]


def between(marks: Mapping[str, float]) -> dict[str, float]:
    """Return how much later each mark is than the one before it."""
    took, before = {}, 0.0
    for name, at in marks.items():
        took[name], before = at - before, at
    return took


def peak_of(status: str) -> float:
    """Return the peak resident memory, in MiB, that a process's ``/proc/PID/status`` tells.

    Raises:
        LookupError: it does not tell.
    """
    for line in status.splitlines():
        name, _, value = line.partition(":")
        if name == "VmHWM":
            return int(value.split()[0]) / 1024
    raise LookupError("no VmHWM")
