"""Where the cluster lives."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from infra.network_endpoints import ALL_ENDPOINTS, needed_endpoints
from infra.settings.rules import KEY_PREFIX, Cidr, Text, TextOf, Whole, setting

if TYPE_CHECKING:
    from infra.settings import Settings

_SUBNET = r"subnet-[0-9a-f]{8}([0-9a-f]{9})?"
_ENDPOINT = f"({'|'.join(ALL_ENDPOINTS)})"


@dataclass(frozen=True, kw_only=True)
class NetworkSettings:
    """Where the cluster lives."""

    vpc_id: str = setting(
        "",
        Text(form=r"|vpc-[0-9a-f]{8}([0-9a-f]{9})?", expected="a VPC id such as vpc-0123456789abcdef0, or empty"),
        "an existing VPC to use; empty makes a new one",
    )
    subnet_ids: str = setting(
        "",
        Text(
            form=f"|{_SUBNET}(,{_SUBNET})*",
            expected="subnet ids such as subnet-0123456789abcdef0,subnet-0fedcba9876543210, or empty",
        ),
        "subnets of the given VPC for members and controller; empty: all of the kind that etcd:egress says",
    )
    vpc_cidr: str = setting("10.0.0.0/16", Cidr(shortest=16, longest=24), "address range of the new VPC")
    az_count: int = setting(3, Whole(minimum=1, maximum=6), "availability zones of the new VPC", unit="zones")
    egress: str = setting(
        "nat",
        TextOf(choices=("nat", "endpoints")),
        "how instances and controller reach AWS: through NAT gateways, or through VPC endpoints and nothing else; "
        "in a given VPC it says which subnets are used: private with egress, or isolated",
    )
    nat_gateways: int = setting(1, Whole(minimum=1, maximum=6), "NAT gateways of the new VPC", unit="gateways")
    given_vpc_endpoints: str = setting(
        "",
        Text(
            form=f"|all|{_ENDPOINT}(,{_ENDPOINT})*",
            expected=f"some of {', '.join(ALL_ENDPOINTS)} with commas between them, or all, or empty",
        ),
        "VPC endpoints to make in the given VPC, which lacks them; all: each that is needed; a new VPC has them all",
    )


def network_conflicts(settings: "Settings", _given: Mapping[str, Any]) -> Iterator[str]:
    """Yield one line for each pair of values that cannot go together."""
    network = settings.network
    for key in ("subnet_ids", "given_vpc_endpoints"):
        value = getattr(network, key)
        if value and not network.vpc_id:
            yield f"{KEY_PREFIX}{key}: got {value}, expected {KEY_PREFIX}vpc_id too, which is empty"
        if len(set(value.split(","))) < len(value.split(",")):
            yield f"{KEY_PREFIX}{key}: got {value}, expected each of them once"
    if network.given_vpc_endpoints and network.egress != "endpoints":
        yield (
            f"{KEY_PREFIX}given_vpc_endpoints: got {network.given_vpc_endpoints}, "
            f"expected {KEY_PREFIX}egress=endpoints, but it is {network.egress}"
        )
    asked = [name for name in network.given_vpc_endpoints.split(",") if name not in ("", "all")]
    needed = needed_endpoints(settings)
    idle = [name for name in asked if name not in needed]
    if idle:
        yield (
            f"{KEY_PREFIX}given_vpc_endpoints: got {', '.join(idle)}, "
            f"expected only what is needed with these settings: {', '.join(needed)}"
        )
