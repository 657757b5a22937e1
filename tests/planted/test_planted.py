"""A sample of the planted bugs; ``make explore`` plants all of them."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.planted.bug import Bug
from tests.planted.bugs import BUGS
from tests.planted.hunt import hunt, planted

SAMPLE = [b for b in BUGS if b.scope][::4]


@pytest.mark.parametrize("bug", SAMPLE, ids=lambda b: b.name)
def test_a_planted_bug_is_caught(bug: Bug) -> None:
    assert hunt(bug._replace(tests=())).by


def test_every_bug_fits_the_code_as_it_is() -> None:
    for bug in BUGS:
        with planted(bug) as copy:
            assert all(edit.new in (copy / edit.path).read_text() for edit in bug.edits)


def test_there_are_enough_of_them_and_each_is_somebodys_to_catch() -> None:
    assert len(BUGS) >= 25
    assert len({b.name for b in BUGS}) == len(BUGS)
    for bug in BUGS:
        assert bug.scope or bug.tests, bug.name
        assert all(Path(t).is_file() for t in bug.tests), bug.name
