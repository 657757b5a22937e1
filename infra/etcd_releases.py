"""What is known of etcd's releases: checksums of those that need none given, and those to refuse."""

from collections.abc import Mapping

# From the file SHA256SUMS of each release, https://github.com/etcd-io/etcd/releases; compared with those that
# other projects pin for the same archives.
_SHA256: Mapping[str, Mapping[str, str]] = {
    "3.5.21": {
        "amd64": "adddda4b06718e68671ffabff2f8cee48488ba61ad82900e639d108f2148501c",
        "arm64": "95bf6918623a097c0385b96f139d90248614485e781ec9bee4768dbb6c79c53f",
    },
}

# https://github.com/etcd-io/etcd/issues/13766, mended in 3.5.3; make torture has seen it with 3.5.1.
LOSE_WRITES = frozenset({"3.5.0", "3.5.1", "3.5.2"})


def known_sha256(version: str) -> Mapping[str, str]:
    """SHA-256 by architecture (amd64, arm64) of a release's archive; empty for a release that is not known here."""
    return _SHA256.get(version, {})
