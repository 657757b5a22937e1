"""What is printed of seeds, and what is read back."""

from __future__ import annotations

from pathlib import Path

from lab.torture import report
from lab.torture.trial import Result

KILLED = {"kind": "etcd killed", "fault": "1: etcd killed #0", "at": 1.0, "targets": ["i-1"], "problem": ""}
NOT_KILLED = {**KILLED, "problem": "no etcd runs on i-1"}
PASSED = Result(seed=4, size=3, applied=[KILLED, NOT_KILLED], seconds=30.0, writes=1000)
FAILED = Result(seed=2, size=5, applied=[NOT_KILLED], seconds=90.0, writes=10, lost=1, problems=["lost: k1"])


def test_a_line_tells_what_was_done_and_what_not() -> None:
    assert "passed  [etcd killed, etcd killed (not applied)]" in report.line(PASSED)
    assert "FAILED: lost: k1" in report.line(FAILED)


def test_the_table_counts_what_was_applied_and_says_why_not() -> None:
    table = report.table([PASSED, FAILED])
    assert "| etcd killed | 2 | 1 | 2 (2 x no etcd runs on) |" in table
    assert "| majority lost | 0 | 0 | 0 |" in table
    assert "2 seeds, 1 passed, 1 failed (2); 1010 writes acknowledged, 1 lost" in table


def test_results_are_read_back_the_last_of_a_seed(tmp_path: Path) -> None:
    file = tmp_path / "seeds.jsonl"
    again = Result(seed=2, size=5, writes=11)
    file.write_text("".join(report.to_json(each) + "\n" for each in (PASSED, FAILED, again)))
    assert report.load(file) == [again, PASSED]
