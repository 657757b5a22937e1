"""The text of the peers file, which systemd reads as an EnvironmentFile."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from etcd_aws_agent.identity import Identity
from etcd_aws_agent.record import SAFE_WORD, Member, Record
from etcd_aws_agent.settings import Settings

# The CN that the controller gives members and no client (lambda_src, pki/certificates.py).
MEMBER_CN = "etcd:member"

SEED_KEYS = ("ETCD_INITIAL_CLUSTER_STATE", "ETCD_NAME", "ETCD_INITIAL_CLUSTER", "ETCD_PROXY")


def initial_cluster(members: Iterable[Member], *, own: Member | None, own_name: str) -> str:
    """Return `name=url` for every peer URL, own entry under `own_name`.

    etcd checks only its own name and the URLs; of the others, one that is used twice would make two members one.
    """
    members = tuple(members)
    names = [own_name if member is own else _name_of_other(member) for member in members]
    uses = Counter(names)
    pairs = []
    for member, name in zip(members, names):
        is_clear = member is own or (uses[name] == 1 and name != own_name)
        unique = name if is_clear else member.member_id or member.instance
        pairs += [f"{unique}={url}" for url in member.peer_urls]
    return ",".join(pairs)


def _name_of_other(member: Member) -> str:
    candidates = (member.name, member.instance, member.member_id)
    return next((word for word in candidates if word and SAFE_WORD.fullmatch(word)), "unnamed")


def member_file(record: Record, own: Member, state: str, identity: Identity, settings: Settings) -> str:
    """Return the peers file of a member of the cluster; `state` is `new` or `existing`."""
    address = identity.private_ip
    listen_client = _listen_client_urls(identity, settings)
    client_urls = own.client_urls or (f"{settings.client_scheme}://{address}:{settings.client_port}",)
    return _file(
        {
            "ETCD_INITIAL_CLUSTER_STATE": state,
            "ETCD_NAME": identity.instance_id,
            "ETCD_INITIAL_CLUSTER": initial_cluster(record.members, own=own, own_name=identity.instance_id),
            "ETCD_PROXY": "off",
            "ETCD_INITIAL_CLUSTER_TOKEN": record.initial_cluster_token,
            "ETCD_LISTEN_PEER_URLS": f"{settings.peer_scheme}://{address}:{settings.peer_port}",
            "ETCD_LISTEN_CLIENT_URLS": listen_client,
            "ETCD_INITIAL_ADVERTISE_PEER_URLS": ",".join(own.peer_urls),
            "ETCD_ADVERTISE_CLIENT_URLS": ",".join(client_urls),
            **_certificate_keys(settings),
        },
        settings,
    )


def proxy_file(record: Record, identity: Identity, settings: Settings) -> str:
    """Return the peers file of an etcd 2.x proxy in front of the cluster's voters."""
    voters = (member for member in record.members if not member.learner)
    return _file(
        {
            "ETCD_INITIAL_CLUSTER_STATE": "existing",
            "ETCD_NAME": identity.instance_id,
            "ETCD_INITIAL_CLUSTER": initial_cluster(voters, own=None, own_name=identity.instance_id),
            "ETCD_PROXY": "on",
            "ETCD_LISTEN_CLIENT_URLS": _listen_client_urls(identity, settings),
            **_certificate_keys(settings),
        },
        settings,
    )


def _listen_client_urls(identity: Identity, settings: Settings) -> str:
    addresses = [identity.private_ip] + (["127.0.0.1"] if settings.listens_on_loopback else [])
    # Before 3.4.25 and 3.5.8 etcd may serve no gRPC over http then: https://github.com/etcd-io/etcd/issues/15495.
    schemes = ("http", "https") if settings.tls.is_transition else (settings.client_scheme,)
    return ",".join(f"{scheme}://{address}:{settings.client_port}" for address in addresses for scheme in schemes)


def _certificate_keys(settings: Settings) -> dict[str, str]:
    """Return etcd's settings for TLS, which it ignores where a URL is http; an etcd 2.x proxy takes those for peers."""
    if not settings.tls.has_material:
        return {}
    certificate, key, ca = (settings.tls.directory / name for name in ("host.crt", "host.key", "ca.crt"))
    keys = {
        f"ETCD_{side}{name}": str(value)
        for side in ("", "PEER_")
        for name, value in (
            ("CERT_FILE", certificate),
            ("KEY_FILE", key),
            ("TRUSTED_CA_FILE", ca),
            ("CLIENT_CERT_AUTH", "true"),
        )
    }
    return keys | ({"ETCD_PEER_CERT_ALLOWED_CN": MEMBER_CN} if settings.tls.checks_peers else {})


def _file(values: dict[str, str], settings: Settings) -> str:
    keys = [key for key in values if key in SEED_KEYS or not settings.only_seed_keys]
    # The seed quoted this one value and no other; scripts of its users may cut it out.
    return "".join(
        f'{key}="{values[key]}"\n' if key == "ETCD_INITIAL_CLUSTER" else f"{key}={values[key]}\n" for key in keys
    )
