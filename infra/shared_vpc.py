"""What clusters of one app must not both make for a given VPC: AWS would refuse the second, at its deploy."""

from collections.abc import Iterator, Sequence

from infra.network_endpoints import endpoints_to_make
from infra.settings import Settings
from infra.settings.rules import KEY_PREFIX

_EXPECTED = {
    "dns_zone_name": "a zone for each, or the id of that which is there already (etcd:dns_zone_id), for a VPC cannot "
    "have two private zones of one name",
    "given_vpc_endpoints": "them in one of these, for a VPC cannot have two endpoints of one service",
}


def shared_vpc_conflicts(clusters: Sequence[Settings]) -> Iterator[str]:
    """Yield one line for what several clusters would each make for the VPC that they share."""
    makers: dict[tuple[str, str, str], list[str]] = {}
    for cluster in clusters:
        for key, what in _made_for_the_vpc(cluster):
            makers.setdefault((cluster.network.vpc_id, key, what), []).append(cluster.cluster_name)
    twice: dict[tuple[str, str, tuple[str, ...]], list[str]] = {}
    for (vpc_id, key, what), names in makers.items():
        if len(names) > 1:
            twice.setdefault((vpc_id, key, tuple(names)), []).append(what)
    for (vpc_id, key, of), those in twice.items():
        yield (
            f"{KEY_PREFIX}{key}: got {', '.join(those)} for each of {', '.join(of)} in {vpc_id}, "
            f"expected {_EXPECTED[key]}"
        )


def _made_for_the_vpc(cluster: Settings) -> Iterator[tuple[str, str]]:
    """Yield setting and thing, of those that a given VPC can have once."""
    if not cluster.network.vpc_id:
        return
    if cluster.dns.dns_zone_name and not cluster.dns.dns_zone_id:
        yield "dns_zone_name", cluster.dns.dns_zone_name
    for name in endpoints_to_make(cluster):
        yield "given_vpc_endpoints", name
