"""Names by which clients find the cluster (docs/dns.md)."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from infra.settings.rules import KEY_PREFIX, Text, Whole, setting

if TYPE_CHECKING:
    from infra.settings import Settings

_LABEL = r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?"
# The cluster's name, an instance's and etcd's service come before it, and all of a name is at most 255 long.
_LONGEST_ZONE = 120
# A private zone hides whatever else has its names: no AWS API, and no host name of EC2, could be resolved in the VPC.
_NEEDED_BY_THE_VPC = ("amazonaws.com", "amazonaws.com.cn", "ec2.internal", "compute.internal")


@dataclass(frozen=True, kw_only=True)
class DnsSettings:
    """Names by which clients find the cluster."""

    dns_zone_name: str = setting(
        "",
        Text(
            form=rf"|{_LABEL}(\.{_LABEL})+",
            expected="a domain of two labels or more such as example.internal, or empty",
        ),
        "private hosted zone with names of the voters below <cluster>.<zone>; empty: no names; without "
        "etcd:dns_zone_id the zone is made for the VPC",
    )
    dns_zone_id: str = setting(
        "",
        Text(form=r"|Z[A-Z0-9]{1,31}", expected="a hosted zone id such as Z0123456789ABCDEFGHIJ, or empty"),
        "an existing private hosted zone of that name, associated with the VPC",
    )
    dns_ttl_s: int = setting(
        30, Whole(minimum=5, maximum=3600), "how long a client may go on with what it has resolved", unit="s"
    )


def dns_conflicts(settings: "Settings", given: Mapping[str, Any]) -> Iterator[str]:
    """Yield one line for each pair of values that cannot go together."""
    name = settings.dns.dns_zone_name
    if not name:
        for key in ("dns_zone_id", "dns_ttl_s"):
            if given.get(key):
                yield f"{KEY_PREFIX}{key}: got {given[key]!r}, expected {KEY_PREFIX}dns_zone_name too, which is empty"
    if len(name) > _LONGEST_ZONE:
        yield f"{KEY_PREFIX}dns_zone_name: got {len(name)} characters, expected at most {_LONGEST_ZONE}"
    hidden = [domain for domain in _NEEDED_BY_THE_VPC if f".{name}".endswith(f".{domain}")]
    if hidden:
        yield (
            f"{KEY_PREFIX}dns_zone_name: got {name}, expected none at or below {hidden[0]}, "
            "for a private zone hides the names of AWS itself"
        )
