"""Users of etcd: a token where v3 wants one, a password where v2 does.

A v3 login is made only when etcd asks for it: most calls need none, and a cluster without users takes none.
https://etcd.io/docs/v3.5/op-guide/authentication/rbac/
"""

from __future__ import annotations

import base64
import json
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from ..core.errors import AwsError, EtcdError, NotSentError, RejectedError, Rejection


@dataclass(frozen=True, slots=True)
class User:
    """An etcd user."""

    name: str
    password: str = field(repr=False)


def parse_user(source: str, text: str) -> User:
    """Read a JSON object of username and password.

    Raises:
        NotSentError: Names the source and the field, never the value.
    """
    try:
        fields = json.loads(text)
    except (ValueError, RecursionError):
        fields = None  # its message would hold a part of the text
    if not isinstance(fields, dict):
        raise NotSentError(f"{source} is not a JSON object, expected one of username and password")
    for name in ("username", "password"):
        if not isinstance(fields.get(name), str) or not fields[name]:
            raise NotSentError(f"{source}: field {name} is not text, or is empty")
    return User(fields["username"], fields["password"])


class Login:
    """Knows the user, and the tokens that endpoints gave out.

    One thread per endpoint at a time. A user that was refused is not shown again before ``close``: etcd hashes each
    password that it is shown, which is slow on purpose.

    A learner lets nobody log in, yet wants a token from whoever asks for its status (3.5.35 and 3.6.16 do; 3.5.21 does
    not). It is lent one of a voter's, which raft has told it of; not if that was before its life began, for tokens are
    in no snapshot. So a voter whose token a learner does not know is logged in to anew, after its first refusal, its
    second, fourth, eighth and so on: one that is behind needs time to hear of the token that it was lent.

    Args:
        source: Returns the user; asked once, and again after a refusal. None: etcd has no users.
    """

    def __init__(self, source: Callable[[], User] | None = None) -> None:
        self._source = source
        self._user: User | None = None
        self._tokens: dict[str, str] = {}  # the newest comes last
        self._unknown_to: Counter[str] = Counter()
        self._problem: EtcdError | None = None

    @property
    def is_possible(self) -> bool:
        """Whether there is a user to log in as."""
        return self._source is not None

    def close(self) -> None:
        """Forget the tokens, and what was refused."""
        self._tokens.clear()
        self._unknown_to.clear()
        self._problem = None

    def token(self, endpoint: str) -> Mapping[str, str]:
        """Return the header with the endpoint's token; empty where there is none."""
        token = self._tokens.get(endpoint)
        return {"Authorization": token} if token else {}

    def password(self) -> Mapping[str, str]:
        """Return the header with name and password; empty where there is no user.

        Raises:
            EtcdError: The user cannot be read.
        """
        if self._source is None:
            return {}
        user = self._read()
        return {"Authorization": "Basic " + base64.b64encode(f"{user.name}:{user.password}".encode()).decode()}

    def renew(self, endpoint: str, ask: Callable[[User], str | None]) -> None:
        """Get a token; ``ask`` sends name and password and returns it, or None: a learner lets nobody log in.

        Raises:
            EtcdError: It was refused, now or before, or the user cannot be read, or there is no token for a learner.
        """
        refused = self._tokens.pop(endpoint, None)
        user = self._read()
        try:
            self._tokens[endpoint] = ask(user) or self._lend(endpoint, refused)
        except RejectedError as error:
            problem = RejectedError(error.rejection, f"etcd does not let {user.name} in: {error}")
            if error.rejection is Rejection.AUTHENTICATION:
                self._user = None  # the secret may say something else by the next run
                self._problem = problem
            raise problem from error

    def _lend(self, learner: str, refused: str | None) -> str:
        """Return the newest token that another endpoint gave out.

        Raises:
            NotSentError: There is none, or there will be a newer one as soon as that endpoint is asked again.
        """
        lenders = dict(self._tokens)
        lender, token = lenders.popitem() if lenders else ("", "")
        if token and token == refused:
            self._unknown_to[learner] += 1
            if self._unknown_to[learner].bit_count() == 1:  # a power of two
                self._tokens.pop(lender, None)
                token = ""
        if not token:
            raise NotSentError(f"{learner} is a learner, which lets nobody log in, and knows the token of no voter yet")
        return token

    def _read(self) -> User:
        if self._problem:
            raise self._problem
        if self._user is None:
            try:
                self._user = self._source() if self._source else None
            except AwsError as error:
                self._problem = NotSentError(f"no user to log in as: {error}")
            except EtcdError as error:
                self._problem = error
        if self._problem:
            raise self._problem
        if self._user is None:
            raise AssertionError("a login without a user")
        return self._user
