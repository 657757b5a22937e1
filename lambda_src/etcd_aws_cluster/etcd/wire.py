"""etcd's JSON <-> the model. A shape that etcd does not send is a ValueError that names the field, never a crash."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import NamedTuple, cast

from ..core.model import ClusterId, EtcdAlarm, Member, MemberId

MAX_MEMBERS = 100
"""Clusters have 3 to 9 members; a list far beyond that is not a list of members."""

_MAX_ID = 2**64 - 1
_DECIMAL = re.compile(r"[0-9]{1,20}")
_HEX = re.compile(r"[0-9a-f]{1,16}", re.IGNORECASE)
_TOKEN = re.compile(r"[A-Za-z0-9._-]{1,8192}")  # etcd's own kind, or a JWT
_VERSION = re.compile(r"([0-9]{1,4})\.([0-9]{1,4})(?:[.+-].*)?")
_ALARM = re.compile(r"memberID:\s*([0-9]{1,20})\s+alarm:\s*([A-Z]{1,20})\s*")


class Versions(NamedTuple):
    """GET /version.

    Attributes:
        server: Major and minor of the one that answered.
        cluster: The version all members agree on; None until the cluster has decided on one.
        text: The server's version in full.
    """

    server: tuple[int, int]
    cluster: tuple[int, int] | None
    text: str


class Header(NamedTuple):
    """Who answered, for which cluster; the v3 API says it in every answer."""

    cluster_id: ClusterId
    member_id: MemberId


class Status(NamedTuple):
    """POST /v3/maintenance/status.

    Attributes:
        database_bytes: None where it is not told.
        quota_bytes: None where it is not told: before 3.6.
        alarms: Those among its ``errors``, where before 3.4 there are none, whatever is so; None: not to be understood.
    """

    header: Header
    version: str
    leader_id: MemberId | None
    raft_index: int
    is_learner: bool
    database_bytes: int | None
    quota_bytes: int | None
    alarms: frozenset[EtcdAlarm] | None


def parse_versions(raw: object) -> Versions:
    """Return what GET /version says; etcd 2.0 and older say less, and are not served."""
    fields = _mapping(raw, "answer")
    text = _text(fields.get("etcdserver"), "etcdserver")
    server = _VERSION.fullmatch(text)
    if server is None:
        raise ValueError(f"etcdserver is {text[:40]!r}, expected a version such as 3.5.1")
    # "not_decided" while a cluster forms; https://github.com/etcd-io/etcd/blob/main/server/etcdserver/api/etcdhttp
    cluster = _VERSION.fullmatch(_text(fields.get("etcdcluster", ""), "etcdcluster"))
    return Versions(
        server=(int(server[1]), int(server[2])),
        cluster=(int(cluster[1]), int(cluster[2])) if cluster else None,
        text=text,
    )


def parse_header(raw: object) -> Header:
    """Return the header of a v3 answer."""
    header = _mapping(_mapping(raw, "answer").get("header"), "header")
    return Header(
        cluster_id=ClusterId(decimal_id(header.get("cluster_id"), "header.cluster_id")),
        member_id=MemberId(decimal_id(header.get("member_id"), "header.member_id")),
    )


def parse_status(raw: object) -> Status:
    """Return a v3 member's status. 3.0 to 3.3 do not tell the applied index; the log's index stands in."""
    fields = _mapping(raw, "answer")
    index = fields.get("raftAppliedIndex", fields.get("raftIndex", 0))
    return Status(
        header=parse_header(raw),
        version=_text(fields.get("version"), "version"),
        leader_id=MemberId(_number(fields.get("leader", 0), "leader")) or None,
        raft_index=_number(index, "raftAppliedIndex"),
        is_learner=_flag(fields.get("isLearner", False), "isLearner"),
        database_bytes=_size(fields.get("dbSize")),
        quota_bytes=_size(fields.get("dbSizeQuota")),
        alarms=_alarms(fields.get("errors")),
    )


def parse_members(raw: object) -> tuple[Member, ...]:
    """Return the member list of a v3 answer, by id."""
    return _members(raw, "ID", decimal_id)


def parse_token(raw: object) -> str:
    """Return the token of POST /v3/auth/authenticate, which is sent back in a header."""
    token = _text(_mapping(raw, "answer").get("token"), "token")
    if not _TOKEN.fullmatch(token):
        raise ValueError("token is not of letters, digits and . _ -")
    return token


def parse_v2_members(raw: object) -> tuple[Member, ...]:
    """Return the member list of a v2 answer, by id."""
    return _members(raw, "id", hex_id)


def parse_v2_id(raw: object) -> MemberId:
    """Return the id that GET /v2/stats/self and GET /v2/members/leader are about."""
    return MemberId(hex_id(_mapping(raw, "answer").get("id"), "id"))


def decimal_id(raw: object, field: str) -> int:
    """Return a uint64 that the v3 API writes as a decimal string; a number does too. Zero is nobody's id."""
    value = _number(raw, field)
    if value == 0:
        raise ValueError(f"{field} is 0, expected an id")
    return value


def hex_id(raw: object, field: str) -> int:
    """Return a uint64 that the v2 API writes in hex."""
    value = int(raw, 16) if isinstance(raw, str) and _HEX.fullmatch(raw) else 0
    if value == 0:
        raise _unexpected(raw, field, "an id in hex")
    return value


def _members(raw: object, id_field: str, parse_id: Callable[[object, str], int]) -> tuple[Member, ...]:
    entries = _mapping(raw, "answer").get("members")
    if not isinstance(entries, list) or not 0 < len(entries) <= MAX_MEMBERS:
        raise _unexpected(entries, "members", f"a list of 1 to {MAX_MEMBERS}")
    members = {m.member_id: m for m in (_member(entry, id_field, parse_id) for entry in entries)}
    if len(members) != len(entries):
        raise ValueError("members has an id twice")
    return tuple(members[member_id] for member_id in sorted(members))


def _member(raw: object, id_field: str, parse_id: Callable[[object, str], int]) -> Member:
    fields = _mapping(raw, "members[]")
    return Member(
        member_id=MemberId(parse_id(fields.get(id_field), f"members[].{id_field}")),
        name=_text(fields.get("name", ""), "members[].name"),
        peer_urls=_texts(fields.get("peerURLs", []), "members[].peerURLs"),
        client_urls=_texts(fields.get("clientURLs", []), "members[].clientURLs"),
        is_learner=_flag(fields.get("isLearner", False), "members[].isLearner"),
    )


def _size(raw: object) -> int | None:
    """Return a number of bytes, which protobuf's JSON leaves out when it is 0.

    Whoever decides does not need it: what is no size is unknown, and spoils no answer.
    """
    try:
        return _number(raw, "size") or None
    except ValueError:
        return None


def _alarms(raw: object) -> frozenset[EtcdAlarm] | None:
    """Return the alarms among a status's errors, which tell of a missing leader too; None where one cannot be read.

    https://github.com/etcd-io/etcd/blob/v3.4.23/etcdserver/api/v3rpc/maintenance.go (Status)
    """
    errors = [] if raw is None else raw
    if not isinstance(errors, list):
        return None
    told = [error for error in errors if not isinstance(error, str) or "alarm" in error]
    found = [_ALARM.fullmatch(error) for error in told if isinstance(error, str)]
    alarms = frozenset(EtcdAlarm(MemberId(int(match[1])), match[2]) for match in found if match)
    return alarms if len(alarms) == len(told) else None


def _mapping(raw: object, field: str) -> Mapping[str, object]:
    if not isinstance(raw, dict):
        raise _unexpected(raw, field, "an object")
    return cast("dict[str, object]", raw)


def _text(raw: object, field: str) -> str:
    if not isinstance(raw, str):
        raise _unexpected(raw, field, "a string")
    return raw


def _texts(raw: object, field: str) -> tuple[str, ...]:
    if not isinstance(raw, list):
        raise _unexpected(raw, field, "a list of strings")
    return tuple(_text(item, f"{field}[]") for item in raw)


def _flag(raw: object, field: str) -> bool:
    if not isinstance(raw, bool):
        raise _unexpected(raw, field, "true or false")
    return raw


def _number(raw: object, field: str) -> int:
    if isinstance(raw, str) and _DECIMAL.fullmatch(raw):
        value = int(raw)
    elif isinstance(raw, int) and not isinstance(raw, bool):
        value = raw
    else:
        raise _unexpected(raw, field, "a decimal uint64")
    if not 0 <= value <= _MAX_ID:
        raise _unexpected(raw, field, "a decimal uint64")
    return value


def _unexpected(raw: object, field: str, expected: str) -> ValueError:
    found = f"{len(raw)} items" if isinstance(raw, list) else repr(raw)[:60]
    return ValueError(f"{field} is {found}, expected {expected}")
