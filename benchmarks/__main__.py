"""Measures everything: ``python -m benchmarks``, from the root of the repository; ``--help`` tells the options.

Prints one table. Each part's rows, words, pictures and raw data go to ``build/bench``; with ``--page`` also to
docs/performance, whence the tables of docs/performance.md are made anew.
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import platform
import re
import shlex
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from benchmarks.part import Part, Row, from_json, one_table, to_json

ROOT: Final = Path(__file__).parents[1]
# What is deployed is imported by the name that it has there.
sys.path += [str(ROOT / "lambda_src"), str(ROOT / "bootstrap_agent")]
BUILD: Final = ROOT / "build" / "bench"
PAGE: Final = ROOT / "docs" / "performance.md"
DATA: Final = ROOT / "docs" / "performance"
PARTS: Final[Mapping[str, int]] = {"cluster": 2, "controller": 15, "agent": 15, "proxies": 5, "scale": 1}
"""Modules with a function ``run(rounds) -> Part``, and how many rounds are measured unless asked otherwise."""


def main() -> int:
    """Measure and print; returns the exit code."""
    parser = argparse.ArgumentParser(prog="benchmarks", description=(__doc__ or "").partition("\n\n")[2])
    parser.add_argument("--only", nargs="+", choices=PARTS, default=list(PARTS), metavar="PART", help=", ".join(PARTS))
    parser.add_argument("--rounds", type=int, metavar="N", help="default: " + _told(PARTS))
    parser.add_argument("--page", action="store_true", help="renew docs/performance.md, too")
    asked = parser.parse_args()
    if asked.rounds is not None and asked.rounds < 1:
        parser.error(f"--rounds {asked.rounds}: expected 1 or more")
    rows: list[Row] = []
    for name in asked.only:
        rounds = asked.rounds or PARTS[name]
        about = _about(name, rounds)
        print(f"{name}: {rounds} rounds", file=sys.stderr, flush=True)
        part: Part = importlib.import_module(f"benchmarks.{name}").run(rounds)
        for folder in (BUILD, DATA) if asked.page else (BUILD,):
            write(folder, name, part, about)
        rows += part.rows
        print(f"\n{part.text}\n", file=sys.stderr, flush=True)
    if asked.page:
        PAGE.write_text(page(PAGE.read_text(encoding="utf-8"), DATA), encoding="utf-8")
    print(one_table(rows))
    print(f"\npictures and raw data: {BUILD.relative_to(ROOT)}")
    return 0


def write(folder: Path, name: str, part: Part, about: Mapping[str, Any]) -> None:
    """Write a part's rows, words and raw data as one JSON file, and its pictures beside it."""
    folder.mkdir(parents=True, exist_ok=True)
    told = {**about, "rows": [to_json(row) for row in part.rows], "text": part.text, "raw": part.raw}
    (folder / f"{name}.json").write_text(json.dumps(told, indent=1) + "\n", encoding="utf-8")
    for picture, svg in part.pictures.items():
        (folder / f"{picture}.svg").write_text(svg, encoding="utf-8")


def page(text: str, data: Path) -> str:
    """Return the page with what stands between its markers, ``<!-- PART -->`` to ``<!-- /PART -->``, made anew.

    ``<!-- table -->`` holds the rows of all parts, the markers of a part its machine, command and words.
    """
    told = {name: json.loads(file.read_text()) for name in PARTS if (file := data / f"{name}.json").exists()}
    rows = [from_json(row) for each in told.values() for row in each["rows"]]
    texts = {"table": one_table(rows)}
    texts |= {name: f"{_machine(each)}\n\n{each['text']}" for name, each in told.items()}
    for name, new in texts.items():
        marked = re.compile(rf"(<!-- {name} -->\n).*?(<!-- /{name} -->)", re.DOTALL)
        text = marked.sub(lambda found, new=new: f"{found[1]}{new.strip()}\n{found[2]}", text)  # type: ignore[misc]
    return text


def _about(name: str, rounds: int) -> dict[str, Any]:
    return {
        "command": shlex.join(["python", "-m", "benchmarks", "--only", name, "--rounds", str(rounds)]),
        "date": time.strftime("%Y-%m-%d"),
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        "load": round(os.getloadavg()[0], 1),
    }


def _machine(told: Mapping[str, Any]) -> str:
    cores, python, load = (told[each] for each in ("cores", "python", "load"))
    return f"`{told['command']}`, {told['date']}; {cores} cores, Python {python}, a load of {load} before."


def _told(parts: Mapping[str, int]) -> str:
    return ", ".join(f"{name} {rounds}" for name, rounds in parts.items())


if __name__ == "__main__":
    sys.exit(main())
