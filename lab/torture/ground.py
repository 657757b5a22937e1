"""A lab that is kept from seed to seed, thrown away after a failed one and, before its journal gets long, renewed."""

from __future__ import annotations

import contextlib
import fcntl
import itertools
import shutil
from typing import TYPE_CHECKING, Any, Final, Self

from lab import Lab
from lab.paths import CACHE, LabError, durable_etcd
from lab.torture.schedule import GRACE_S, Schedule
from lab.torture.trial import Result, Trial

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

FOLDER: Final = CACHE / "torture"
SETTINGS: Final = {
    # Clocks are put an hour ahead here, and a certificate made then is not valid yet for an etcd on the true one.
    "etcd:etcd_client_scheme": "http",
    "etcd:etcd_peer_scheme": "http",
    "etcd:gather_window_s": "5",
    "etcd:formation_timeout_s": "40",
    "etcd:join_timeout_s": "20",
    "etcd:launch_hook_timeout_s": "300",
    "etcd:replacement_wait_s": "40",
    "etcd:unresponsive_grace_s": str(GRACE_S),
    "etcd:health_check_grace_s": "0",
    "etcd:etcd_read_timeout_s": "1",
    "etcd:run_reserve_s": "5",
    "etcd:function_timeout_s": "15",
    "etcd:visibility_timeout_s": "16",
    "etcd:max_receive_count": "20",
}
_STARTS: Final = 3
_MOST_SEEDS: Final = 15
_MOST_INSTANCES: Final = 20
_KEPT_OF_AN_INSTANCE: Final = ("agent.log", "etcd.log", "etc/sysconfig/etcd-peers")
_KEPT_OF_A_LAB: Final = ("local-aws.log", "hosts.log")


@contextlib.contextmanager
def own_folder() -> Iterator[Path]:
    """A folder for a lab that no other runner uses until this ends."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    for number in itertools.count():
        with (FOLDER / f"lab-{number}.lock").open("w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                continue
            yield FOLDER / f"lab-{number}"
            return


class Ground:
    """Plays seeds, one after the other.

    Args:
        folder: keeps the lab; no two grounds share one.
        keep_all: keep the logs of each seed below ``kept``, not only those of failed ones below ``failed``.
    """

    def __init__(self, folder: Path, *, keep_all: bool = False) -> None:
        self._folder = folder
        self._keep_all = keep_all
        self._lab: Lab | None = None
        self._played = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._down()

    def play(self, seed: int) -> Result:
        """Play one seed.

        Raises:
            LabError: no lab could be started.
        """
        if self._lab is None or self._played >= _MOST_SEEDS:
            self._down()
            self._lab = self._up()
        self._played += 1
        trial = Trial(self._lab, Schedule.of(seed))
        result = trial.run()
        if not result.passed or self._keep_all:
            self._keep(trial)
        if result.passed:
            for instance_id in trial.roster.all() if trial.roster else []:
                self._forget_data(instance_id)
        else:
            self._down()
        return result

    def refused(self) -> list[dict[str, Any]]:
        """The calls that the roles' policies did not let pass, since this ground's lab was started."""
        calls = self._lab.control.permissions() if self._lab else []
        return [call for call in calls if not call["allowed"]]

    # -- inside -------------------------------------------------------------------------------------------------------

    def _up(self) -> Lab:
        shutil.rmtree(self._folder, ignore_errors=True)
        self._folder.mkdir(parents=True)
        FOLDER.mkdir(parents=True, exist_ok=True)
        self._played = 0
        lab = Lab(self._folder, etcd=durable_etcd(), links=True, small_disks=True, clock_steps=True)
        for left in reversed(range(_STARTS)):
            try:
                with (FOLDER / "start.lock").open("w") as lock:
                    fcntl.flock(lock, fcntl.LOCK_EX)
                    lab.start()
                break
            except LabError:  # a lab of somebody else may have taken the same network at the same moment
                if not left:
                    raise
        try:
            lab.deploy(SETTINGS)
            lab.autoscaling.update_auto_scaling_group(
                AutoScalingGroupName=lab.state.cluster, MinSize=0, MaxSize=_MOST_INSTANCES
            )
        except BaseException:
            lab.down()
            raise
        return lab

    def _down(self) -> None:
        if self._lab is not None:
            self._lab.down()
            shutil.rmtree(self._folder / "instances", ignore_errors=True)
        self._lab = None

    def _forget_data(self, instance_id: str) -> None:
        """Data of hosts that are gone: 60 MB and more each. Those of the last seed still run."""
        if self._lab is not None and instance_id not in self._serving():
            shutil.rmtree(self._lab.folder(instance_id) / "var", ignore_errors=True)

    def _serving(self) -> set[str]:
        return set(self._lab.instances()) if self._lab else set()

    def _keep(self, trial: Trial) -> None:
        """Keep what a seed left behind, but for the data directories."""
        kept = FOLDER / ("kept" if trial.result.passed else "failed") / str(trial.result.seed)
        shutil.rmtree(kept, ignore_errors=True)
        kept.mkdir(parents=True)
        for name, text in trial.evidence().items():
            (kept / name).write_text(text, encoding="utf-8")
        for name in _KEPT_OF_A_LAB:
            _copy(self._folder / name, kept / name)
        for instance_id in trial.roster.all() if trial.roster else []:
            for name in _KEPT_OF_AN_INSTANCE:
                _copy(self._folder / "instances" / instance_id / name, kept / instance_id / name.rpartition("/")[2])


def _copy(source: Path, target: Path) -> None:
    if source.exists():
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, target)
