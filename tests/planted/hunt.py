"""Puts one bug into a copy of the code and sees who notices: the explorer, the tests, or nobody."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from tests.planted.bug import BLINDFOLD, Bug

ROOT = Path(__file__).parents[2]
STATES, SECONDS = 60_000, 40
COPIED = ("lambda_src/etcd_aws_cluster", "bootstrap_agent/etcd_aws_agent")


class Caught(NamedTuple):
    """What noticed a bug.

    Attributes:
        story: The explorer's finding; empty if it found nothing, or was not asked.
        tests: The tests that failed.
    """

    bug: Bug
    story: str
    tests: tuple[str, ...]

    @property
    def by(self) -> str:
        """In a line, what caught it; empty if nothing did."""
        found = []
        if self.story:
            found.append(f"explorer: {self.story.splitlines()[0]}")
        if self.tests:
            more = f" and {len(self.tests) - 1} more" if len(self.tests) > 1 else ""
            found.append(f"{self.tests[0]}{more}")
        return "; ".join(found)


@contextmanager
def planted(bug: Bug) -> Iterator[Path]:
    """Yield a directory with the code and the bug in it.

    Raises:
        ValueError: The code has changed, and the bug does not fit any more.
    """
    with tempfile.TemporaryDirectory(prefix="planted-") as directory:
        copy = Path(directory)
        for name in COPIED:
            shutil.copytree(ROOT / name, copy / name, ignore=shutil.ignore_patterns("__pycache__"))
        for edit in (*bug.edits, *([BLINDFOLD] if bug.is_blind else [])):
            path = copy / edit.path
            text = path.read_text()
            if text.count(edit.old) != 1:
                raise ValueError(f"{bug.name!r} does not fit {edit.path} any more: {edit.old!r} is not there once")
            path.write_text(text.replace(edit.old, edit.new))
        yield copy


def hunt(bug: Bug) -> Caught:
    """Return what notices a bug."""
    with planted(bug) as copy:
        story = _explorer(bug, copy) if bug.scope else ""
        return Caught(bug, story, _tests(bug, copy) if bug.tests else ())


def _explorer(bug: Bug, copy: Path) -> str:
    bounds = ["--states", str(STATES), "--seconds", str(SECONDS)]
    done = _run(copy, "tests.explorer", "--first", "--scope", bug.scope, *bounds)
    if done.returncode not in (0, 1) or done.stderr:
        raise RuntimeError(f"the explorer ended with {done.returncode}: {done.stderr}")
    return done.stdout


def _tests(bug: Bug, copy: Path) -> tuple[str, ...]:
    paths = " ".join([*(str((copy / name).parent) for name in COPIED), str(ROOT)])
    done = _run(copy, "pytest", "-q", "--no-header", "--tb=no", "-rf", "-o", f"pythonpath={paths}", *bug.tests)
    failed = re.findall(r"^(?:FAILED|ERROR) \S*?::(\w+)", done.stdout, re.MULTILINE)
    if done.returncode not in (0, 1) or (done.returncode == 1 and not failed):
        raise RuntimeError(f"pytest ended with {done.returncode}: {done.stdout}{done.stderr}")
    return tuple(dict.fromkeys(failed))


def _run(copy: Path, module: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    path = os.pathsep.join(str((copy / name).parent) for name in COPIED)
    return subprocess.run(
        [sys.executable, "-m", module, *arguments],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": path, "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
