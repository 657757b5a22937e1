"""Which etcd runs, and how it is reached."""

from dataclasses import dataclass

from infra.settings.rules import Text, TextOf, Whole, setting

_SCHEME = TextOf(choices=("http", "https"))
# etcd runs as a user of its own and cannot open a port below 1024.
_PORT = Whole(minimum=1024, maximum=65535)


@dataclass(frozen=True, kw_only=True)
class EtcdSettings:
    """Which etcd runs, and how it is reached."""

    etcd_version: str = setting(
        "3.5.27",
        Text(form=r"[0-9]{1,4}\.[0-9]{1,4}\.[0-9]{1,4}", expected="a version such as 3.5.27, without v"),
        "etcd release to install",
    )
    etcd_sha256: str = setting(
        "",
        Text(form=r"|[0-9a-f]{64}", expected="64 lower-case hexadecimal digits, or empty"),
        "SHA-256 of the archive; empty takes the one known of 3.5.21 or 3.5.27",
    )
    etcd_url: str = setting(
        "https://github.com/etcd-io/etcd/releases/download/v{version}/etcd-v{version}-linux-{architecture}.tar.gz",
        # No quote, blank or shell sign: a shell reads the text. An S3 key stands in a URL as it is, so it has nothing
        # that would be encoded there.
        Text(
            form=r"(https://([A-Za-z0-9._~:/?&=%+-]|\{version\}|\{architecture\})+"
            r"|s3://([A-Za-z0-9._~/-]|\{version\}|\{architecture\})+)",
            expected="an https:// or s3:// address, in which {version} and {architecture} (amd64, arm64) are filled in",
        ),
        "archive to install etcd from, laid out as the upstream releases",
    )
    etcd_client_scheme: str = setting("https", _SCHEME, "scheme of client URLs")
    etcd_peer_scheme: str = setting("https", _SCHEME, "scheme of peer URLs")
    etcd_client_port: int = setting(2379, _PORT, "port of client URLs")
    etcd_server_port: int = setting(2380, _PORT, "port of peer URLs")
    quota_mib: int = setting(
        2048,
        # etcd warns above 8 GiB: https://etcd.io/docs/v3.5/dev-guide/limit/
        Whole(minimum=16, maximum=16384),
        "size of etcd's database at which it takes no more writes (its default is 2048, it advises at most 8192)",
        unit="MiB",
    )

    @property
    def quota_bytes(self) -> int:
        """The quota as etcd is told it."""
        return self.quota_mib * 1024**2
