"""``python -m tests.planted``: plant every bug and print what catches it."""

from __future__ import annotations

import argparse
import sys
import time
from concurrent.futures import ThreadPoolExecutor

from tests.explorer.say import say
from tests.planted.bugs import BUGS
from tests.planted.hunt import hunt


def main() -> int:
    """Return 0 if every bug is caught."""
    parser = argparse.ArgumentParser(prog="python -m tests.planted", description="Plant bugs and see who notices.")
    parser.add_argument("--only", default="", help="the bugs whose name has this in it")
    parser.add_argument("--stories", action="store_true", help="print the explorer's stories too")
    parser.add_argument("--processes", type=int, default=2)
    options = parser.parse_args()
    bugs = [b for b in BUGS if options.only in b.name]
    began = time.monotonic()
    missed = 0
    with ThreadPoolExecutor(options.processes) as pool:
        for caught in pool.map(hunt, bugs):
            missed += not caught.by
            say(f"{caught.bug.name}\n    {caught.by or 'NOT CAUGHT'}")
            if options.stories and caught.story:
                say(caught.story)
    say(f"{len(bugs) - missed} of {len(bugs)} bugs caught in {time.monotonic() - began:.0f} s")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
