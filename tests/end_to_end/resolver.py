"""The VPC's resolver, for one program: a DNS server on loopback that answers from the zone, and a resolv.conf for it.

Linux, and only where mounting is allowed: nothing but port 53 of a host named in /etc/resolv.conf is asked.
"""

from __future__ import annotations

import os
import shutil
import socket
import struct
import subprocess
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final, Self

Records = Mapping[tuple[str, str], set[str]]
_TYPES: Final = {1: "A", 33: "SRV"}
_IN, _TTL_S = 1, 5
_ANSWER, _NO_SUCH_NAME = 0x8580, 0x8583  # authoritative, recursion available; and with the code NXDOMAIN
_HEADER: Final = struct.Struct("!6H")


class Resolver:
    """Serves records on an address, UDP port 53.

    Args:
        address: of 127.0.0.0/8.
        records: what the zone holds now, by name (with its last dot) and type.
        folder: gets a resolv.conf.
    """

    def __init__(self, address: str, records: Callable[[], Records], folder: Path) -> None:
        self._records = records
        self._configuration = folder / "resolv.conf"
        self._configuration.write_text(f"nameserver {address}\n", encoding="ascii")
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind((address, 53))
        self._thread = threading.Thread(target=self._serve, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.sendto(b"", self._socket.getsockname())  # the end of what it serves
        self._thread.join()
        self._socket.close()

    def run(self, *command: str | Path) -> subprocess.CompletedProcess[str]:
        """Run a program that resolves names here: it has an /etc/resolv.conf of its own."""
        script = 'mount --bind "$1" /etc/resolv.conf && shift && exec "$@"'
        inside = ["unshare", "--mount", "--", "sh", "-c", script, "sh", self._configuration, *command]
        return subprocess.run(inside, capture_output=True, text=True, timeout=30, check=False)

    def _serve(self) -> None:
        while True:
            query, sender = self._socket.recvfrom(512)
            if not query:
                return
            self._socket.sendto(answer(query, self._records()), sender)


def can_resolve() -> bool:
    """Whether this process may mount, and listen on port 53."""
    if not shutil.which("unshare"):
        return False
    mounts = subprocess.run(["unshare", "--mount", "--", "true"], capture_output=True, check=False).returncode == 0
    try:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            probe.bind((f"127.0.{1 + os.getpid() % 254}.153", 53))  # others may ask at this moment
    except OSError:
        return False
    return mounts


def answer(query: bytes, records: Records) -> bytes:
    """Answer a query of one question (RFC 1035, and 2782 for SRV)."""
    identity = _HEADER.unpack_from(query)[0]
    end = query.index(b"\0", _HEADER.size) + 1
    name = _text(query[_HEADER.size : end])
    kind, _ = struct.unpack_from("!2H", query, end)
    found = sorted(records.get((name, _TYPES.get(kind, "")), ()))
    known = any(each == name for each, _ in records)
    body = b"".join(
        struct.pack("!3HIH", 0xC000 | _HEADER.size, kind, _IN, _TTL_S, len(data)) + data
        for data in (_data(_TYPES[kind], value) for value in found)
    )
    header = _HEADER.pack(identity, _ANSWER if known else _NO_SUCH_NAME, 1, len(found), 0, 0)
    return header + query[_HEADER.size : end + 4] + body


def _data(kind: str, value: str) -> bytes:
    if kind == "A":
        return socket.inet_aton(value)
    priority, weight, port, target = value.split()
    return struct.pack("!3H", int(priority), int(weight), int(port)) + _wire(target)


def _wire(name: str) -> bytes:
    labels = name.rstrip(".").encode("ascii").split(b".")
    return b"".join(bytes([len(label)]) + label for label in labels) + b"\0"


def _text(wire: bytes) -> str:
    labels, at = [], 0
    while wire[at]:
        labels.append(wire[at + 1 : at + 1 + wire[at]].decode("ascii").lower())
        at += wire[at] + 1
    return ".".join(labels) + "."
