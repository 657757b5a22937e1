"""The v2 members API: all that etcd 2.x has. No learners, no transfer of leadership, ids in hex, hardly a reason."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace
from datetime import timedelta
from http import HTTPStatus
from urllib.parse import urlsplit

from ..core.errors import EtcdError, OutcomeUnknownError, RejectedError, Rejection
from ..core.model import ClusterId, Member, MemberId, Reading
from . import errors, wire
from .login import Login
from .transport import Answer, Transport

# etcd itself gives up after 7 s with the very 500 that refuses a change at once. Whoever waits less can tell
# the two apart.
MAX_READ_TIMEOUT = timedelta(seconds=5)

_CLUSTER_ID_HEADER = "X-Etcd-Cluster-Id"
_GONE = ("No such member:", "Member permanently removed:")
_NO_LEARNERS = "the v2 API has no learners"


class MembersV2:
    """The members API of etcd 2.x, which 3.x up to 3.5 can serve as well."""

    def __init__(self, transport: Transport, versions: wire.Versions, login: Login) -> None:
        self._transport = transport
        self._versions = versions
        self._login = login

    def read(self, endpoint: str) -> Reading:
        """Ask for the list, who is there, who leads, and for a read that takes a quorum."""
        reading = Reading(endpoint=endpoint, version=self._versions.text, supports_learners=False)
        try:
            listed = self._get(endpoint, "/v2/members")
            members = wire.parse_v2_members(listed.json())
            reading = replace(
                reading,
                cluster_id=ClusterId(wire.hex_id(listed.headers.get(_CLUSTER_ID_HEADER), _CLUSTER_ID_HEADER)),
                member_id=self._own_id(endpoint, members),
                unproven_members=members,
            )
            leader = self._leader(endpoint)
            raft_index = self._linearizable_read(endpoint)
            members = wire.parse_v2_members(self._get(endpoint, "/v2/members").json())
            return replace(reading, leader_id=leader, raft_index=raft_index, members=members, unproven_members=None)
        except ValueError as error:
            return replace(reading, problem=f"an answer that is not etcd's: {error}")
        except EtcdError as error:
            return replace(reading, problem=str(error))

    def add_member(self, endpoint: str, peer_url: str, *, as_learner: bool) -> None:
        """Add a voter; see the port."""
        if as_learner:
            raise RejectedError(Rejection.OTHER, _NO_LEARNERS)
        self._change("POST", endpoint, "/v2/members", {"peerURLs": [peer_url]})

    def promote_member(self, endpoint: str, member_id: MemberId) -> None:
        """Refuse: there is nobody to promote."""
        raise RejectedError(Rejection.OTHER, f"{_NO_LEARNERS}: {member_id:x} of {endpoint} is not one")

    def remove_member(self, endpoint: str, member_id: MemberId) -> None:
        """Remove a member; see the port."""
        self._change("DELETE", endpoint, f"/v2/members/{member_id:x}", expected=_GONE)

    def move_leadership(self, endpoint: str, target: MemberId) -> None:
        """Refuse: the call came with 3.3."""
        raise RejectedError(Rejection.OTHER, f"the v2 API cannot make {target:x} the leader of {endpoint}")

    def _own_id(self, endpoint: str, members: tuple[Member, ...]) -> MemberId:
        answer = self._get(endpoint, "/v2/stats/self")
        if answer.body:
            return wire.parse_v2_id(answer.json())
        # For a second after a lone message etcd divides by zero and says nothing; measured on 3.4 and 3.5.
        # https://github.com/etcd-io/etcd/blob/v3.4.23/etcdserver/api/v2stats/queue.go (Rate)
        # It may advertise http, https or both (on the way to TLS).
        address = urlsplit(endpoint).netloc
        here = [m.member_id for m in members if address in {urlsplit(url).netloc for url in m.client_urls}]
        if len(here) != 1:
            raise ValueError(f"{answer.request} is empty, and {endpoint} is the client URL of {len(here)} members")
        return here[0]

    def _leader(self, endpoint: str) -> MemberId | None:
        """Return the leader; /v2/stats/self would name a lost one for ever."""
        answer = self._transport.send("GET", endpoint, "/v2/members/leader", headers=self._login.password())
        if answer.status == HTTPStatus.SERVICE_UNAVAILABLE:
            # Asking on would take until the read timeout, for the same answer.
            raise OutcomeUnknownError(f"it knows of no leader: {answer.excerpt}")
        return wire.parse_v2_id(answer.json()) if answer.status == HTTPStatus.OK else None

    def _linearizable_read(self, endpoint: str) -> int:
        """Return the raft index of a read that took a quorum.

        The keys themselves are nobody's business here, and may be many: only the headers are read.
        """
        answer = self._get(endpoint, "/v2/keys/?quorum=true", wants_body=False)
        return wire.decimal_id(answer.headers.get("X-Raft-Index"), "X-Raft-Index")

    def _get(self, endpoint: str, path: str, *, wants_body: bool = True) -> Answer:
        answer = self._transport.send("GET", endpoint, path, headers=self._login.password(), wants_body=wants_body)
        if answer.status != HTTPStatus.OK:
            raise OutcomeUnknownError(answer.excerpt)
        return answer

    def _change(
        self,
        method: str,
        endpoint: str,
        path: str,
        body: Mapping[str, object] | None = None,
        *,
        expected: Collection[str] = (),
    ) -> None:
        answer = self._transport.send(
            method, endpoint, path, body, headers=self._login.password(), max_read_timeout=MAX_READ_TIMEOUT
        )
        if answer.status in {HTTPStatus.CREATED, HTTPStatus.NO_CONTENT}:
            return
        error = errors.to_v2_error(answer, expected=expected)
        if error is not None:
            raise error
