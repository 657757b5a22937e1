"""What the agent costs a host: `python -m benchmarks.agent [ROUNDS]`, from the root of the repository.

A start is a whole run: identity and role credentials from IMDSv2, the record from Parameter Store (both played on
loopback), the peers file written. Cases take turns, so that a busy machine is busy for all of them; medians are shown
with the fastest and the slowest run. What counts is the ratio to a Python that does nothing.
"""

from __future__ import annotations

import os
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from bootstrap_agent.build import build
from tests.unit.agent.fake_aws import FakeAws, Server, parameter
from tests.unit.agent.interpreters import VERSIONS, python
from tests.unit.agent.records import a_record, an_entry, two_others

SITE_PACKAGES = next(path for path in sys.path if path.endswith("site-packages"))
# What the current boto3 runs on.
BOTO3_VERSIONS = ("3.11", "3.13")
LAUNCHER = """
import os, sys, time
began = time.perf_counter()
_, status, usage = os.wait4(os.posix_spawn(sys.argv[1], sys.argv[1:], os.environ), 0)
print(status, time.perf_counter() - began, usage.ru_utime + usage.ru_stime, usage.ru_maxrss)
"""


@dataclass
class Case:
    """One command, and what its runs took: seconds, seconds of CPU, MiB."""

    name: str
    arguments: list[str]
    env: dict[str, str] = field(default_factory=dict)
    forget: Path | None = None
    wall_s: list[float] = field(default_factory=list)
    cpu_s: list[float] = field(default_factory=list)
    rss_mib: list[float] = field(default_factory=list)

    def run(self, interpreter: str) -> None:
        """Run once and note what it took."""
        if self.forget:
            for folder in self.forget.glob("*/"):
                shutil.rmtree(folder)
        # The peak memory of a child counts from the process that it is forked from: that one is kept small.
        done = subprocess.run(
            [interpreter, "-ISc", LAUNCHER, interpreter, *self.arguments],
            env={"PATH": os.environ["PATH"], **self.env},
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            check=True,
        )
        status, wall_s, cpu_s, rss_kib = done.stdout.split()[-4:]
        if int(status):
            raise SystemExit(f"{self.name}: wait status {status.decode()}")
        self.wall_s.append(float(wall_s))
        self.cpu_s.append(float(cpu_s))
        self.rss_mib.append(float(rss_kib) / 1024)


def cases(bundle: Path, version: str, env: dict[str, str]) -> Iterator[Case]:
    """Yield what is compared under one version of Python; `bundle` is alone in its folder's parent."""
    inside = f"import sys; sys.path.insert(0, {str(bundle / 'lib')!r}); import etcd_aws_agent.__main__"
    fresh = bundle.parent / "fresh"
    fresh.mkdir(exist_ok=True)
    first = Path(shutil.copy(bundle, fresh))
    yield Case("python3 -c pass", ["-c", "pass"])
    yield Case("agent, whole run", [str(bundle)], env)
    yield Case("agent, first run ever", [str(first)], env, forget=fresh)
    yield Case("only its imports, from the zip", ["-c", inside])
    if version in BOTO3_VERSIONS:
        yield Case("import boto3", ["-c", "import boto3"], {"PYTHONPATH": SITE_PACKAGES})
        client = "import boto3; boto3.client('ssm', 'us-east-1')"
        yield Case("boto3.client('ssm')", ["-c", client], {"PYTHONPATH": SITE_PACKAGES})


@contextmanager
def host() -> Iterator[tuple[Path, dict[str, str]]]:
    """Give a folder and the environment of an instance that is listed in a record."""
    aws = FakeAws(ssm=[parameter(a_record(an_entry(), *two_others()))])
    server = Server(aws)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        yield (
            folder,
            {
                "HOME": name,
                "CLUSTER_NAME": "etcd",
                "ETCD_DATA_DIR": str(folder / "etcd"),
                "ETCD_PEERS_FILE": str(folder / "etcd-peers"),
                "AWS_ENDPOINT_URL": aws.url,
                "AWS_EC2_METADATA_SERVICE_ENDPOINT": aws.url,
            },
        )
    server.close()


def spread(values: list[float], scale: float = 1000.0) -> str:
    """Return `median [fastest-slowest]`, in milliseconds."""
    return f"{statistics.median(values) * scale:.0f} [{min(values) * scale:.0f}-{max(values) * scale:.0f}]"


def size_of(folder: Path) -> float:
    """Return the size of all files below a folder, in MiB."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) / 2**20


def main() -> None:
    """Measure and print one table."""
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 15
    rows = []
    sizes = ""
    with host() as (folder, env):
        for version in VERSIONS:
            interpreter = python(version)
            if interpreter is None:
                rows.append(f"| {version} | not run: not on this machine | | | | |")
                continue
            place = folder / version
            bundle = build(place / "etcd-aws-agent.pyz")
            compared = list(cases(bundle, version, env))
            for case in compared:
                case.run(interpreter)  # once for the caches
                case.wall_s, case.cpu_s, case.rss_mib = [], [], []
            for _ in range(rounds):
                for case in compared:
                    case.run(interpreter)
            bare_s = statistics.median(compared[0].cpu_s)
            for case in compared:
                ratio = statistics.median(case.cpu_s) / bare_s
                cells = (version, case.name, spread(case.cpu_s), f"{ratio:.1f}", spread(case.wall_s))
                rows.append(f"| {' | '.join(cells)} | {statistics.median(case.rss_mib):.0f} |")
            unpacked = size_of(next(place.glob("etcd-aws-agent-*/")))
            sizes = f"{bundle.stat().st_size / 2**20:.2f} MiB as one file, {unpacked:.1f} MiB with compiled code"
    print(f"{rounds} rounds; agent: {sizes}\n")
    print("| Python | case | CPU ms | CPU ratio | wall ms | max RSS MiB |\n|---|---|---|---|---|---|")
    print("\n".join(rows))


if __name__ == "__main__":
    main()
