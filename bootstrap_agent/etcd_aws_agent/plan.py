"""What to do, from the record and the local disk; pure.

The table of docs/agent.md: a data directory is kept only when it is known to belong
to the life that the record's entry stands for.
"""

from __future__ import annotations

import enum
import ipaddress
from typing import NamedTuple, Union
from urllib.parse import urlsplit

from etcd_aws_agent.errors import ExitCode, RecordError
from etcd_aws_agent.identity import Identity
from etcd_aws_agent.record import Member, Record

# A rebooting etcd is not held up for longer by an AWS outage: what is on its disk decides then.
OUTAGE_PATIENCE_S = 10.0


class Absent(NamedTuple):
    """Parameter Store answered that there is no record."""


class Unreadable(NamedTuple):
    """No answer so far, for `for_s` seconds; this says nothing about the cluster."""

    problem: str
    for_s: float


Reading = Union[Record, Absent, Unreadable, RecordError]


class Marker(NamedTuple):
    """Content of the life marker: the cluster and the life that the local data belongs to."""

    initial_cluster_token: str
    life: str


class Local(NamedTuple):
    """What is on the disk.

    Attributes:
        has_wal: there is a write-ahead log, so an etcd has run here.
        marker: the life marker, or None if there is none.
        has_own_file: there is a peers file and it names this instance, not the one an image was made of.
    """

    has_wal: bool
    marker: Marker | None
    has_own_file: bool


class Action(enum.Enum):
    """What the agent does next."""

    WRITE = "write"
    KEEP = "keep"
    WAIT = "wait"
    REFUSE = "refuse"


class Decision(NamedTuple):
    """One action and its reason.

    Attributes:
        exit_code: of a refusal; of a wait, the one for when the deadline comes.
        state: etcd's initial cluster state, of a write.
        marker: the life marker to write before the file, or None to leave it alone.
        moves_data_aside: the local data is of another life and goes out of the way first.
    """

    action: Action
    reason: str
    exit_code: ExitCode = ExitCode.OK
    state: str = "existing"
    marker: Marker | None = None
    moves_data_aside: bool = False


def plan_member(reading: Reading, identity: Identity, local: Local) -> Decision:
    """Decide for an instance that runs a member of the cluster."""
    if isinstance(reading, (RecordError, Unreadable)):
        return _without_record(reading, may_keep=local.has_wal and local.has_own_file)
    if isinstance(reading, Absent) or reading.state == "retired":
        if local.has_wal and local.has_own_file:
            return Decision(Action.KEEP, "no record, and this member has data: local data decides")
        return Decision(Action.WAIT, "no record yet", ExitCode.NOT_LISTED_IN_TIME)
    own = reading.entry_of(identity.instance_id)
    return _not_listed(local) if own is None else _listed(reading, own, identity, local)


def _listed(record: Record, own: Member, identity: Identity, local: Local) -> Decision:
    if not _is_at(own, identity.private_ip):
        urls = ",".join(own.peer_urls)
        return _refuse(ExitCode.ADDRESS_CHANGED, f"the record has {urls}, this instance is {identity.private_ip}")
    if own.started:
        return _listed_and_started(record, local)
    return _listed_not_started(record, own, local)


def plan_proxy(reading: Reading, *, has_own_file: bool) -> Decision:
    """Decide for an instance that runs an etcd 2.x proxy; a proxy has no data, so a written file is always safe."""
    if isinstance(reading, (RecordError, Unreadable)):
        return _without_record(reading, may_keep=has_own_file)
    if isinstance(reading, Record) and reading.state != "retired" and any(not m.learner for m in reading.members):
        return Decision(Action.WRITE, "the record lists voters")
    if has_own_file:
        return Decision(Action.KEEP, "no voters in the record: the last list stays")
    return Decision(Action.WAIT, "no voters in the record yet", ExitCode.NOT_LISTED_IN_TIME)


def _without_record(reading: RecordError | Unreadable, *, may_keep: bool) -> Decision:
    if isinstance(reading, RecordError):
        if may_keep:
            return Decision(Action.KEEP, f"unusable record, the last file stays: {reading}")
        return _refuse(reading.exit_code, str(reading))
    if may_keep and reading.for_s >= OUTAGE_PATIENCE_S:
        return Decision(Action.KEEP, f"record not readable, the last file stays: {reading.problem}")
    return Decision(Action.WAIT, reading.problem, ExitCode.RECORD_NOT_READ_IN_TIME)


def _not_listed(local: Local) -> Decision:
    if local.has_wal:
        return _refuse(ExitCode.MEMBER_REMOVED, "the record does not list this instance, whose disk has data")
    return Decision(Action.WAIT, "not listed in the record yet", ExitCode.NOT_LISTED_IN_TIME)


def _listed_and_started(record: Record, local: Local) -> Decision:
    if not local.has_wal:
        return _refuse(ExitCode.DATA_LOST, "the member has run before and its data is gone: replace the instance")
    # An adopted cluster has no marker.
    if local.marker and local.marker.initial_cluster_token != record.initial_cluster_token:
        found, expected = local.marker.initial_cluster_token, record.initial_cluster_token
        return _refuse(ExitCode.DATA_OF_ANOTHER_CLUSTER, f"data of cluster {found}, the record is of {expected}")
    return Decision(Action.WRITE, "the member has run before and has its data")


def _listed_not_started(record: Record, own: Member, local: Local) -> Decision:
    marker = Marker(initial_cluster_token=record.initial_cluster_token, life=own.life)
    # Only the cohort of a new cluster may start it; whoever was added later joins it.
    state = "new" if record.state == "new" and own.life.startswith("g") else "existing"
    if not local.has_wal:
        return Decision(Action.WRITE, "listed, to start for the first time", state=state, marker=marker)
    if local.marker == marker:
        return Decision(Action.WRITE, "listed, and the data is of this life", state=state, marker=marker)
    return Decision(
        Action.WRITE, "listed, and the data is of another life", state=state, marker=marker, moves_data_aside=True
    )


def _is_at(own: Member, private_ip: str) -> bool:
    """Tell whether a peer URL is at the address; a host name cannot be compared and passes."""
    return any(_host_may_be(urlsplit(url).hostname or "", private_ip) for url in own.peer_urls)


def _host_may_be(host: str, private_ip: str) -> bool:
    try:
        return ipaddress.ip_address(host) == ipaddress.ip_address(private_ip)
    except ValueError:
        return True


def _refuse(exit_code: ExitCode, reason: str) -> Decision:
    return Decision(Action.REFUSE, reason, exit_code)
