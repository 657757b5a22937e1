"""Builds the agent's bundle, one file that runs with the Python of the host: `python -m bootstrap_agent.build OUTPUT`.

The same sources and pins give the same bytes. Dependencies come from pip once per set of pins and are kept in
`.cache/agent/`, so that building again needs no network.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterator
from pathlib import Path

HERE = Path(__file__).resolve().parent
CACHE = HERE.parent / ".cache" / "agent"
EPOCH = (1980, 1, 1, 0, 0, 0)  # the oldest time that a zip can hold

# Of botocore only the signer, the credential chain and the HTTP session are used; the rest is 25 MB.
KEPT_DATA = "botocore/data/partitions.json"
LEFT_OUT = ("botocore/data/", "botocore/docs/", "botocore/crt/", "botocore/retries/", "dateutil/zoneinfo/", "bin/")


def build(output: Path) -> Path:
    """Write the bundle to `output` and return it.

    Raises:
        subprocess.CalledProcessError: pip could not get a dependency; it has said why on stderr.
    """
    files = dict(sorted({**_dependencies(), **_own_modules()}.items()))
    digest = hashlib.sha256()
    for name, content in files.items():
        digest.update(f"{name}\0{len(content)}\0".encode() + content)
    start = (HERE / "bundle_main.py").read_text(encoding="utf-8").replace("@BUNDLE_ID@", digest.hexdigest()[:12])
    output.parent.mkdir(parents=True, exist_ok=True)
    temporary = output.with_name(f".{output.name}.{os.getpid()}")
    with temporary.open("wb") as file:
        file.write(b"#!/usr/bin/env python3\n")
        with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as bundle:
            for name, content in {"__main__.py": start.encode(), **files}.items():
                entry = zipfile.ZipInfo(name, EPOCH)
                entry.compress_type = zipfile.ZIP_DEFLATED
                entry.external_attr = 0o100644 << 16
                bundle.writestr(entry, content)
    temporary.chmod(0o755)
    return temporary.replace(output)


def _own_modules() -> dict[str, bytes]:
    package = HERE / "etcd_aws_agent"
    return {f"lib/{path.relative_to(HERE).as_posix()}": path.read_bytes() for path in package.rglob("*.py")}


def _dependencies() -> dict[str, bytes]:
    folder = _installed()
    return {f"lib/{name}": (folder / name).read_bytes() for name in _wanted(folder)}


def _wanted(folder: Path) -> Iterator[str]:
    for path in folder.rglob("*"):
        name = path.relative_to(folder).as_posix()
        is_metadata = ".dist-info/" in name and not any(word in name.upper() for word in ("LICENSE", "NOTICE"))
        if path.is_file() and not is_metadata and (name == KEPT_DATA or not name.startswith(LEFT_OUT)):
            yield name


def _installed() -> Path:
    """Return a folder with the pinned dependencies, from pip the first time."""
    requirements = HERE / "requirements.txt"
    folder = CACHE / hashlib.sha256(requirements.read_bytes()).hexdigest()[:16]
    if folder.is_dir():
        return folder
    CACHE.mkdir(parents=True, exist_ok=True)
    fresh = Path(tempfile.mkdtemp(prefix=".installing-", dir=CACHE))
    try:
        subprocess.run(  # noqa: S603 - nothing from outside in it
            [
                *(sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-compile"),
                *("--no-deps", "--require-hashes", "--only-binary=:all:", "--python-version=3.9"),
                *(f"--requirement={requirements}", f"--target={fresh}"),
            ],
            check=True,
            stdout=sys.stderr,
        )
        fresh.rename(folder)
    except OSError:
        if not folder.is_dir():  # else another build was faster
            raise
    finally:
        shutil.rmtree(fresh, ignore_errors=True)
    return folder


def main() -> int:
    """Build to the path given on the command line."""
    if len(sys.argv) != 2 or sys.argv[1].startswith("-"):  # noqa: PLR2004
        print("usage: python -m bootstrap_agent.build OUTPUT", file=sys.stderr)  # noqa: T201
        return 64
    output = build(Path(sys.argv[1]))
    print(f"{output}: {output.stat().st_size} bytes", file=sys.stderr)  # noqa: T201
    return 0


if __name__ == "__main__":
    sys.exit(main())
