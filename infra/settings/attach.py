"""Attach mode: a cluster's Auto Scaling group is there already and stays its owner's (docs/attach.md)."""

import dataclasses
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from infra.settings.members import MemberSettings
from infra.settings.rollout import RolloutSettings
from infra.settings.rules import KEY_PREFIX, Flag, Text, setting
from infra.settings.volumes import VolumeSettings

if TYPE_CHECKING:
    from infra.settings import Settings

# What is left is the group's own name, which has to be a path part of SSM parameters and a message group besides:
# https://docs.aws.amazon.com/systems-manager/latest/APIReference/API_PutParameter.html
CLUSTER_NAME = Text(
    form=r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,99}",
    expected="1 to 63 of A-Z a-z 0-9 -, a letter first and no - last; with etcd:attach up to 100, also of . and _",
)
_OWN_NAME = re.compile(r"[A-Za-z]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?")
_OF_HOSTS = (
    "size",
    "etcd_version",
    "etcd_sha256",
    "etcd_url",
    "host_tls_source",
    *(
        declared.name
        for owner in (MemberSettings, VolumeSettings, RolloutSettings)
        for declared in dataclasses.fields(owner)
    ),
)


@dataclass(frozen=True, kw_only=True)
class AttachSettings:
    """Whose the group is."""

    attach: bool = setting(
        False,  # noqa: FBT003 - a default, not an argument
        Flag(),
        "take care of the cluster of an Auto Scaling group that is there already, named by etcd:cluster_name, "
        "instead of making one",
    )
    members_security_group_id: str = setting(
        "",
        Text(
            form=r"|sg-[0-9a-f]{8}([0-9a-f]{9})?", expected="a security group id such as sg-0123456789abcdef0, or empty"
        ),
        "attach: the security group of the group's instances, which gets a rule that lets the controller in",
    )
    make_client_security_group: bool = setting(
        False,  # noqa: FBT003 - a default, not an argument
        Flag(),
        "attach: make a security group for clients too, and let it in",
    )


def attach_conflicts(settings: "Settings", given: Mapping[str, Any]) -> Iterator[str]:
    """Say what attach mode needs and does not have, and what has no effect in it or without it."""
    if not settings.attach.attach:
        yield from _without_attach(settings, given)
        return
    for key, value, expected in (
        ("cluster_name", given.get("cluster_name"), "the name of the group"),
        ("vpc_id", settings.network.vpc_id, "the VPC of the group's instances"),
        (
            "members_security_group_id",
            settings.attach.members_security_group_id,
            "the security group of the group's instances",
        ),
    ):
        if not value:
            yield f"{KEY_PREFIX}{key}: got nothing, expected {expected}, for {KEY_PREFIX}attach is true"
    if settings.pki == "automatic":
        yield (
            f"{KEY_PREFIX}pki: got automatic with https, expected own, or http for {KEY_PREFIX}etcd_client_scheme and "
            f"{KEY_PREFIX}etcd_peer_scheme: who asks for a certificate is known by the role that this app makes for "
            f"its own instances, and with {KEY_PREFIX}attach they are yours"
        )
    if settings.dns.dns_zone_name and not settings.dns.dns_zone_id:
        yield (
            f"{KEY_PREFIX}dns_zone_id: got nothing, expected the id of a private zone that is there already: one of "
            f"this stack could not be deleted with it while the group, which {KEY_PREFIX}attach leaves alone, has "
            "names in it"
        )
    for key in _OF_HOSTS:
        if key in given:
            whose = "the group's own desired capacity counts" if key == "size" else "the group and its hosts are yours"
            yield f"{KEY_PREFIX}{key}: got {given[key]!r}, expected nothing, for with {KEY_PREFIX}attach {whose}"


def _without_attach(settings: "Settings", given: Mapping[str, Any]) -> Iterator[str]:
    if not _OWN_NAME.fullmatch(settings.cluster_name):
        yield f"{KEY_PREFIX}cluster_name: got {settings.cluster_name!r}, expected {CLUSTER_NAME.expected}"
    for key in ("members_security_group_id", "make_client_security_group"):
        if key in given:
            yield f"{KEY_PREFIX}{key}: got {given[key]!r}, expected nothing without {KEY_PREFIX}attach"
