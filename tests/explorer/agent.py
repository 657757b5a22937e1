"""The shipped agent's decision on a host of the small world."""

from __future__ import annotations

import enum
import functools

from etcd_aws_agent.identity import Identity
from etcd_aws_agent.plan import Absent, Action, Local, Marker, plan_member
from etcd_aws_agent.record import parse_record
from tests.explorer.render import Names, record_of
from tests.explorer.state import EMPTY, FOREIGN, LOST, NO_RECORD, OWN, Entry, Head, Node


class Boot(enum.Enum):
    """What etcd may start from."""

    NOT = enum.auto()
    NEW = enum.auto()
    EXISTING = enum.auto()
    DATA = enum.auto()


@functools.cache
def boot(head: Head, entry: Entry, data: int) -> Boot:
    """Ask the shipped agent."""
    names = Names(1)
    identity = Identity(instance_id=names.instance(0), private_ip="10.0.0.1", region="eu-west-1")
    token, life = "etcd-t-g1", "unknown"
    reading: object = Absent()
    if head.state != NO_RECORD:
        record = record_of(head, (Node(entry=entry),), names)
        reading = parse_record(record.to_json(), parameter="record")
        token = record.token
        life = record.members[0].life if record.members else life
    marker = Marker(token, life if data != FOREIGN else "another")
    local = Local(
        has_wal=data in (OWN, FOREIGN), marker=None if data in (EMPTY, LOST) else marker, has_own_file=data != EMPTY
    )
    decision = plan_member(reading, identity, local)  # type: ignore[arg-type]
    if decision.action is Action.KEEP:
        return Boot.DATA
    if decision.action is not Action.WRITE:
        return Boot.NOT
    return Boot.NEW if decision.state == "new" else Boot.EXISTING
