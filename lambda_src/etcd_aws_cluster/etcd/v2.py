"""The v2 members API: all that etcd 2.x has. No learners, no transfer of leadership, ids in hex, hardly a reason."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace
from datetime import timedelta
from http import HTTPStatus

from ..core.errors import EtcdError, OutcomeUnknownError, RejectedError, Rejection
from ..core.model import ClusterId, MemberId, Reading
from . import errors, wire
from .transport import Answer, Transport

# etcd itself gives up after 7 s with the very 500 that refuses a change at once. Whoever waits less can tell
# the two apart.
MAX_READ_TIMEOUT = timedelta(seconds=5)

_CLUSTER_ID_HEADER = "X-Etcd-Cluster-Id"
_GONE = ("No such member:", "Member permanently removed:")
_NO_LEARNERS = "the v2 API has no learners"


class MembersV2:
    """The members API of etcd 2.x, which 3.x up to 3.5 can serve as well."""

    def __init__(self, transport: Transport, versions: wire.Versions) -> None:
        self._transport = transport
        self._versions = versions

    def read(self, endpoint: str) -> Reading:
        """Ask who is there, for a read that takes a quorum, and for the list."""
        reading = Reading(endpoint=endpoint, version=self._versions.text, supports_learners=False)
        try:
            own, leader = wire.parse_v2_self(self._get(endpoint, "/v2/stats/self").json())
            reading = replace(reading, member_id=own)
            raft_index, problem = self._linearizable_read(endpoint)
            listed = self._get(endpoint, "/v2/members")
            cluster_id = ClusterId(wire.hex_id(listed.headers.get(_CLUSTER_ID_HEADER), _CLUSTER_ID_HEADER))
            reading = replace(reading, cluster_id=cluster_id)
            if problem:
                return replace(reading, problem=problem)
            members = wire.parse_v2_members(listed.json())
            return replace(reading, leader_id=leader, raft_index=raft_index, members=members)
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

    def _linearizable_read(self, endpoint: str) -> tuple[int, str]:
        """Return the raft index of a read that took a quorum, or why there was none.

        The keys themselves are nobody's business here, and may be many: only the headers are read.
        """
        try:
            answer = self._get(endpoint, "/v2/keys/?quorum=true", wants_body=False)
        except EtcdError as error:
            return 0, str(error)
        return wire.decimal_id(answer.headers.get("X-Raft-Index"), "X-Raft-Index"), ""

    def _get(self, endpoint: str, path: str, *, wants_body: bool = True) -> Answer:
        answer = self._transport.send("GET", endpoint, path, wants_body=wants_body)
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
        answer = self._transport.send(method, endpoint, path, body, max_read_timeout=MAX_READ_TIMEOUT)
        if answer.status in {HTTPStatus.CREATED, HTTPStatus.NO_CONTENT}:
            return
        error = errors.to_v2_error(answer, expected=expected)
        if error is not None:
            raise error
