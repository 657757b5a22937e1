"""The settings that decisions depend on."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """How long to wait for what, and how URLs are made (docs/settings.md has defaults and ranges).

    Attributes:
        gather_window: After the oldest newcomer's launch, a majority of the desired instances may form a cluster.
        formation_timeout: A cohort that has not formed by then is abandoned as a whole.
        join_timeout: A learner that is not a voter by then is removed, and its launch abandoned.
        replacement_wait: A leaving voter waits that long for its replacement to become a voter.
        unresponsive_grace: A voter in service may be silent that long before its instance is replaced.
    """

    gather_window: timedelta = timedelta(seconds=300)
    formation_timeout: timedelta = timedelta(seconds=600)
    join_timeout: timedelta = timedelta(seconds=900)
    replacement_wait: timedelta = timedelta(seconds=600)
    unresponsive_grace: timedelta = timedelta(seconds=120)
    client_scheme: str = "http"
    peer_scheme: str = "http"
    client_port: int = 2379
    peer_port: int = 2380

    def peer_url(self, host: str) -> str:
        """Return the peer URL of the etcd on a host."""
        return f"{self.peer_scheme}://{_in_url(host)}:{self.peer_port}"

    def client_url(self, host: str) -> str:
        """Return the client URL of the etcd on a host."""
        return f"{self.client_scheme}://{_in_url(host)}:{self.client_port}"


def _in_url(host: str) -> str:
    return f"[{host}]" if ":" in host else host
