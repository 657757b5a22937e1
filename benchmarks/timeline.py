"""Where the time went: the lab's journal, the function's log and etcd's log, put on one line of epoch seconds.

The function logs a decision before it acts on it, so an action lasts until the next decision.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

Journal = Sequence[Mapping[str, Any]]
_SHORT = {
    "PromoteMember": "promote",
    "MoveLeadership": "transfer",
    "RemoveMember": "remove",
    "CompleteLifecycleAction": "complete",
}
_READY = "ready to serve client requests"


class MissingMomentError(Exception):
    """A log does not tell a moment that a step begins or ends with."""


@dataclass(frozen=True)
class Line:
    """A line of the function's log.

    Attributes:
        at: when, in epoch seconds.
        message: ``message`` (received), ``decision``, ``run`` (ended), or trouble.
        action: what a decision does; empty if it waits.
        reason: why.
        detail: about whom.
    """

    at: float
    message: str
    action: str
    reason: str
    detail: str


def parse_log(lines: Iterable[str]) -> list[Line]:
    """Return the function's own lines in the order of time; Lambda's and the metrics' are left out."""
    documents = (json.loads(line) for line in lines if line.startswith('{"level"'))
    found = [
        Line(
            at=datetime.strptime(told["timestamp"], "%Y-%m-%d %H:%M:%S,%f%z").timestamp(),
            message=told["message"],
            action=told.get("action", ""),
            reason=told.get("reason", ""),
            detail=told.get("detail", ""),
        )
        for told in documents
    ]
    return sorted(found, key=lambda line: line.at)


def etcd_serves_at(log: str) -> float:
    """Return when an etcd first served clients, by its own log.

    Raises:
        MissingMomentError: it never did.
    """
    found = re.search(rf'^\{{.*?"ts":"([^"]+)".*"msg":"{_READY}"', log, re.MULTILINE)
    if not found:
        raise MissingMomentError(f"etcd's log has no {_READY!r}")
    return datetime.fromisoformat(found[1]).timestamp()


def moment(journal: Journal, to: str, *, instance: str | None = None) -> Mapping[str, Any]:
    """Return the last record of the journal that tells a change to that state, of one instance or of any.

    Raises:
        MissingMomentError: there is none.
    """
    for record in reversed(journal):
        if record["to"] == to and instance in {None, record["instance"]}:
            return record
    raise MissingMomentError(f"the journal has no {to} of {instance or 'any instance'}")


def replacement(journal: Journal, log: Sequence[Line], *, instance: str, etcd_serves: float) -> dict[str, float]:
    """Return the seconds of each step from an instance's Pending:Wait to its InService."""
    add = _decision(log, "AddMember", detail=instance)
    promote = _decision(log, "PromoteMember", after=add)
    added = _next(log, add)
    return steps(
        moment(journal, "Pending:Wait", instance=instance)["epoch"],
        {
            "event": _message_before(log, add),
            "observe": add.at,
            "add": added.at,
            "publish": _next(log, added).at,
            "agent": moment(journal, "agent-done", instance=instance)["epoch"],
            "etcd start": etcd_serves,
            "catch-up": promote.at,
            "promote": _next(log, promote).at,
            "complete": moment(journal, "InService", instance=instance)["epoch"],
        },
    )


def formation(journal: Journal, log: Sequence[Line], *, etcd_serves: float) -> dict[str, float]:
    """Return the seconds of each step from the last instance's Pending:Wait to the last one's InService."""
    form = _decision(log, "FormCluster")
    return steps(
        moment(journal, "Pending:Wait")["epoch"],
        {
            "event": _message_before(log, form),
            "observe": form.at,
            "publish": _next(log, form).at,
            "agent": moment(journal, "agent-done")["epoch"],
            "etcd start": etcd_serves,
            "catch-up": _decision(log, "ConcludeFormation", reason="FORMED", after=form).at,
            "complete": moment(journal, "InService")["epoch"],
        },
    )


def decided(log: Sequence[Line]) -> list[tuple[float, str]]:
    """Return when what was done that a client could notice, in epoch seconds.

    A member that etcd refuses at first counts when it is added: when the next thing is decided.
    """
    told = []
    for line in log:
        if line.action == "AddMember":
            told.append((_next(log, line).at, "add"))
        elif line.action in _SHORT:
            told.append((line.at, _SHORT[line.action]))
    return told


def steps(began: float, ends: Mapping[str, float]) -> dict[str, float]:
    """Return how long each step took. One that ended before its predecessor ran beside it, and took nothing."""
    took, latest = {}, began
    for name, at in ends.items():
        took[name] = max(at - latest, 0.0)
        latest = max(latest, at)
    return took


def _decision(
    log: Sequence[Line], action: str, *, detail: str | None = None, reason: str | None = None, after: Line | None = None
) -> Line:
    for line in log:
        is_asked_for = line.action == action and detail in {None, line.detail} and reason in {None, line.reason}
        if is_asked_for and (after is None or line.at >= after.at):
            return line
    raise MissingMomentError(f"the function's log has no {action} {detail or reason or ''}")


def _next(log: Sequence[Line], line: Line) -> Line:
    for later in log[log.index(line) + 1 :]:
        if later.message == "decision":
            return later
    raise MissingMomentError(f"the function's log ends with {line.action or line.reason}")


def _message_before(log: Sequence[Line], line: Line) -> float:
    """Return when the function got the message that the run with that line was for."""
    return max((each.at for each in log if each.message == "message" and each.at <= line.at), default=line.at)
