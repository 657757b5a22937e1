"""The one table of the benchmarks, and the page that is made of it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks.__main__ import page, write
from benchmarks.figures import Figures
from benchmarks.part import Goal, Part, Row, from_json, one_table, to_json

ABOUT = {"command": "python -m benchmarks", "date": "2026-11-27", "cores": 2, "python": "3.11.7", "load": 0.1}


def row(goal: Goal | None = None, ours: float = 3.0, other: float = 2.0) -> Row:
    return Row("formation", "s", Figures.of([ours]), "by hand", Figures.of([other]), goal)


@pytest.mark.parametrize(
    ("goal", "ours", "other", "ratio", "told"),
    [
        (None, 3.0, 2.0, "1.50 x", ""),
        (Goal(1.5), 3.0, 2.0, "1.50 x", "at most 1.5 x: held"),
        (Goal(1.4), 3.0, 2.0, "1.50 x", "at most 1.4 x: missed"),
        (Goal(10, at_least=True), 2.0, 30.0, "15 x", "at least 10 x: held"),
        (Goal(10, at_least=True), 2.0, 10.0, "5.00 x", "at least 10 x: missed"),
    ],
)
def test_a_row_tells_its_ratio_and_whether_the_goal_was_held(
    goal: Goal | None, ours: float, other: float, ratio: str, told: str
) -> None:
    assert row(goal, ours, other).cells()[-2:] == (ratio, told)


def test_what_never_ended_holds_no_goal() -> None:
    never = Row("formation", "s", Figures.of([None]), "by hand", Figures.of([1.0]), Goal(1.5))
    assert never.cells()[-2:] == ("-", "at most 1.5 x: -")


@pytest.mark.parametrize("goal", [None, Goal(10, at_least=True)])
def test_a_row_is_read_as_it_was_written(goal: Goal | None) -> None:
    assert from_json(json.loads(json.dumps(to_json(row(goal))))) == row(goal)


def test_the_page_holds_the_last_figures_of_each_part_and_keeps_its_words(tmp_path: Path) -> None:
    write(tmp_path, "cluster", Part((row(),), text="More.", pictures={"a": "<svg/>"}), ABOUT)
    before = "Words.\n\n<!-- table -->\nold\n<!-- /table -->\n\n<!-- cluster -->\n<!-- /cluster -->\n\nEnd.\n"
    after = page(before, tmp_path)
    assert after.startswith("Words.\n\n<!-- table -->\n| what |")
    assert one_table([row()]) in after
    assert "`python -m benchmarks`, 2026-11-27; 2 cores, Python 3.11.7, a load of 0.1 before.\n\nMore." in after
    assert after.endswith("<!-- /cluster -->\n\nEnd.\n")
    assert page(after, tmp_path) == after
    assert (tmp_path / "a.svg").read_text() == "<svg/>"
