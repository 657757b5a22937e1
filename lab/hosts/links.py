"""The peer links of a lab: what one etcd sends to another passes through here, or does not pass."""

from __future__ import annotations

import asyncio
import socket
import struct
import threading
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from lab.hosts.sockets import source_of

if TYPE_CHECKING:
    from collections.abc import Coroutine, Iterable

Link = tuple[str, str]
_CHUNK: Final = 65536
_BEHIND: Final = 10_000  # etcd listens this many ports above the one that is advertised
_DONE_S: Final = 60.0


class Links:
    """Listens where peers are advertised, and forwards each connection to the etcd behind, link by link.

    A link is a pair of instance ids, from and to. Over a link that is cut no byte passes and no end is told; what was
    under way goes on when it is healed. Everything happens in one event loop in a thread of its own.
    """

    def __init__(self) -> None:
        self._cut: frozenset[Link] = frozenset()
        self._etcds: dict[int, str] = {}
        self._servers: dict[str, asyncio.Server] = {}
        self._forwarding: set[asyncio.Future[None]] = set()
        self._loop = asyncio.new_event_loop()
        self._changed = asyncio.Event()
        threading.Thread(target=self._loop.run_forever, name="links", daemon=True).start()

    def cut(self, links: Iterable[Link]) -> None:
        """Cut exactly these links and heal all others; done when it returns."""
        self._call(self._set_cut(frozenset(links)))

    def runs(self, instance_id: str, pid: int) -> None:
        """Take note that a process is an instance's etcd: the source of its connections."""
        self._etcds[pid] = instance_id

    def ended(self, pid: int) -> None:
        """Forget an etcd."""
        self._etcds.pop(pid, None)

    def open(self, instance_id: str, listen_url: str) -> str:
        """Listen in front of an instance's etcd.

        Args:
            instance_id: the instance.
            listen_url: where its peers expect it, for example ``http://127.64.0.4:2380``.

        Returns:
            The URL where its etcd is to listen instead.

        Raises:
            OSError: the address is taken.
        """
        url = urlsplit(listen_url)
        address, port = url.hostname or "", url.port or 2380
        if instance_id not in self._servers:
            self._servers[instance_id] = self._call(self._serve(instance_id, address, port))
        return f"{url.scheme}://{address}:{port + _BEHIND}"

    def close(self, instance_id: str) -> None:
        """Listen no more for an instance. Connections end when their ends do."""
        server = self._servers.pop(instance_id, None)
        if server is not None:
            self._loop.call_soon_threadsafe(server.close)

    def _call(self, work: Coroutine[Any, Any, Any]) -> Any:  # noqa: ANN401  # what the coroutine returns
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(_DONE_S)

    async def _set_cut(self, links: frozenset[Link]) -> None:
        self._cut, changed, self._changed = links, self._changed, asyncio.Event()
        changed.set()

    async def _passable(self, link: Link) -> None:
        while link in self._cut:
            await self._changed.wait()

    async def _serve(self, target: str, address: str, port: int) -> asyncio.Server:
        async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            # asyncio holds a connection by weak references only, once one end of it has come.
            forwarding = asyncio.ensure_future(self._forward(reader, writer, target, (address, port)))
            self._forwarding.add(forwarding)
            forwarding.add_done_callback(self._forwarding.discard)

        return await asyncio.start_server(accept, address, port)

    async def _forward(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, target: str, advertised: tuple[str, int]
    ) -> None:
        address, port = advertised
        source = source_of(writer.get_extra_info("peername"), advertised, dict(self._etcds)) or ""
        await self._passable((source, target))
        await self._passable((target, source))  # a handshake needs both ways
        try:
            from_target, to_target = await asyncio.open_connection(address, port + _BEHIND)
        except OSError:
            _reset(writer)
            return
        await asyncio.gather(
            self._carry(reader, to_target, (source, target)), self._carry(from_target, writer, (target, source))
        )
        writer.close()
        to_target.close()

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, link: Link) -> None:
        """Forward until the end or the reset of the connection, and then that."""
        try:
            while data := await reader.read(_CHUNK):
                await self._passable(link)
                writer.write(data)
                await writer.drain()
            await self._passable(link)
            writer.write_eof()
        except OSError:
            await self._passable(link)
            _reset(writer)


def _reset(writer: asyncio.StreamWriter) -> None:
    """End a connection with RST."""
    if not writer.transport.is_closing():
        writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        writer.transport.abort()
