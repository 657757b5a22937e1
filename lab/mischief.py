"""A running lab, played tricks on."""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING

from lab import processes
from lab.control import ControlError
from lab.observed import Observed
from lab.paths import LabError

if TYPE_CHECKING:
    from collections.abc import Iterable


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

    def _tell(self, path: str, **told: object) -> None:
        try:
            self.control.tell(path, **told)
        except ControlError as error:
            raise LabError(str(error)) from error
