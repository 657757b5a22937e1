"""The agent under each Python that a host may have, in ratios to a Python that does nothing, as text."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from benchmarks.figures import Figures, ratio, table
from benchmarks.processes import Cost, cost_of
from bootstrap_agent.build import build
from tests.unit.agent.interpreters import VERSIONS, python

# What the current boto3 runs on.
_BOTO3_VERSIONS: Final = ("3.11", "3.13")
_HEAD: Final = ("Python", "case", "CPU ms", "CPU, to nothing", "wall ms", "largest process MiB")


@dataclass
class _Case:
    """One command, and what its runs took.

    Attributes:
        forget: a folder whose folders are removed before each run.
    """

    name: str
    arguments: list[str]
    env: Mapping[str, str] = field(default_factory=dict)
    forget: Path | None = None
    costs: list[Cost] = field(default_factory=list)

    def run(self, interpreter: str) -> None:
        """Run once and note what it took."""
        if self.forget:
            for folder in self.forget.glob("*/"):
                shutil.rmtree(folder)
        env = {"PATH": os.environ["PATH"], **self.env}
        self.costs.append(cost_of(interpreter, [interpreter, *self.arguments], env))


def compare(rounds: int, folder: Path, env: Mapping[str, str]) -> tuple[str, dict[str, Any]]:
    """Run the agent and what it is compared with, in turns; return a Markdown table and the raw data.

    Args:
        rounds: of each case.
        folder: bundles go there.
        env: the agent's, of a host that is listed.
    """
    rows: list[tuple[str, ...]] = []
    raw: dict[str, Any] = {}
    for version in VERSIONS:
        interpreter = python(version)
        if interpreter is None:
            rows.append((version, "not run: not on this machine", "", "", "", ""))
            continue
        cases = list(_cases(build(folder / version / "etcd-aws-agent.pyz"), version, env))
        for case in cases:
            case.run(interpreter)  # once for the caches
            case.costs.clear()
        for _ in range(rounds):
            for case in cases:
                case.run(interpreter)
        bare = Figures.of(each.cpu_s * 1000 for each in cases[0].costs)
        for case in cases:
            cpu, wall = (Figures.of(getattr(each, name) * 1000 for each in case.costs) for name in ("cpu_s", "wall_s"))
            rss = Figures.of(each.rss_mib for each in case.costs)
            rows.append((version, case.name, f"{cpu:.0f}", ratio(cpu, bare), f"{wall:.0f}", f"{rss.median:.0f}"))
            raw[f"{version}; {case.name}"] = [vars(each) for each in case.costs]
    return table(_HEAD, rows), raw


def _cases(bundle: Path, version: str, env: Mapping[str, str]) -> Iterator[_Case]:
    """Yield what is compared; the bundle is alone in its folder."""
    inside = f"import sys; sys.path.insert(0, {str(bundle / 'lib')!r}); import etcd_aws_agent.__main__"
    fresh = bundle.parent / "fresh"
    fresh.mkdir()
    first = Path(shutil.copy(bundle, fresh))
    yield _Case("`python3 -c pass`", ["-c", "pass"])
    yield _Case("agent, whole run", [str(bundle)], env)
    yield _Case("agent, first run ever (unpacks, compiles)", [str(first)], env, forget=fresh)
    yield _Case("only its imports, straight from the zip", ["-c", inside])
    if version in _BOTO3_VERSIONS:
        packages = {"PYTHONPATH": next(path for path in sys.path if path.endswith("site-packages"))}
        yield _Case("`import boto3`", ["-c", "import boto3"], packages)
        client = "import boto3; boto3.client('ssm', 'us-east-1')"
        yield _Case("`boto3.client('ssm')`, nothing asked", ["-c", client], packages)
