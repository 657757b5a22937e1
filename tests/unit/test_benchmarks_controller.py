"""What the benchmark of the controller computes from what it has seen."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest

from benchmarks.controller import MEMBERS, OTHERS, Measured, part, rows
from benchmarks.controller_account import between, peak_of
from benchmarks.controller_code import Case, counted, environment, zipped_mib
from benchmarks.controller_report import medians, pictures, text
from benchmarks.part import to_json

STARTS = (
    "python",
    "needs",
    "needs, kept",
    "ready",
    "needs, http",
    "ready, http",
    "usual",
    "ready, not compiled",
    "ready, as installed",
    "first tick",
    "bare first tick",
)
STAGES = (
    "Python",
    "botocore",
    "HTTP to etcd",
    "Powertools, X-Ray",
    "cryptography",
    "our modules",
    "clients",
    "first tick",
)


def measured() -> Measured:
    starts = {name: Case(name, [], {}, cpu_s=[0.2, 0.3], rss_mib=[50.0, 60.0]) for name in STARTS}
    starts["ready"].cpu_s = [0.21, 0.32]
    calls = [(members, 0) for members in MEMBERS] + [(3, others) for others in OTHERS]
    return Measured(
        starts=starts,
        stages={name: [dict.fromkeys(STAGES, 0.01)] for name in ("as installed", "not compiled", "deployed")},
        ticks={who: {count: [10.0 + count] for count in MEMBERS} for who in ("ours", "bare")},
        waited={who: {count: [20.0 + count] for count in MEMBERS} for who in ("ours", "bare")},
        account={who: {count: [10.0, 12.0] for count in OTHERS} for who in ("ours", "bare")},
        calls=[
            {"members": m, "others": o, "aws": 5, "etcd": 3 * m, "aws_bytes": 1024, "etcd_bytes": 1024}
            for m, o in calls
        ],
        peak_mib=64.0,
        instructions={"needs": 2.0, "ready": 2.1},
        zipped_mib={"deployed": 10.0, "as installed": 8.0, "with boto3": 20.0},
    )


def test_a_start_is_compared_with_what_it_needs() -> None:
    first = rows(measured())[0]

    assert first.ratio == pytest.approx(265 / 250)
    assert first.cells()[-1] == "at most 1.1 x: held"


def test_a_tick_in_a_large_account_is_compared_with_one_in_a_small_account() -> None:
    told = measured()
    told.account["ours"][1000] = [22.0]

    (row,) = (each for each in rows(told) if "in the account" in each.what)
    assert row.cells()[-1] == "at most 1.1 x: missed"


def test_the_most_memory_is_the_largest_that_was_seen() -> None:
    told = measured()
    told.starts["first tick"].rss_mib = [70.0, 66.0]

    (row,) = (each for each in rows(told) if each.what == "most memory")
    assert row.ours.values == (70.0,)
    assert row.cells()[-1] == "at most 1 x: held"


def test_without_valgrind_there_is_no_row_of_instructions() -> None:
    told = measured()
    assert any("instructions" in each.unit for each in rows(told))
    told.instructions = {}
    assert not any("instructions" in each.unit for each in rows(told))


def test_what_was_seen_is_told_in_words_and_pictures_and_kept() -> None:
    told = part(measured())

    assert "| 9 | 0 | 19.0 [19.0-19.0] | 19.0 [19.0-19.0] | 5 | 27 | 2.0 |" in told.text
    assert "| 3 | 1000 | 11.0 [10.0-12.0] | 11.0 [10.0-12.0] | 5 | 9 | 2.0 |" in told.text
    assert "| all | 80 | 80 | 80 |" in told.text
    assert told.raw["starts"]["ready"]["cpu_s"] == [0.21, 0.32]
    assert [to_json(each) for each in told.rows]
    assert told.text == text(measured())


def test_pictures_are_the_same_for_the_same_figures() -> None:
    drawn = pictures(measured())

    assert drawn == pictures(measured())
    assert set(drawn) == {"controller-cold-start", "controller-ticks"}
    assert all(svg.startswith("<?xml") for svg in drawn.values())


def test_a_stage_lasts_from_the_mark_before() -> None:
    assert between({"Python": 0.5, "botocore": 2.0}) == {"Python": 0.5, "botocore": 1.5}
    assert medians([{"a": 1.0}, {"a": 3.0}]) == {"a": 2000.0}


def test_the_peak_of_memory_is_read_from_the_status_of_a_process() -> None:
    assert peak_of("Name:\tpython\nVmHWM:\t   65536 kB\n") == 64.0
    with pytest.raises(LookupError):
        peak_of("Name:\tpython\n")


def test_instructions_are_read_from_what_cachegrind_says() -> None:
    assert counted("==1== \n==1== I   refs:      1,234,567\n") == 1_234_567
    with pytest.raises(LookupError, match="no such tool"):
        counted("no such tool")


def test_the_function_has_its_own_variables_and_code_that_cannot_be_written_to() -> None:
    env = environment(Path("/code"), {"CLUSTER_NAME": "etcd", "AWS_REGION": "eu-west-1"})

    assert (env["CLUSTER_NAME"], env["AWS_REGION"]) == ("etcd", "eu-west-1")
    assert (env["PYTHONPATH"], env["PYTHONDONTWRITEBYTECODE"]) == ("/code", "1")


def test_a_zip_holds_the_files_of_all_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("code", "boto3"):
        (tmp_path / name / "sub").mkdir(parents=True)
        (tmp_path / name / "sub" / "x.py").write_text("x")
    names: list[str] = []
    monkeypatch.setattr(zipfile.ZipFile, "write", lambda _archive, _path, told: names.append(str(told)))

    assert zipped_mib(tmp_path / "code", tmp_path / "boto3") > 0
    assert names == ["code/sub/x.py", "boto3/sub/x.py"]


def test_each_python_has_a_row_and_one_that_is_not_there_is_said_not_to_be_run() -> None:
    starts = {
        name: Case(name, [], {}, cpu_s=[took])
        for name, took in (("needs", 0.2), ("needs, kept", 0.19), ("ready", 0.21))
    }
    told = measured()
    told.pythons = {"3.14": starts}

    (row,) = (each for each in rows(told) if "Python" in each.what)
    assert row.what == "cold start, with certificates, Python 3.14, the default runtime"
    assert row.cells()[-1] == "at most 1.1 x: held"
    assert "| 3.13 | not run: not on this machine |" in text(told)
    assert "| 200 [200-200] | 190 [190-190] | 210 [210-210] | 1.05 x |" in text(told)
