"""``make torture``: ``python -m lab.torture``."""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from lab.torture import pool, report
from lab.torture.schedule import Schedule

if TYPE_CHECKING:
    from collections.abc import Sequence


def main(arguments: Sequence[str] | None = None) -> int:
    """Run seeds; 1 if one failed."""
    options = _parser().parse_args(arguments)
    if options.show is not None:
        print(Schedule.of(options.show), end="")
        return 0
    if options.table is not None:
        print(report.table(report.load(options.table)))
        return 0
    seeds = options.only or range(options.first, options.first + options.seeds)
    began, results = time.monotonic(), []
    for result in pool.play(list(seeds), options.labs, keep_all=options.keep):
        results.append(result)
        print(report.line(result), flush=True)
        if options.out:
            with options.out.open("a", encoding="utf-8") as out:
                out.write(report.to_json(result) + "\n")
    print(f"\n{report.table(results)}\nin {(time.monotonic() - began) / 60:.1f} minutes")
    return int(any(not result.passed for result in results))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m lab.torture", description="Faults on real clusters, by seeds.")
    parser.add_argument("--seeds", type=int, default=20, metavar="N", help="how many (default: 20)")
    parser.add_argument("--first", type=int, default=1, metavar="SEED", help="the first (default: 1)")
    parser.add_argument("--only", type=int, action="append", metavar="SEED", help="this one; may be given again")
    parser.add_argument("--labs", type=int, default=2, metavar="N", help="how many labs at once (default: 2)")
    parser.add_argument("--keep", action="store_true", help="keep the logs of seeds that passed, too")
    parser.add_argument("--out", type=Path, metavar="FILE", help="add one JSON line a seed to this file")
    parser.add_argument("--show", type=int, metavar="SEED", help="print a seed's schedule, and do nothing")
    parser.add_argument("--table", type=Path, metavar="FILE", help="print the table of such a file, as Markdown")
    return parser


if __name__ == "__main__":
    sys.exit(main())
