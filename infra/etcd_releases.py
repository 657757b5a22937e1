"""What is known of etcd's releases: checksums of those that need none given, those to refuse, and where they run."""

from collections.abc import Mapping

# Of each release's archives, https://github.com/etcd-io/etcd/releases (SHA256SUMS), as Kubespray pins them, which
# installs them:
# https://github.com/kubernetes-sigs/kubespray/blob/005bdce7/roles/kubespray_defaults/vars/main/checksums.yml
_SHA256: Mapping[str, Mapping[str, str]] = {
    "3.5.21": {
        "amd64": "adddda4b06718e68671ffabff2f8cee48488ba61ad82900e639d108f2148501c",
        "arm64": "95bf6918623a097c0385b96f139d90248614485e781ec9bee4768dbb6c79c53f",
    },
    "3.5.27": {
        "amd64": "0aad9a9e4e0817a021e933f9806a2b2960a62f949ad5a3d6436d8886945cb1bc",
        "arm64": "1277309f540c5a0329c428f95455c9f76d24f768c8d28fd2753e891c379053fa",
    },
}

# https://github.com/etcd-io/etcd/issues/13766, mended in 3.5.3; make torture has seen it with 3.5.1.
LOSE_WRITES = frozenset({"3.5.0", "3.5.1", "3.5.2"})

# An earlier one ends at once on arm64, unless it is told that this is meant: https://github.com/etcd-io/etcd/pull/12929
ARM64_SINCE = (3, 5, 0)


def release(version: str) -> tuple[int, ...]:
    """The numbers of a release such as 3.5.27."""
    return tuple(map(int, version.split(".")))


def known_sha256(version: str) -> Mapping[str, str]:
    """SHA-256 by architecture (amd64, arm64) of a release's archive; empty for a release that is not known here."""
    return _SHA256.get(version, {})
