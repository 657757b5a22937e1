"""What a deployment gives its instances: one line of text, a property of the guard and a tag of each instance."""

from __future__ import annotations

import re
from dataclasses import dataclass

from ..core.policy import Policy

TAG = "etcd-aws-cluster:deployed"
"""The tag's key; its value is the text below. infra/deployed.py writes it, a test holds the two together."""

Version = tuple[int, int, int]

_TEXT = re.compile(
    r"version=(?P<version>[0-9]+\.[0-9]+\.[0-9]+)"
    r" client=(?P<client_scheme>https?):(?P<client_port>[0-9]{1,5})"
    r" peer=(?P<peer_scheme>https?):(?P<peer_port>[0-9]{1,5})"
    r" transition=(?P<transition>on|off)"
    r" pki=(?P<pki>automatic|own)"
    r" signs=(?P<signs>[0-9]{1,3})"
    r" trusts=(?P<trusts>[0-9]{1,3}(/[0-9]{1,3})*)"
    r"( peers=(?P<peers>named|checked))?"  # an earlier release, and one's own PKI, have none
    r"( .*)?"  # what a later release may add
)
_EXAMPLE = "version=3.5.21 client=http:2379 peer=http:2380 transition=off pki=automatic signs=1 trusts=1 peers=checked"


@dataclass(frozen=True, slots=True, kw_only=True)
class Deployed:
    """The settings that members of one cluster have to agree on, or can only change in steps.

    Attributes:
        version: etcd's release.
        transition: Whether members have certificates and serve clients both ways.
        signs: Generation of the automatic CA that signs members' certificates.
        trusts: Generations of it that members trust.
        peers: ``named``: members' certificates say that they are members'; ``checked``: and no other is taken on the
            peer port; empty: neither.
    """

    version: Version
    client_scheme: str
    client_port: int
    peer_scheme: str
    peer_port: int
    transition: bool
    pki: str
    signs: int
    trusts: frozenset[int]
    peers: str = ""

    @property
    def schemes(self) -> tuple[str, str]:
        """Of clients and of peers."""
        return self.client_scheme, self.peer_scheme

    @property
    def uses_tls(self) -> bool:
        """Whether members have certificates."""
        return "https" in self.schemes or self.transition

    @property
    def policy(self) -> Policy:
        """How such a member's URLs are made."""
        return Policy(
            client_scheme=self.client_scheme,
            peer_scheme=self.peer_scheme,
            client_port=self.client_port,
            peer_port=self.peer_port,
        )

    @classmethod
    def from_text(cls, text: str) -> Deployed:
        """Read the line.

        Raises:
            ValueError: It is another; the message has it, and an example.
        """
        found = _TEXT.fullmatch(text)
        if found is None:
            raise ValueError(f"deployed: got {text[:200]!r}, expected a line such as {_EXAMPLE!r}")
        return cls(
            version=parse_version(found["version"]),
            client_scheme=found["client_scheme"],
            client_port=int(found["client_port"]),
            peer_scheme=found["peer_scheme"],
            peer_port=int(found["peer_port"]),
            transition=found["transition"] == "on",
            pki=found["pki"],
            signs=int(found["signs"]),
            trusts=frozenset(int(n) for n in found["trusts"].split("/")),
            peers=found["peers"] or "",
        )


def parse_version(text: str) -> Version:
    """Return the numbers of a release such as ``3.5.21``; a pre-release counts as its release.

    Raises:
        ValueError: It is none.
    """
    found = re.match(r"([0-9]{1,4})\.([0-9]{1,4})\.([0-9]{1,4})", text)
    if found is None:
        raise ValueError(f"got {text[:40]!r}, expected a release of etcd such as 3.5.21")
    return int(found[1]), int(found[2]), int(found[3])
