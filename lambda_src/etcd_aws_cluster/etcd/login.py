"""Users of etcd: a token where v3 wants one, a password where v2 does.

A v3 login is made only when etcd asks for it: most calls need none, and a cluster without users takes none.
https://etcd.io/docs/v3.5/op-guide/authentication/rbac/
"""

from __future__ import annotations

import base64
import json
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
    except ValueError:
        fields = None  # its message would hold a part of the text
    if not isinstance(fields, dict):
        raise NotSentError(f"{source} is not a JSON object, expected one of username and password")
    for name in ("username", "password"):
        if not isinstance(fields.get(name), str) or not fields[name]:
            raise NotSentError(f"{source}: field {name} is not text, or is empty")
    return User(fields["username"], fields["password"])


class Login:
    """Knows the user, and the tokens that endpoints gave out.

    One thread per endpoint at a time. What was refused is not asked for again before ``close``: etcd hashes each
    password that it is shown, which is slow on purpose.

    Args:
        source: Returns the user; asked once, and again after a refusal. None: etcd has no users.
    """

    def __init__(self, source: Callable[[], User] | None = None) -> None:
        self._source = source
        self._user: User | None = None
        self._tokens: dict[str, str] = {}
        self._problem: EtcdError | None = None

    @property
    def is_possible(self) -> bool:
        """Whether there is a user to log in as."""
        return self._source is not None

    def close(self) -> None:
        """Forget the tokens, and what was refused."""
        self._tokens.clear()
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

    def renew(self, endpoint: str, ask: Callable[[User], str]) -> None:
        """Get a token; ``ask`` sends name and password and returns it.

        Raises:
            EtcdError: It was refused, now or before, or the user cannot be read.
        """
        self._tokens.pop(endpoint, None)
        user = self._read()
        try:
            self._tokens[endpoint] = ask(user)
        except RejectedError as error:
            self._user = None  # the secret may say something else by the next run
            self._problem = RejectedError(Rejection.AUTHENTICATION, f"etcd does not let {user.name} in: {error}")
            raise self._problem from error

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
