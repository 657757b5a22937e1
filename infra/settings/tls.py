"""How etcd's traffic is encrypted, and who may talk to it (docs/tls.md)."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any

from infra.etcd_releases import release
from infra.settings.rules import KEY_PREFIX, Flag, Text, TextOf, Whole, setting

if TYPE_CHECKING:
    from infra.settings import Settings

_MANAGED = r"arn:[a-z-]+:secretsmanager:[a-z0-9-]+:[0-9]{12}:secret:"
_IN_SECRET, _IN_PARAMETER = "[A-Za-z0-9/_+=.@-]", "[A-Za-z0-9/_.-]"
_HOSTS_OWN = r"\{instance_id\}|\{private_ip\}"
_MATERIAL = "the ARN of a Secrets Manager secret, or ssm:/name of a SecureString parameter, or empty"


@dataclass(frozen=True, kw_only=True)
class TlsSettings:
    """Certificates and users."""

    pki: str = setting(
        "automatic",
        TextOf(choices=("automatic", "own")),
        "who makes the certificates for https: the controller, or you",
    )
    tls_transition: bool = setting(
        False,  # noqa: FBT003 - a default, not an argument
        Flag(),
        "on the way from http to https: members have certificates, and serve clients both ways on one port",
    )
    peer_cn_check: bool = setting(
        True,  # noqa: FBT003 - a default, not an argument
        Flag(),
        "automatic PKI: members take only each other's certificates on the peer port, not clients'; false is for one "
        "rollout, where an earlier release made the members' certificates, and for etcd 2.x proxies",
    )
    certificate_hours: int = setting(
        168,
        # A host looks after it each hour or hour and a half, and from half of its life on: twice before the end.
        Whole(minimum=8, maximum=8760),
        "life of a certificate that the controller issues",
        unit="h",
    )
    ca_signing: int = setting(1, Whole(minimum=1, maximum=999), "generation of the automatic CA that signs")
    ca_trusted: str = setting(
        "",
        Text(form=r"|[1-9][0-9]{0,2}(,[1-9][0-9]{0,2}){0,2}", expected="up to three generations such as 1,2, or empty"),
        "generations of the automatic CA that are trusted; empty is the signing one alone",
    )
    controller_tls_source: str = setting(
        "",
        Text(form=f"|{_MANAGED}{_IN_SECRET}+|ssm:/{_IN_PARAMETER}+", expected=_MATERIAL),
        "own PKI: where the controller finds its JSON object of ca, cert and key (PEM)",
    )
    host_tls_source: str = setting(
        "",
        Text(
            # The hosts' role may read all that begins so: with a placeholder first that would be all of the account.
            form=f"|{_MANAGED}{_IN_SECRET}+({_IN_SECRET}|{_HOSTS_OWN})*|ssm:/[A-Za-z0-9]({_IN_PARAMETER}|{_HOSTS_OWN})*",
            expected=f"{_MATERIAL}; with no other braces than {{instance_id}} and {{private_ip}}, these after a "
            "beginning of your own",
        ),
        "own PKI: where each host finds its JSON object of ca, cert and key (PEM); {instance_id} and {private_ip} are "
        "filled in; empty: they come with the image",
    )
    etcd_user_secret_arn: str = setting(
        "",
        Text(form=f"|{_MANAGED}{_IN_SECRET}+", expected="the ARN of a Secrets Manager secret, or empty"),
        "secret with username and password (JSON), with which the controller logs in where etcd has users",
    )

    @property
    def trusted_generations(self) -> tuple[int, ...]:
        """The CA generations of the bundle, the signing one first."""
        others = (int(n) for n in self.ca_trusted.split(",") if n and int(n) != self.ca_signing)
        return (self.ca_signing, *others)


def tls_conflicts(settings: "Settings", _given: Mapping[str, Any]) -> Iterator[str]:
    """Yield one line for each pair of values that cannot go together."""
    tls, etcd = settings.tls, settings.etcd
    if tls.ca_trusted and str(tls.ca_signing) not in tls.ca_trusted.split(","):
        yield (
            f"{KEY_PREFIX}ca_trusted: got {tls.ca_trusted}, "
            f"expected {KEY_PREFIX}ca_signing among them, which is {tls.ca_signing}"
        )
    if tls.pki == "own" and etcd.etcd_client_scheme == "https" and not tls.controller_tls_source:
        yield f"{KEY_PREFIX}controller_tls_source: got nothing, expected {_MATERIAL.removesuffix(', or empty')}"
    yield from _what_hosts_could_read(tls)
    if tls.tls_transition and _serves_one_way(etcd.etcd_version):
        yield (
            f"{KEY_PREFIX}tls_transition: got true with {KEY_PREFIX}etcd_version={etcd.etcd_version}, expected 3.4.25, "
            "3.5.8 or newer, for this release may not answer over http once it serves https on the same port "
            "(etcd-io/etcd#15495)"
        )
    if tls.pki == "automatic":
        for key in ("controller_tls_source", "host_tls_source"):
            if getattr(tls, key):
                yield (
                    f"{KEY_PREFIX}{key}: got {getattr(tls, key)!r}, "
                    f"expected nothing, for with {KEY_PREFIX}pki=automatic the controller makes the certificates"
                )


def _what_hosts_could_read(tls: TlsSettings) -> Iterator[str]:
    """Yield a line for each secret of the controller's that the pattern granted to hosts would cover."""
    pattern = tls.host_tls_source.replace("{instance_id}", "*").replace("{private_ip}", "*")
    if tls.pki != "own" or "*" not in pattern:
        return
    for key in ("controller_tls_source", "etcd_user_secret_arn"):
        source = getattr(tls, key)
        if fnmatchcase(source, pattern):
            yield (
                f"{KEY_PREFIX}{key}: got {source}, expected one that hosts may not read: by "
                f"{KEY_PREFIX}host_tls_source={tls.host_tls_source} they may read all that fits it"
            )


def _serves_one_way(etcd_version: str) -> bool:
    """Whether http beside https on one port may be dead: https://github.com/etcd-io/etcd/issues/15495."""
    major, minor, patch = release(etcd_version)
    first_mended = {(3, 4): 25, (3, 5): 8}
    return (major, minor) < (3, 4) or patch < first_mended.get((major, minor), 0)
