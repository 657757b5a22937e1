"""Who is at the other end of a connection of this machine: asked of the kernel, one socket at a time (sock_diag(7))."""

from __future__ import annotations

import socket
import struct
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

_NETLINK_SOCK_DIAG: Final = 4
_SOCK_DIAG_BY_FAMILY: Final = 20
_NLM_F_REQUEST: Final = 1
_HEADER: Final = struct.Struct("=IHHII")  # struct nlmsghdr
_REQUEST: Final = struct.Struct("=BBBxI")  # struct inet_diag_req_v2, less its sockid
_SOCKET: Final = struct.Struct("!HH4s12x4s12xI8s")  # struct inet_diag_sockid
_INODE: Final = struct.Struct("=I")
_INODE_AT: Final = _HEADER.size + 4 + _SOCKET.size + 16  # the last member of struct inet_diag_msg
_ANY_STATE: Final = 0xFFFFFFFF
_ANY_COOKIE: Final = b"\xff" * 8
_ANSWER_S: Final = 10.0


def source_of(near: tuple[str, int], far: tuple[str, int], owners: Mapping[int, str]) -> str | None:
    """Whose process has the connecting end of a TCP connection of this machine; None if it is none of them.

    The whole table of /proc/net/tcp takes a third of a second where there were many connections lately.

    Args:
        near: address and port of the connecting end.
        far: address and port that it connected to.
        owners: process ids and whose they are.
    """
    inode = _inode(near, far)
    return next((owner for pid, owner in owners.items() if inode and _has_socket(pid, inode)), None)


def _inode(near: tuple[str, int], far: tuple[str, int]) -> int:
    """The inode of an IPv4 TCP socket; 0 if it is gone."""
    addresses = socket.inet_aton(near[0]), socket.inet_aton(far[0])
    wanted = _SOCKET.pack(near[1], far[1], *addresses, 0, _ANY_COOKIE)
    request = _REQUEST.pack(socket.AF_INET, socket.IPPROTO_TCP, 0, _ANY_STATE) + wanted
    header = _HEADER.pack(_HEADER.size + len(request), _SOCK_DIAG_BY_FAMILY, _NLM_F_REQUEST, 0, 0)
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, _NETLINK_SOCK_DIAG) as kernel:
        kernel.settimeout(_ANSWER_S)
        kernel.send(header + request)
        answer = kernel.recv(4096)
    kind = _HEADER.unpack_from(answer)[1]
    return int(_INODE.unpack_from(answer, _INODE_AT)[0]) if kind == _SOCK_DIAG_BY_FAMILY else 0


def _has_socket(pid: int, inode: int) -> bool:
    wanted = f"socket:[{inode}]"
    try:
        descriptors = list(Path(f"/proc/{pid}/fd").iterdir())
    except OSError:
        return False  # it ended
    return any(_target(each) == wanted for each in descriptors)


def _target(descriptor: Path) -> str:
    try:
        return str(descriptor.readlink())
    except OSError:
        return ""  # it was closed meanwhile
