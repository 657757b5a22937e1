"""The function's code as Lambda gets it: sources, what they import, and both compiled (docs/decisions/0004, 0020)."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from infra.service_models import write_models
from infra.settings.controller import ControllerSettings

CACHES: Final = ("__pycache__", "*.pyc")
RUNTIME_PACKAGES: Final = ("boto3", "botocore", "s3transfer")
"""The runtime brings these, newer than a bundle would stay; without them the bundle is a quarter of its size."""

MODELS: Final = Path("etcd_aws_cluster", "aws", "models")
"""Where in the bundle botocore's models are, of just the operations that are called."""

_REQUIREMENTS: Final = "requirements.txt"
_OPERATIONS: Final = "aws_operations.json"
_ON_LAMBDA: Final = "/var/task"


def made_of(settings: ControllerSettings) -> tuple[str, ...]:
    """What a bundle depends on besides its sources: for another of these a new one is made."""
    return (*_pip_options(settings), *RUNTIME_PACKAGES, MODELS.as_posix(), "compiled")


def fill(output: Path, source: Path, settings: ControllerSettings) -> None:
    """Put the function's code into a folder.

    Args:
        output: the folder.
        source: the function's sources, beside them its requirements and which operations of AWS it calls, if any.
        settings: say which Python and processor will run it.

    Raises:
        CalledProcessError: pip or the compiler failed.
    """
    told = (*_pip_options(settings), f"--requirement={source / _REQUIREMENTS}", f"--target={output}")
    _run([sys.executable, "-m", "pip", "install", *told])
    operations = source / _OPERATIONS
    if operations.exists():
        write_models(output / "botocore" / "data", json.loads(operations.read_text("utf-8")), output / MODELS)
    for package in RUNTIME_PACKAGES:
        for installed in (*output.glob(package), *output.glob(f"{package}-*.dist-info")):
            shutil.rmtree(installed)
    ignored = shutil.ignore_patterns(_REQUIREMENTS, _OPERATIONS, *CACHES)
    shutil.copytree(source, output, dirs_exist_ok=True, ignore=ignored)
    compile_for(settings.function_runtime, output)


def compile_for(runtime: str, folder: Path) -> bool:
    """Compile everything in a folder, as Lambda cannot: it runs a function's code from a file system that is read-only.

    Only the very Python of the runtime can do that. What is deployed does not change, so the compiled code is never
    compared with its source.

    Args:
        runtime: Lambda's name of that Python, for example ``python3.14``.
        folder: the function's code.

    Returns:
        Whether that Python is on this machine; without it nothing is compiled, and each cold start does it.

    Raises:
        CalledProcessError: the compiler failed.
    """
    python = _python(runtime)
    if python is None:
        print(f"{runtime} is not on this machine: the function's code is not compiled", file=sys.stderr)  # noqa: T201
        return False
    named = ("-s", str(folder), "-p", _ON_LAMBDA)
    _run([python, "-m", "compileall", "-q", "-j", "0", "--invalidation-mode", "unchecked-hash", *named, str(folder)])
    return True


def _python(runtime: str) -> str | None:
    """Return the path of that Python, if it is there and runs: a version manager's stand-in may not."""
    if runtime == f"python{sys.version_info.major}.{sys.version_info.minor}":
        return sys.executable
    found = shutil.which(runtime)
    if found and subprocess.run([found, "-c", ""], check=False, capture_output=True).returncode == 0:  # noqa: S603 - a name
        return found
    return None


def _pip_options(settings: ControllerSettings) -> tuple[str, ...]:
    """Have pip install for the function's processor and Python, whatever the machine that bundles has."""
    processor = {"arm64": "aarch64", "x86_64": "x86_64"}[settings.function_architecture]
    return (
        "--quiet",
        "--no-compile",
        "--disable-pip-version-check",
        "--implementation=cp",
        f"--python-version={settings.function_runtime.removeprefix('python')}",
        *(f"--platform={tag}_{processor}" for tag in ("manylinux_2_28", "manylinux_2_17", "manylinux2014")),
        "--only-binary=:all:",
    )


def _run(command: Sequence[str]) -> None:
    # What the app writes to stdout belongs to whoever asked for the synth.
    subprocess.run(command, check=True, stdout=sys.stderr)  # noqa: S603 - fixed commands, and paths of this project
