"""Port ``MembershipApi`` on HTTP: finds out which etcd answers, and speaks its dialect."""

from __future__ import annotations

import ssl
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from http import HTTPStatus
from typing import Self

from ..core.errors import EtcdError, NotSentError
from ..core.model import MemberId, Reading
from . import wire
from .login import Login
from .transport import Transport
from .v2 import MembersV2
from .v3 import MembersV3


class EtcdClient:
    """etcd's members API, v2 and v3.

    What is known of an endpoint, and the connection to it, last until ``close``: call it at the end of a run.
    One thread per endpoint at a time; different endpoints may be asked in parallel.

    Args:
        connect_timeout: For one connection.
        read_timeout: For the wait between two bytes; a whole answer may take two of them.
        tls: Returns what https connections trust and show; asked for each new one. It may raise a ClusterError. The
            usual public CAs and no certificate by default. No environment variable is heeded.
        login: Who to be where etcd has users.
    """

    def __init__(
        self,
        *,
        connect_timeout: timedelta,
        read_timeout: timedelta,
        tls: Callable[[], ssl.SSLContext] = ssl.create_default_context,
        login: Login | None = None,
    ) -> None:
        self._transport = Transport(connect_timeout=connect_timeout, read_timeout=read_timeout, tls=tls)
        self._login = login or Login()
        self._dialects: dict[str, MembersV2 | MembersV3] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close every connection and forget who answered where; the client can be used again."""
        self._dialects.clear()
        self._login.close()
        self._transport.close()

    def read(self, endpoint: str) -> Reading:
        """Ask one endpoint who it is and which members it knows; see the port."""
        try:
            reading = self._dialect(endpoint).read(endpoint)
        except EtcdError as error:
            return Reading(endpoint=endpoint, problem=str(error))
        if reading.problem:
            self._dialects.pop(endpoint, None)  # it may be another etcd by now
        return replace(reading, certificate_ends_at=self._transport.certificate_ends_at(endpoint))

    def versions(self, endpoint: str) -> wire.Versions:
        """Ask one endpoint for its release and its cluster's version; that takes no quorum.

        Raises:
            NotSentError: It does not say.
        """
        return self._versions(endpoint)

    def add_member(self, endpoint: str, peer_url: str, *, as_learner: bool) -> None:
        """Add a member; see the port."""
        self._dialect(endpoint).add_member(endpoint, peer_url, as_learner=as_learner)

    def promote_member(self, endpoint: str, member_id: MemberId) -> None:
        """Make a learner a voter; see the port."""
        self._dialect(endpoint).promote_member(endpoint, member_id)

    def remove_member(self, endpoint: str, member_id: MemberId) -> None:
        """Remove a member; see the port."""
        self._dialect(endpoint).remove_member(endpoint, member_id)

    def move_leadership(self, endpoint: str, target: MemberId) -> None:
        """Hand leadership over; see the port."""
        self._dialect(endpoint).move_leadership(endpoint, target)

    def _dialect(self, endpoint: str) -> MembersV2 | MembersV3:
        """Return the API of the etcd there, asked for once.

        Raises:
            NotSentError: It does not say; so nothing else was sent either.
        """
        dialect = self._dialects.get(endpoint)
        if dialect is None:
            versions = self._versions(endpoint)
            dialect = self._speak(versions)
            # A cluster's version below the server's own may rise at any moment, and learners come with it.
            # Where v2 is spoken, nothing would tell of an upgrade to 3.x.
            if versions.cluster == versions.server and isinstance(dialect, MembersV3):
                self._dialects[endpoint] = dialect
        return dialect

    def _speak(self, versions: wire.Versions) -> MembersV2 | MembersV3:
        is_v2 = versions.server[0] == 2  # noqa: PLR2004 - the API's own number
        dialect = MembersV2 if is_v2 else MembersV3
        return dialect(self._transport, versions, self._login)

    def _versions(self, endpoint: str) -> wire.Versions:
        try:
            answer = self._transport.send("GET", endpoint, "/version")
            if answer.status != HTTPStatus.OK:
                raise NotSentError(f"{endpoint}: {answer.excerpt}")
            return wire.parse_versions(answer.json())
        except ValueError as error:
            raise NotSentError(f"{endpoint}: GET /version: an answer that is not etcd's: {error}") from error
        except EtcdError as error:
            raise NotSentError(str(error)) from error
