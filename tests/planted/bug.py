"""What a planted bug is: what to write instead of what. Where each has been seen is in ``origin``.

seed: the script that this project follows. The rest are projects that do the same job; docs/explorer.md names them.
"""

from __future__ import annotations

from typing import NamedTuple

CORE = "lambda_src/etcd_aws_cluster/core/"
APP = "lambda_src/etcd_aws_cluster/app/"
ETCD = "lambda_src/etcd_aws_cluster/etcd/"
AWS = "lambda_src/etcd_aws_cluster/aws/"
AGENT = "bootstrap_agent/etcd_aws_agent/"


class Edit(NamedTuple):
    """In a file, what is there and what is written instead."""

    path: str
    old: str
    new: str


class Bug(NamedTuple):
    """One bug.

    Attributes:
        scope: The explorer's scope that is to catch it; empty where it is outside of what the explorer runs.
        tests: Test files that are to catch it; empty where only the explorer can.
        is_blind: The second look is switched off too, so that the world itself must show the harm.
    """

    name: str
    origin: str
    edits: tuple[Edit, ...]
    scope: str = ""
    tests: tuple[str, ...] = ()
    is_blind: bool = False


BLINDFOLD = Edit(
    CORE + "invariants.py",
    "    match action:\n        case FormCluster(record):",
    "    return\n    match action:\n        case FormCluster(record):",
)
FORMED, FORMING, SCENARIOS = (
    "tests/unit/core/test_formed_cluster.py",
    "tests/unit/core/test_forming.py",
    "tests/unit/app/test_scenarios.py",
)
FAILED_CALLS = "tests/unit/app/test_failed_calls.py"
LEARNERLESS = "tests/unit/core/test_without_learners.py"
CHANGES, READING, STORE = (
    "tests/unit/etcd/test_etcd_changes.py",
    "tests/unit/etcd/test_etcd_reading.py",
    "tests/unit/aws/test_parameter_store.py",
)
AGENT_PLAN = "tests/unit/agent/test_agent_plan.py"


def core(file: str, old: str, new: str) -> tuple[Edit, ...]:
    """Return the one edit of a file of the core."""
    return (Edit(CORE + file, old, new),)
