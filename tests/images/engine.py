"""Podman in place of the Docker engine: the same Dockerfile, the same command line, storage of its own."""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from tests.images.machine import ROOTFS

BASE = "localhost/debian-root:1"
IMAGE = "localhost/etcd-aws-agent:latest"
# Those of a machine whose limits may not be raised.
_LIMITS = ("--ulimit=nofile=1024:1024", "--ulimit=nproc=1024:1024")


def why_not() -> str:
    """Why no image can be built and run here; nothing if one can."""
    missing = [name for name in ("podman", "runc") if not shutil.which(name)]
    return f"needs {' and '.join(missing)}: make rootfs installs them" if missing else ""


@dataclass(frozen=True)
class Engine:
    """Podman with its storage in ``folder``."""

    folder: Path

    def do(self, *command: str, network: str = "") -> subprocess.CompletedProcess[str]:
        """Run podman, in the network namespace at the path ``network`` if that is given."""
        enter = ["nsenter", f"--net={network}"] if network else []
        storage = ["--storage-driver=overlay", f"--root={self.folder}/store", f"--runroot={self.folder}/run"]
        runtime = ["--runtime=runc", "--cgroup-manager=cgroupfs", "--log-level=error"]
        podman = [*enter, "podman", *storage, *runtime, *command]
        return subprocess.run(podman, capture_output=True, text=True, timeout=200, check=False)

    def build(self, dockerfile: Path, context: Path) -> None:
        """Build the Dockerfile on the plain Debian root: the base that it names cannot be fetched by everybody."""
        root = self.folder / "root.tar"
        left_out = (f"--exclude=./{path}/*" for path in ("dev", "usr/share/doc", "usr/share/locale", "usr/share/man"))
        subprocess.run(["tar", "-C", ROOTFS, *left_out, "-cf", root, "."], check=True)
        imported = self.do("import", str(root), BASE)
        assert imported.returncode == 0, imported.stderr
        root.unlink()
        flags = ["--isolation=chroot", f"--build-arg=BASE={BASE}", f"--file={dockerfile}", f"--tag={IMAGE}"]
        done = self.do("build", *flags, str(context))
        assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]

    def run(self, *command: str, network: str) -> subprocess.CompletedProcess[str]:
        """``docker run --network host``, with what this machine needs besides; the host's network is that given."""
        host = () if "--network" in command else ("--network=host",)
        return self.do("run", *_LIMITS, *host, *command, network=network)

    def close(self) -> None:
        """Remove everything; ``podman system reset`` would remove what is not this folder's too."""
        self.do("rm", "--all", "--force", "--volumes")
        subprocess.run(["umount", f"{self.folder}/store/overlay"], capture_output=True, check=False)
        shutil.rmtree(self.folder, ignore_errors=True)
