"""The controller's record of a cluster, as this instance needs it."""

from __future__ import annotations

import json
import re
from typing import Any, NamedTuple

from etcd_aws_agent.errors import RecordError, UnavailableError

SCHEMA = 1
STATES = ("new", "existing", "retired")

# Everything here ends up in a file that systemd reads: no quote, blank or line end gets past these.
SAFE_WORD = re.compile(r"[A-Za-z0-9._-]{1,255}", re.ASCII)
INSTANCE_ID = re.compile(r"i-[0-9a-f]{1,32}")
HEX_ID = re.compile(r"[0-9a-f]{1,16}")
URL = re.compile(r"https?://(?:[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\]):[0-9]{1,5}")


class Member(NamedTuple):
    """One entry of the record.

    Attributes:
        instance: instance id, or None where the controller could not match the member to an instance.
        member_id: etcd's member id in hex, or None before the cluster has formed.
        name: etcd's own name for the member; empty when it has not started.
        life: which life of a data directory belongs to this entry (`g<generation>` or the hex member id).
    """

    instance: str | None
    member_id: str | None
    name: str
    peer_urls: tuple[str, ...]
    client_urls: tuple[str, ...]
    started: bool
    learner: bool
    life: str


class Record(NamedTuple):
    """What the controller last published about a cluster."""

    state: str
    initial_cluster_token: str
    members: tuple[Member, ...]

    def entry_of(self, instance_id: str) -> Member | None:
        """Return the entry of an instance: the one with its id, else an unmatched one of its name."""
        by_instance = (member for member in self.members if member.instance == instance_id)
        by_name = (member for member in self.members if member.instance is None and member.name == instance_id)
        return next(by_instance, None) or next(by_name, None)


def parse_record(text: str, *, parameter: str, version: int | None = None) -> Record:
    """Read a record; keys that this version does not know are ignored.

    Args:
        text: the value of the parameter.
        parameter: its name, for messages.
        version: its version; without it, nothing is void.

    Raises:
        UnavailableError: it was written over another version than the one it follows, and is void: it came too late.
        RecordError: the text is no record of schema 1; the message names the parameter and the field.
    """
    try:
        document = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise RecordError(f"{parameter}: is not JSON ({error}); expected a record of schema {SCHEMA}") from error
    if not isinstance(document, dict):
        raise RecordError(f"{parameter}: is {type(document).__name__}; expected an object of schema {SCHEMA}")
    found = document.get("schema")
    if found != SCHEMA or isinstance(found, bool):
        raise RecordError(f"{parameter}: schema {found!r} found, schema {SCHEMA} expected")
    follows = document.get("follows")
    if version is not None and follows not in (None, version - 1):
        raise UnavailableError(f"{parameter}: version {version} was to follow {follows!r} and is void")
    fields = _Fields(document, f"{parameter}: ")
    state = fields.text("state", re.compile("|".join(STATES)))
    members = tuple(
        _parse_member(entry, f"{parameter}: members[{index}].") for index, entry in enumerate(fields.array("members"))
    )
    return Record(state=state, initial_cluster_token=fields.text("token", SAFE_WORD), members=members)


def _parse_member(entry: object, where: str) -> Member:
    if not isinstance(entry, dict):
        raise RecordError(f"{where[:-1]} is {entry!r}; expected an object")
    fields = _Fields(entry, where)
    peer_urls = fields.urls("peer_urls")
    if not peer_urls:
        raise RecordError(f"{where}peer_urls is empty; expected at least one URL")
    return Member(
        instance=fields.optional_text("instance", INSTANCE_ID),
        member_id=fields.optional_text("id", HEX_ID),
        name=fields.text("name", re.compile(r"[^\x00-\x1f]{0,1024}")),
        peer_urls=peer_urls,
        client_urls=fields.urls("client_urls"),
        started=fields.flag("started"),
        learner=fields.flag("learner"),
        life=fields.text("life", SAFE_WORD),
    )


class _Fields:
    """Typed access to a JSON object; every complaint names the field, its value and what was expected."""

    def __init__(self, document: dict[str, Any], where: str) -> None:
        self._document = document
        self._where = where

    def text(self, key: str, pattern: re.Pattern[str]) -> str:
        value = self._document.get(key)
        if not isinstance(value, str) or not pattern.fullmatch(value):
            self._complain(key, f"text that matches {pattern.pattern}")
        return str(value)

    def optional_text(self, key: str, pattern: re.Pattern[str]) -> str | None:
        return None if self._document.get(key) is None else self.text(key, pattern)

    def flag(self, key: str) -> bool:
        value = self._document.get(key)
        if not isinstance(value, bool):
            self._complain(key, "true or false")
        return bool(value)

    def array(self, key: str) -> list[object]:
        value = self._document.get(key)
        if not isinstance(value, list):
            self._complain(key, "an array")
        return list(value or ())

    def urls(self, key: str) -> tuple[str, ...]:
        urls = self.array(key)
        if not all(isinstance(url, str) and URL.fullmatch(url) for url in urls):
            self._complain(key, "URLs such as http://10.0.0.4:2380")
        return tuple(str(url) for url in urls)

    def _complain(self, key: str, expected: str) -> None:
        raise RecordError(f"{self._where}{key} is {self._document.get(key)!r}; expected {expected}")
