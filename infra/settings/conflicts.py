"""Settings that are fine alone and not together."""

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from infra.etcd_releases import LOSE_WRITES, known_sha256
from infra.settings.rules import KEY_PREFIX

if TYPE_CHECKING:
    from infra.settings import Settings


def basic_conflicts(settings: "Settings", _given: Mapping[str, Any]) -> Iterator[str]:
    """Yield one line for each pair of values that cannot go together."""
    network, etcd, timing, controller = settings.network, settings.etcd, settings.timing, settings.controller
    smaller: tuple[tuple[str, int, str, int], ...] = (
        ("join_timeout_s", timing.join_timeout_s, "launch_hook_timeout_s", timing.launch_hook_timeout_s),
        (
            "gather_window_s plus etcd:formation_timeout_s",
            timing.gather_window_s + timing.formation_timeout_s,
            "launch_hook_timeout_s",
            timing.launch_hook_timeout_s,
        ),
        (
            "replacement_wait_s",
            timing.replacement_wait_s,
            "terminate_hook_timeout_s",
            timing.terminate_hook_timeout_s,
        ),
        ("function_timeout_s", controller.function_timeout_s, "visibility_timeout_s", controller.visibility_timeout_s),
        (
            "run_reserve_s plus etcd:etcd_connect_timeout_s and etcd:etcd_read_timeout_s",
            timing.run_reserve_s + timing.etcd_connect_timeout_s + timing.etcd_read_timeout_s,
            "function_timeout_s",
            controller.function_timeout_s,
        ),
    )
    for low_key, low, high_key, high in smaller:
        if low >= high:
            yield f"{KEY_PREFIX}{low_key}: got {low}, expected less than {KEY_PREFIX}{high_key}, which is {high}"
    if etcd.etcd_client_port == etcd.etcd_server_port:
        yield (
            f"{KEY_PREFIX}etcd_client_port and {KEY_PREFIX}etcd_server_port: got {etcd.etcd_client_port} for both, "
            "expected two different ports"
        )
    if network.nat_gateways > network.az_count:
        yield (
            f"{KEY_PREFIX}nat_gateways: got {network.nat_gateways}, "
            f"expected at most {KEY_PREFIX}az_count, which is {network.az_count}"
        )
    if network.egress == "endpoints" and not settings.attach.attach and not etcd.etcd_url.startswith("s3://"):
        yield (
            f"{KEY_PREFIX}etcd_url: got {etcd.etcd_url!r}, expected an s3:// address, "
            f"for with {KEY_PREFIX}egress=endpoints nothing else can be reached"
        )
    if etcd.etcd_version in LOSE_WRITES:
        yield (
            f"{KEY_PREFIX}etcd_version: got {etcd.etcd_version}, expected 3.5.3 or newer, "
            "for a member of this release that is killed can lose acknowledged writes (etcd-io/etcd#13766)"
        )
    if not etcd.etcd_sha256 and not known_sha256(etcd.etcd_version):
        yield (
            f"{KEY_PREFIX}etcd_sha256: got nothing, expected the SHA-256 of the archive, "
            f"which is not known here for etcd {etcd.etcd_version}; the file SHA256SUMS of that release has it"
        )


def given_vpc_conflicts(settings: "Settings", given: Mapping[str, Any]) -> Iterator[str]:
    """Say that a setting of the new VPC has no effect on a given one, rather than ignore it."""
    if settings.network.vpc_id:
        for key in ("vpc_cidr", "az_count", "nat_gateways"):
            if key in given:
                yield (
                    f"{KEY_PREFIX}{key}: got {given[key]!r}, expected nothing, "
                    f"for the VPC is given by {KEY_PREFIX}vpc_id and is not changed"
                )
