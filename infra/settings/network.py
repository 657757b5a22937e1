"""Where the cluster lives."""

from dataclasses import dataclass

from infra.settings.rules import Cidr, Text, TextOf, Whole, setting


@dataclass(frozen=True, kw_only=True)
class NetworkSettings:
    """Where the cluster lives."""

    vpc_id: str = setting(
        "",
        Text(form=r"|vpc-[0-9a-f]{8}([0-9a-f]{9})?", expected="a VPC id such as vpc-0123456789abcdef0, or empty"),
        "an existing VPC to use; empty makes a new one",
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
