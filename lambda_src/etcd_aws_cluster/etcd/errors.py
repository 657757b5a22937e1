"""What an answer that is not a success means.

A refusal is known by its message and gRPC code, never by the HTTP status: code 9 is 412 on 3.4 and 400 on 3.5.
The messages: https://github.com/etcd-io/etcd/blob/main/api/v3rpc/rpctypes/error.go (the same since 3.0);
how 3.4 and 3.5 send them was measured: docs/decisions/0007-etcd-client.md.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from http import HTTPStatus

from ..core.errors import EtcdError, OutcomeUnknownError, RejectedError, Rejection
from .transport import Answer

NO_SUCH_MEMBER = "etcdserver: member not found"
NOT_A_LEARNER = "etcdserver: can only promote a learner member"
NO_LEADER = "etcdserver: no leader"
NOT_FOR_LEARNERS = "etcdserver: rpc not supported for learner"

_REFUSALS: Mapping[str, Rejection] = {
    "etcdserver: Peer URLs already exists": Rejection.ALREADY_EXISTS,
    "etcdserver: member ID already exist": Rejection.ALREADY_EXISTS,
    "etcdserver: too many learner members in cluster": Rejection.TOO_MANY_LEARNERS,
    "etcdserver: unhealthy cluster": Rejection.UNHEALTHY_CLUSTER,
    "etcdserver: re-configuration failed due to not enough started members": Rejection.NOT_ENOUGH_STARTED,
    "etcdserver: can only promote a learner member which is in sync with leader": Rejection.NOT_IN_SYNC,
    NOT_A_LEARNER: Rejection.OTHER,
    NO_SUCH_MEMBER: Rejection.OTHER,
    NO_LEADER: Rejection.NO_QUORUM,
    "etcdserver: not leader": Rejection.NOT_LEADER,
    "etcdserver: bad leader transferee": Rejection.BAD_TRANSFEREE,
    "etcdserver: user name is empty": Rejection.AUTHENTICATION,
    "etcdserver: user name not found": Rejection.AUTHENTICATION,
    "etcdserver: authentication failed, invalid user ID or password": Rejection.AUTHENTICATION,
    "etcdserver: permission denied": Rejection.AUTHENTICATION,
    "etcdserver: invalid auth token": Rejection.AUTHENTICATION,
    "etcdserver: revision of auth store is old": Rejection.AUTHENTICATION,
    NOT_FOR_LEARNERS: Rejection.OTHER,
    "etcdserver: given member URLs are invalid": Rejection.OTHER,
    "etcdserver: not capable": Rejection.OTHER,
    # The asked member's own raft refuses, for instance while it hands leadership over.
    "raft proposal dropped": Rejection.OTHER,
}

# gRPC codes that are given before anything is done, for the messages of other versions.
# https://grpc.io/docs/guides/status-codes/
_REFUSAL_CODES: Mapping[int, Rejection] = {
    3: Rejection.OTHER,  # invalid argument
    7: Rejection.AUTHENTICATION,  # permission denied
    12: Rejection.OTHER,  # unimplemented
    16: Rejection.AUTHENTICATION,  # unauthenticated
}

# The v2 API has no codes; https://github.com/etcd-io/etcd/blob/v3.4.23/etcdserver/api/v2http/client.go
_V2_REFUSALS: Mapping[str, Rejection] = {
    "membership: peerURL exists": Rejection.ALREADY_EXISTS,
    "membership: ID exists": Rejection.ALREADY_EXISTS,
    "etcdserver: peerURL exists": Rejection.ALREADY_EXISTS,  # the same two of 2.x
    "etcdserver: ID exists": Rejection.ALREADY_EXISTS,
    # 500 without a reason. The strict check answers at once; what times out inside etcd does so after 7 s,
    # which no request of ours waits for.
    "Internal Server Error": Rejection.UNHEALTHY_CLUSTER,
    "Insufficient credentials": Rejection.AUTHENTICATION,
    "During election": Rejection.NO_QUORUM,
}


# No token, one that has expired or is of another etcd, one from before the users changed.
_WANTS_LOGIN = frozenset(
    {
        "etcdserver: user name is empty",
        "etcdserver: invalid auth token",
        "etcdserver: revision of auth store is old",
    }
)


def wants_login(answer: Answer) -> bool:
    """Whether etcd refused a v3 request for want of a good token."""
    return answer.status != HTTPStatus.OK and message_of(answer) in _WANTS_LOGIN


def message_of(answer: Answer) -> str:
    """Return the message of an etcd error; empty where the body is not one."""
    return _error(answer)[1]


def to_error(answer: Answer, *, meanings: Mapping[str, Rejection | None] | None = None) -> EtcdError:
    """Return what a v3 answer other than 200 means.

    Args:
        answer: The answer.
        meanings: Messages that mean something else in this call; None: nobody knows what happened.
    """
    code, message = _error(answer)
    known: Mapping[str, Rejection | None] = {**_REFUSALS, **(meanings or {})}
    rejection = known[message] if message in known else _REFUSAL_CODES.get(code)
    # The rest is unknown on purpose: "request timed out", "leader changed", "context deadline exceeded",
    # "server stopped", and whatever the next version says.
    return RejectedError(rejection, answer.excerpt) if rejection else OutcomeUnknownError(answer.excerpt)


def to_v2_error(answer: Answer, *, expected: Collection[str] = ()) -> EtcdError | None:
    """Return what a v2 answer other than 2xx means; None where its message starts with an ``expected`` one."""
    message = _error(answer)[1]
    if any(message.startswith(start) for start in expected):
        return None
    rejection = _V2_REFUSALS.get(message)
    return RejectedError(rejection, answer.excerpt) if rejection else OutcomeUnknownError(answer.excerpt)


def _error(answer: Answer) -> tuple[int, str]:
    """Return code and message; 0 and empty where there is none. 3.6 may leave out the older ``error`` key."""
    try:
        body = answer.json()
    except ValueError:
        return 0, ""
    if not isinstance(body, dict):
        return 0, ""
    code, message = body.get("code"), body.get("message", body.get("error"))
    return code if isinstance(code, int) else 0, message if isinstance(message, str) else ""
