"""The Pythons of this machine that a host's image may have."""

from __future__ import annotations

import os
import shutil
import subprocess
from functools import cache
from pathlib import Path

VERSIONS = ("3.9", "3.11", "3.13")


@cache
def python(version: str) -> str | None:
    """Return a Python of this version that runs, from PATH or from pyenv."""
    pyenv = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv")
    installed = sorted(str(path) for path in pyenv.glob(f"versions/{version}.*/bin/python"))
    candidates = [*installed, shutil.which(f"python{version}")]
    return next((path for path in candidates if path and _is(path, version)), None)


def _is(path: str, version: str) -> bool:
    code = "import sys; print('%d.%d' % sys.version_info[:2])"
    done = subprocess.run([path, "-c", code], capture_output=True, text=True, check=False)
    return done.stdout.strip() == version
