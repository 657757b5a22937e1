"""``python -m tests.contract.sequences``: more sequences than ``make test`` has time for, and a table."""

from __future__ import annotations

import argparse
import sys
from functools import partial

sys.path += ["lambda_src", "bootstrap_agent"]

from tests.contract.sequences.runs import CASES, Result, play_seed, side_by_side
from tests.real_etcd import NotAtHandError, find_binary


def main() -> int:
    """Print a table, and differences; 1 if there are any."""
    arguments = argparse.ArgumentParser(prog="python -m tests.contract.sequences", description=__doc__)
    arguments.add_argument("--count", type=int, default=100, help="sequences for each (%(default)s)")
    arguments.add_argument("--first", type=int, default=0, metavar="SEED", help="the first seed (%(default)s)")
    arguments.add_argument("--case", action="append", choices=CASES, help="the API and the etcd; default: all")
    arguments.add_argument("--side-by-side", type=int, default=8, metavar="N", help="clusters (%(default)s)")
    options = arguments.parse_args()
    results: dict[str, Result] = {}
    for case in options.case or CASES:
        try:
            find_binary(case.split()[1])
            results[case] = Result()
        except NotAtHandError as error:
            say(f"{case}: {error}")
    with side_by_side(options.side_by_side) as submit:
        runs = [
            (case, submit(partial(play_seed, case, seed)))
            for seed in range(options.first, options.first + options.count)
            for case in results
        ]
        for case, run in runs:
            results[case].add(run.result())
            for difference in run.result().differences:
                say(difference)
    say(f"{'':8}{'sequences':>10}{'operations':>12}{'differences':>13}   asked again, because")
    for case, result in results.items():
        counts = f"{result.sequences:>10}{result.operations:>12}{len(result.differences):>13}"
        waits = ", ".join(f"{reason} {count}" for reason, count in result.waits.most_common())
        say(f"{case:8}{counts}   {waits}; the explorer's etcd took {result.broader} more")
    return int(any(result.differences for result in results.values()))


def say(line: str) -> None:
    """Write a line."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
