"""The v3 API, through the JSON gateway that every etcd 3.x has on its client port."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from functools import partial
from http import HTTPStatus

from ..core.errors import EtcdError, NotSentError, OutcomeUnknownError, RejectedError, Rejection
from ..core.model import Member, MemberId, Reading
from . import errors, wire
from .login import Login, User
from .transport import Answer, Transport

# A transfer takes 0.1 s; one to a member that died hangs for a minute, and its outcome is looked up anyway.
TRANSFER_READ_TIMEOUT = timedelta(seconds=1)

_LEARNERS_SINCE = (3, 4)
_LINEARIZABLE_LIST_SINCE = (3, 5)
# The alarm API would cost an entry of the log each time, and have no answer without a quorum.
_ALARMS_IN_STATUS_SINCE = (3, 4)
_UNDECIDED = (3, 0)
_PROBE_KEY = base64.b64encode(b"etcd-aws-cluster-probe").decode()


class MembersV3:
    """The members API of one version of etcd 3.x."""

    def __init__(self, transport: Transport, versions: wire.Versions, login: Login) -> None:
        self._transport = transport
        self._versions = versions
        self._login = login
        self._prefix = _prefix(versions.server)
        self._supports_learners = supports_learners(versions)

    def read(self, endpoint: str) -> Reading:
        """Ask who is there, then, if it is a voter, for a list that a quorum stands behind."""
        reading = Reading(endpoint=endpoint, version=self._versions.text, supports_learners=self._supports_learners)
        try:
            status = wire.parse_status(self._call(endpoint, "/maintenance/status"))
            if status.version != self._versions.text:
                return replace(reading, problem=f"it was {reading.version} and is {status.version}: look again")
            reading = replace(
                reading,
                cluster_id=status.header.cluster_id,
                member_id=status.header.member_id,
                leader_id=status.leader_id,
                raft_index=status.raft_index,
                is_learner=status.is_learner,
                database_bytes=status.database_bytes,
                quota_bytes=status.quota_bytes,
                alarms=status.alarms if self._versions.server >= _ALARMS_IN_STATUS_SINCE else None,
            )
            return reading if status.is_learner else self._read_members(reading, status)
        except ValueError as error:
            return replace(reading, problem=f"an answer that is not etcd's: {error}")
        except EtcdError as error:
            return replace(reading, problem=str(error))

    def _read_members(self, reading: Reading, status: wire.Status) -> Reading:
        problem = "it knows of no leader"
        if status.leader_id is not None:  # without one, asking on would take until the read timeout
            try:
                return replace(reading, members=self._linearizable_list(reading.endpoint, status.header))
            except EtcdError as error:
                problem = str(error)
        reading = replace(reading, problem=problem)
        if self._supports_learners:
            return reading
        return replace(reading, unproven_members=self._list(reading.endpoint, status.header, linearizable=False))

    def add_member(self, endpoint: str, peer_url: str, *, as_learner: bool) -> None:
        """Add a member; see the port."""
        if as_learner and not self._supports_learners:
            # An older server ignores isLearner and would add a voter.
            raise RejectedError(Rejection.OTHER, f"the cluster of {endpoint} is older than 3.4: it has no learners")
        body: dict[str, object] = {"peerURLs": [peer_url]}
        if as_learner:
            body["isLearner"] = True
        # The id is made of the URL and the second: within a second it is the removed one's again.
        answer = self._change(
            endpoint, "/cluster/member/add", body, meanings={errors.NO_SUCH_MEMBER: Rejection.TOO_SOON}
        )
        if as_learner:
            _check_is_learner(answer, peer_url)

    def promote_member(self, endpoint: str, member_id: MemberId) -> None:
        """Make a learner a voter; see the port."""
        # Promotion is forwarded, maybe more than once: "no leader" may come after one that arrived.
        self._change(
            endpoint,
            "/cluster/member/promote",
            {"ID": str(member_id)},
            success=errors.NOT_A_LEARNER,
            meanings={errors.NO_LEADER: None},
        )

    def remove_member(self, endpoint: str, member_id: MemberId) -> None:
        """Remove a member; see the port."""
        self._change(endpoint, "/cluster/member/remove", {"ID": str(member_id)}, success=errors.NO_SUCH_MEMBER)

    def move_leadership(self, endpoint: str, target: MemberId) -> None:
        """Hand leadership over; see the port."""
        self._change(
            endpoint,
            "/maintenance/transfer-leadership",
            {"targetID": str(target)},
            max_read_timeout=TRANSFER_READ_TIMEOUT,
        )

    def _linearizable_list(self, endpoint: str, asked: wire.Header) -> tuple[Member, ...]:
        if self._versions.server < _LINEARIZABLE_LIST_SINCE:
            # 3.4 ignores "linearizable" and answers alone. Once it has served a linearizable read, it has
            # applied every membership change made before that read.
            probe = self._call(endpoint, "/kv/range", {"key": _PROBE_KEY, "count_only": True, "limit": "1"})
            _check_same(wire.parse_header(probe), asked)
        return self._list(endpoint, asked, linearizable=True)

    def _list(self, endpoint: str, asked: wire.Header, *, linearizable: bool) -> tuple[Member, ...]:
        listed = self._call(endpoint, "/cluster/member/list", {"linearizable": linearizable})
        _check_same(wire.parse_header(listed), asked)
        return wire.parse_members(listed)

    def _call(self, endpoint: str, path: str, body: Mapping[str, object] | None = None) -> object:
        answer = self._send(endpoint, path, body or {})
        if answer.status != HTTPStatus.OK:
            raise errors.to_error(answer)
        return answer.json()

    def _change(
        self,
        endpoint: str,
        path: str,
        body: Mapping[str, object],
        *,
        success: str | None = None,
        meanings: Mapping[str, Rejection | None] | None = None,
        max_read_timeout: timedelta | None = None,
    ) -> Answer:
        """Send a change; ``success`` is the refusal that says that it was made before."""
        answer = self._send(endpoint, path, body, max_read_timeout=max_read_timeout)
        if answer.status != HTTPStatus.OK:
            if success is not None and errors.message_of(answer) == success:
                return answer
            raise errors.to_error(answer, meanings=meanings)
        try:
            is_etcd = isinstance(answer.json(), dict)
        except ValueError:
            is_etcd = False
        if not is_etcd:
            raise OutcomeUnknownError(answer.excerpt)
        return answer

    def _send(
        self, endpoint: str, path: str, body: Mapping[str, object], *, max_read_timeout: timedelta | None = None
    ) -> Answer:
        """Send a request; where etcd then asks who that is, tell it and send the request once more."""

        def send() -> Answer:
            return self._transport.send(
                "POST",
                endpoint,
                self._prefix + path,
                body,
                headers=self._login.token(endpoint),
                max_read_timeout=max_read_timeout,
            )

        answer = send()
        if self._login.is_possible and errors.wants_login(answer):  # a refusal: nothing was done
            self._login.renew(endpoint, partial(self._authenticate, endpoint))
            return send()
        return answer

    def _authenticate(self, endpoint: str, user: User) -> str | None:
        body = {"name": user.name, "password": user.password}
        answer = self._transport.send("POST", endpoint, f"{self._prefix}/auth/authenticate", body)
        if answer.status != HTTPStatus.OK:
            if errors.message_of(answer) == errors.NOT_FOR_LEARNERS:
                return None
            raise errors.to_error(answer)
        try:
            return wire.parse_token(answer.json())
        except ValueError as error:
            raise NotSentError(f"{answer.request}: {error}") from error


def supports_learners(versions: wire.Versions) -> bool:
    """Whether every member of the cluster knows what a learner is.

    In a rolling upgrade the cluster's version is its oldest member's. A cluster that forms has none, or 3.0, until
    all of its members have been seen; versions upgrade one minor at a time, so 3.0 beside a 3.4 is never its real one.
    https://github.com/etcd-io/etcd/blob/v3.5.1/server/etcdserver/server.go (monitorVersions)
    """
    if versions.server < _LEARNERS_SINCE:
        return False
    return versions.cluster is None or versions.cluster == _UNDECIDED or versions.cluster >= _LEARNERS_SINCE


def _prefix(server: tuple[int, int]) -> str:
    """https://etcd.io/docs/v3.5/dev-guide/api_grpc_gateway/#notes."""
    major, minor = server
    if major != 3:  # noqa: PLR2004 - the API's own number
        raise NotSentError(f"etcd {major}.{minor} is not supported, expected 2.x or 3.x")
    if minor <= 2:  # noqa: PLR2004
        return "/v3alpha"
    return "/v3beta" if minor == 3 else "/v3"  # noqa: PLR2004


def _check_same(answered: wire.Header, asked: wire.Header) -> None:
    if answered != asked:
        raise ValueError(f"the endpoint changed hands: {asked} answered first, {answered} then")


def _check_is_learner(answer: Answer, peer_url: str) -> None:
    """The answer shows what was added; a voter would be the one thing nobody asked for."""
    try:
        members = wire.parse_members(answer.json())
    except ValueError as error:
        raise OutcomeUnknownError(f"{answer.request}: {error}") from error
    if not any(m.is_learner and peer_url in m.peer_urls for m in members):
        raise OutcomeUnknownError(f"{answer.request}: {peer_url} is no learner in {answer.excerpt}")
