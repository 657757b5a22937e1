"""A cold start, and what it needs, under each Python of Lambda's runtimes that is at hand."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final
from unittest.mock import patch

from benchmarks.controller_code import PROGRAMS, SOURCE, Case, environment, runtime_folders, take_turns
from benchmarks.figures import Figures, table
from benchmarks.part import Goal, Row
from infra.function_bundle import MODELS, fill
from infra.settings.controller import NEWEST_RUNTIME, ControllerSettings
from lab.deployment import function_platform
from tests.unit.agent.interpreters import python

VERSIONS: Final = ("3.11", "3.12", "3.13", NEWEST_RUNTIME.removeprefix("python"))

_PROGRAMS: Final = {"needs": "needs.py", "needs, kept": "needs_kept.py", "ready": "ready.py"}
_HEAD: Final = ("Python", "bare imports and clients", "the same, collector off meanwhile", "ours", "to the bare")


def at_hand() -> tuple[str, ...]:
    """Return the versions that are on this machine."""
    return tuple(version for version in VERSIONS if python(version))


def compare(rounds: int, folder: Path, variables: Mapping[str, str]) -> dict[str, dict[str, Case]]:
    """Start a fresh Python so many times in each way, and return what that took, by version and way.

    Args:
        rounds: of each case.
        folder: the code for each Python goes there.
        variables: the function's own.
    """
    return {version: _starts(rounds, version, folder / version, variables) for version in at_hand()}


def rows(pythons: Mapping[str, Mapping[str, Case]]) -> list[Row]:
    """Return a row for each Python."""
    return [
        Row(
            f"cold start, with certificates, Python {version}{_remark(version)}",
            "CPU ms",
            _cpu_ms(cases["ready"]),
            "the bare imports and clients that it needs",
            _cpu_ms(cases["needs"]),
            Goal(1.1),
            0,
        )
        for version, cases in pythons.items()
    ]


def text(pythons: Mapping[str, Mapping[str, Case]]) -> str:
    """Return a Markdown table, of all Pythons whether at hand or not; CPU in ms."""
    lines: list[Sequence[str]] = []
    for version in VERSIONS:
        named = f"{version}{_remark(version)}"
        if version not in pythons:
            lines.append((named, "not run: not on this machine", "", "", ""))
            continue
        needs, kept, ready = (_cpu_ms(pythons[version][name]) for name in _PROGRAMS)
        compared = (ready.median or 0.0) / (needs.median or 1.0)
        lines.append((named, *(f"{each:.0f}" for each in (needs, kept, ready)), f"{compared:.2f} x"))
    return table(_HEAD, lines)


def _remark(version: str) -> str:
    return ", the default runtime" if f"python{version}" == NEWEST_RUNTIME else ""


def _cpu_ms(case: Case) -> Figures:
    return Figures.of(each * 1000 for each in case.cpu_s)


def _starts(rounds: int, version: str, folder: Path, variables: Mapping[str, str]) -> dict[str, Case]:
    interpreter = python(version)
    if interpreter is None:
        raise LookupError(f"no Python {version}")
    bundle, runtime = folder / "bundle", folder / "runtime"
    settings = ControllerSettings(
        function_architecture=function_platform()["etcd:function_architecture"], function_runtime=f"python{version}"
    )
    # Bundling looks for the runtime's Python on the path.
    with patch.dict(os.environ, {"PATH": f"{Path(interpreter).parent}{os.pathsep}{os.environ['PATH']}"}):
        fill(bundle, SOURCE, settings)
    for package in runtime_folders():
        shutil.copytree(package, runtime / package.name, ignore=shutil.ignore_patterns("__pycache__"))
    subprocess.run([interpreter, "-m", "compileall", "-q", "-j", "0", str(runtime)], check=True)
    path = {"PYTHONPATH": f"{bundle}{os.pathsep}{runtime}", "MODELS": str(bundle / MODELS)}
    env = environment(bundle, {**variables, **path})
    cases = {
        name: Case(name, [str(PROGRAMS / program)], env, python=interpreter) for name, program in _PROGRAMS.items()
    }
    take_turns(cases.values(), rounds)
    return cases
