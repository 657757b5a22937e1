"""The function's code as it is deployed and as it could be, and a Python that starts with it."""

from __future__ import annotations

import io
import json
import os
import re
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import botocore

from benchmarks.processes import cost_of
from infra.function_bundle import MODELS, fill
from infra.settings.controller import ControllerSettings
from lab.deployment import function_platform

PROGRAMS: Final = Path(__file__).parent / "in_function"
SOURCE: Final = Path(__file__).parents[1] / "lambda_src"
_BOUND_S: Final = 120.0


@dataclass(frozen=True)
class Bundles:
    """Folders with the function's code.

    Attributes:
        deployed: as CDK deploys it.
        not_compiled: the same, not compiled.
        as_installed: neither compiled nor with models of its own, as pip and a copy leave it.
    """

    deployed: Path
    not_compiled: Path
    as_installed: Path

    @property
    def models(self) -> Path:
        """What botocore has to know, as it is deployed."""
        return self.deployed / MODELS


def bundles(folder: Path) -> Bundles:
    """Make them for this machine's Python.

    Raises:
        CalledProcessError: pip or the compiler failed.
    """
    told = function_platform()
    settings = ControllerSettings(
        function_architecture=told["etcd:function_architecture"], function_runtime=told["etcd:function_runtime"]
    )
    made = Bundles(folder / "deployed", folder / "not-compiled", folder / "as-installed")
    fill(made.deployed, SOURCE, settings)
    shutil.copytree(made.deployed, made.not_compiled, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copytree(made.not_compiled, made.as_installed)
    shutil.rmtree(made.as_installed / MODELS)
    return made


def zipped_mib(*folders: Path) -> float:
    """Return the size of the folders' files in one zip, in MiB."""
    with io.BytesIO() as file:
        with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
            for folder in folders:
                for path in sorted(folder.rglob("*")):
                    if path.is_file():
                        archive.write(path, path.relative_to(folder.parent))
        return len(file.getvalue()) / 2**20


def runtime_folders() -> tuple[Path, ...]:
    """Return the folders of what the Lambda runtime brings and the bundle leaves out."""
    installed = Path(botocore.__file__).parents[1]
    return tuple(installed / name for name in ("botocore", "boto3", "s3transfer"))


def environment(bundle: Path, told: Mapping[str, str]) -> dict[str, str]:
    """Return a function's environment: its own variables, and Lambda's where they make a difference.

    Args:
        bundle: the code, which is on the path before everything else; nothing is compiled into it.
        told: its own variables.
    """
    return {
        "PATH": os.environ["PATH"],
        "HOME": os.environ.get("HOME", "/"),
        "PYTHONPATH": str(bundle),
        "PYTHONDONTWRITEBYTECODE": "1",
        "LAMBDA_TASK_ROOT": str(bundle),
        "AWS_LAMBDA_FUNCTION_NAME": "etcd-controller",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_REGION": "us-east-1",
        "AWS_ACCESS_KEY_ID": "bench",
        "AWS_SECRET_ACCESS_KEY": "bench",
        "_X_AMZN_TRACE_ID": "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1",
        **told,
    }


@dataclass
class Case:
    """A way to start a Python, and what its starts took: seconds of CPU, MiB.

    Attributes:
        name: tells it from the others.
        arguments: Python's.
        env: all of its environment.
        python: the interpreter's path.
    """

    name: str
    arguments: list[str]
    env: dict[str, str]
    cpu_s: list[float] = field(default_factory=list)
    rss_mib: list[float] = field(default_factory=list)
    python: str = sys.executable

    def run(self) -> None:
        """Start it once, and note what that took.

        Raises:
            RuntimeError: it failed.
        """
        cost = cost_of(sys.executable, [self.python, *self.arguments], self.env)
        self.cpu_s.append(cost.cpu_s)
        self.rss_mib.append(cost.rss_mib)


def take_turns(cases: Iterable[Case], rounds: int) -> None:
    """Start each case once in each round, after once for the caches."""
    all_cases = list(cases)
    for number in range(rounds + 1):
        for case in all_cases:
            case.run()
            if number == 0:
                case.cpu_s, case.rss_mib = [], []


def run_program(name: str, *arguments: str, env: Mapping[str, str], answer: Path) -> dict[str, Any]:
    """Run a program in the function's place, and return what it wrote.

    Raises:
        RuntimeError: it failed.
    """
    done = subprocess.run(
        [sys.executable, str(PROGRAMS / name), arguments[0], str(answer), *arguments[1:]],
        env=dict(env),
        capture_output=True,
        text=True,
        timeout=_BOUND_S,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(f"{name}: {done.stdout[-1000:]}{done.stderr[-2000:]}")
    told: dict[str, Any] = json.loads(answer.read_text(encoding="utf-8"))
    return told


def instructions(case: Case) -> int:
    """Start it once under valgrind, and return how many instructions it took.

    Raises:
        CalledProcessError: it failed.
        LookupError: valgrind does not tell.
    """
    options = ("--tool=cachegrind", "--cache-sim=no", f"--cachegrind-out-file={os.devnull}")
    done = subprocess.run(
        ["valgrind", *options, case.python, *case.arguments],
        env={**case.env, "PYTHONHASHSEED": "0"},
        capture_output=True,
        text=True,
        timeout=10 * _BOUND_S,
        check=True,
    )
    return counted(done.stderr)


def counted(told: str) -> int:
    """Return the instructions that cachegrind tells.

    Raises:
        LookupError: it does not tell.
    """
    found = re.search(r"I\s+refs:\s+([0-9,]+)", told)
    if found is None:
        raise LookupError(f"no count of instructions: {told[-500:]}")
    return int(found[1].replace(",", ""))
