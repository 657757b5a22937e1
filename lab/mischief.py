"""A running lab, played tricks on."""

from __future__ import annotations

import json
import os
import signal
import time
import uuid
from typing import TYPE_CHECKING, Any, Final

from lab import clock, processes
from lab.control import ControlError
from lab.observed import Observed
from lab.paths import LabError

if TYPE_CHECKING:
    from collections.abc import Iterable


_TICK: Final = {"version": "0", "source": "aws.events", "detail-type": "Scheduled Event", "detail": {}}
_NUDGE_EACH_S: Final = 5.0
_CLOCKS_DIFFER_MS: Final = 1000


class Mischief(Observed):
    """What can be done to a lab that its group, its hosts and its controller have to bear."""

    # -- hosts --------------------------------------------------------------------------------------------------------

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

    def cut_links(self, pairs: Iterable[tuple[str, str]]) -> None:
        """Let no byte pass from one instance's etcd to another's; exactly these are cut, all others healed.

        Args:
            pairs: instance ids, from and to; empty heals all.

        Raises:
            LabError: the lab was started without ``links=True``.
        """
        self._tell("/links", cut=sorted(pairs))

    @property
    def can_fill_disks(self) -> bool:
        """Whether hosts have disks of their own: ``small_disks=True``, and this process may mount."""
        return self.state.small_disks

    def fill_disk(self, instance_id: str) -> None:
        """Leave no free block on the disk that has the instance's data directory.

        Raises:
            LabError: it cannot be done here (see :attr:`can_fill_disks`), or the host has not booted.
        """
        self._tell(f"/instances/{instance_id}/fill-disk")

    def free_disk(self, instance_id: str) -> None:
        """Give the disk its free blocks back.

        Raises:
            LabError: as :meth:`fill_disk`.
        """
        self._tell(f"/instances/{instance_id}/free-disk")

    def boot_never(self, count: int = 1) -> None:
        """Let the next instances that are launched run without their host ever starting agent or etcd."""
        self._tell("/boot/never", count=count)

    # -- the controller -----------------------------------------------------------------------------------------------

    def send(self, body: str) -> str:
        """Put a message into the controller's queue, and return its id."""
        sent = self.sqs.send_message(
            QueueUrl=self.queue_url(),
            MessageBody=body,
            MessageGroupId=self.state.cluster,
            MessageDeduplicationId=str(uuid.uuid4()),
        )
        return str(sent["MessageId"])

    def tick(self) -> str:
        """Put a scheduled event into the controller's queue, as EventBridge does each minute; does not wait.

        Returns:
            The message's id, see :meth:`run_of`.
        """
        return self.send(json.dumps(_TICK))

    def run_now(self, timeout_s: float) -> dict[str, Any]:
        """Have the controller look now, and return how that run ended, as it was logged.

        Raises:
            LabError: no run ended within the time.
        """
        since_ms = int(time.time() * 1000) - _CLOCKS_DIFFER_MS
        return self.run_of(self.tick(), timeout_s, since_ms=since_ms)

    def run_of(self, message_id: str, timeout_s: float, *, since_ms: int = 0) -> dict[str, Any]:
        """Wait for the end of the run that takes a message, and return how it ended, as it was logged.

        On a busy machine MiniStack reads a run's last lines when it reads those of the next invocation, so there is one
        from time to time, of an event that gives no reason to look.

        Raises:
            LabError: no run ended within the time.
        """
        nudge_at = time.monotonic() + _NUDGE_EACH_S

        def ended() -> dict[str, Any]:
            nonlocal nudge_at
            if time.monotonic() >= nudge_at:
                self.send(launch_event("nobody-s"))
                nudge_at = time.monotonic() + _NUDGE_EACH_S
            return self.run_for(message_id, since_ms=since_ms)

        return self.wait_for(ended, timeout_s, "a run of the controller")

    def kill_function(self, *, after_calls: int = 0, after_effect: bool = False) -> bool:
        """SIGKILL the process of the controller's function: its invocation fails, its message comes back later.

        Args:
            after_calls: not now, but at its n-th call to AWS from now; the journal then has ``kind`` ``function``.
            after_effect: whether that call takes effect first.

        Returns:
            Whether an invocation was cut now.
        """
        return bool(self._tell("/function/kill", after_calls=after_calls, after_effect=after_effect)["busy"])

    @property
    def can_step_clock(self) -> bool:
        """Whether the clock can be moved: ``clock_steps=True``, and this machine can do it."""
        return self.state.clock_steps

    def step_clock(self, seconds: float) -> None:
        """Let the wall clock of the controller's function and of the hosts' agents jump; seen within a second.

        Args:
            seconds: the offset to this machine's clock; 0 is right again.

        Raises:
            LabError: it cannot be done here (see :attr:`can_step_clock`).
        """
        if not self.can_step_clock:
            raise LabError("clocks cannot be stepped: start the lab with clock_steps=True, on x86-64 with glibc")
        clock.set_offset(self.directory, seconds)

    # -- inside -------------------------------------------------------------------------------------------------------

    def _tell(self, path: str, **told: object) -> dict[str, Any]:
        try:
            return self.control.tell(path, **told)
        except ControlError as error:
            raise LabError(str(error)) from error


def launch_event(group: str) -> str:
    """The message of a launch in a group, which no lab has."""
    return json.dumps(
        {
            "version": "0",
            "source": "aws.autoscaling",
            "detail-type": "EC2 Instance-launch Lifecycle Action",
            "detail": {
                "AutoScalingGroupName": group,
                "EC2InstanceId": "i-0123456789abcdef0",
                "LifecycleTransition": "autoscaling:EC2_INSTANCE_LAUNCHING",
                "LifecycleHookName": "etcd-launch",
                "LifecycleActionToken": "87654321-4321-4321-4321-210987654321",
            },
        }
    )
