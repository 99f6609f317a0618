"""A TCP proxy that cuts the network: it stalls, resets, half-closes, refuses, falls silent, or cuts after some bytes.

One asyncio loop in a thread of its own serves all proxies. Never reads what it carries.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import socket
import struct
import threading
from collections.abc import Coroutine
from dataclasses import dataclass, field
from typing import Any, Literal, Self, TypeVar

CHUNK_BYTES = 65_536
CONNECT_SECONDS = 5.0
SWALLOWED_BYTES = 262_144
GONE_SECONDS = 60.0
"""After so long a server's own probes find that a silent connection's client, which has hung up, is gone."""

Side = Literal["client", "server"]
T = TypeVar("T")


@dataclass(eq=False)
class _Link:
    """One connection through a proxy: the writer to whoever connected, and the one to the server."""

    client: asyncio.StreamWriter
    server: asyncio.StreamWriter
    pumps: list[asyncio.Task[None]] = field(default_factory=list)
    silent: bool = False

    def reset(self) -> None:
        """A reset on both sides, as when a middlebox forgot the connection: what was on its way is lost."""
        for pump in self.pumps:
            pump.cancel()
        for writer in (self.client, self.server):
            _reset(writer)


class Proxy:
    """Stands in front of one server. Made by `Network.proxy`; every method may be called from any thread."""

    def __init__(self, network: Network, name: str, target_port: int) -> None:
        self.name = name
        self.target_port = target_port
        self.port = 0
        self._network = network
        self._links: set[_Link] = set()
        self._unheard: set[asyncio.StreamWriter] = set()
        """Who connected while there was silence."""
        self._open = asyncio.Event()
        self._open.set()
        self._refusing = False
        self._silent = False
        self._bytes_left: int | None = None
        self._mute_after_cut = False
        self._listener: asyncio.Server | None = None

    def stall(self) -> None:
        """Carry nothing until `heal`; connections are taken and stay silent, as behind a dead switch."""
        self._network.call(self._set(stalled=True, refusing=self._refusing))

    def silence(self, after_bytes: int = 0) -> None:
        """Carry nothing any more, for good: no connection that there is now, nor one made until `heal`, is ever served.

        Nobody is told: what comes is acknowledged by TCP and stays here, and no reset and no goodbye goes out. With
        `after_bytes` so many bytes pass before, which is the middle of a message.
        """
        self._network.call(self._fall_silent(after_bytes))

    def forget(self, share: float, seed: float) -> None:
        """Fall silent for good on so large a share of the connections that there are; new ones work.

        As a firewall does that forgot them, so that one process is cut off and another is not.
        """
        self._network.call(self._forget(share, seed))

    def refuse(self) -> None:
        """Reset what there is and whatever comes, until `heal`."""
        self._network.call(self._set(stalled=False, refusing=True))
        self.reset()

    def reset(self) -> None:
        """Reset every connection there is; the next one works."""
        self._network.call(self._reset_all())

    def half_close(self, towards: Side) -> None:
        """Tell one side of every connection that the other has said its last word; the other way stays open."""
        self._network.call(self._half_close(towards))

    def cut_after(self, count: int) -> None:
        """Carry `count` bytes more, of all connections together, then reset them: the middle of a message."""
        self._network.call(self._cut_after(count))

    def heal(self) -> None:
        """Carry everything again; what was held back by a stall goes out."""
        self._network.call(self._set(stalled=False, refusing=False))

    @property
    def connections(self) -> int:
        """How many connections are open now."""
        return len(self._links)

    async def _set(self, *, stalled: bool, refusing: bool) -> None:
        self._refusing = refusing
        self._silent = False
        self._bytes_left = None
        self._mute_after_cut = False
        if stalled:
            self._open.clear()
        else:
            self._open.set()

    async def _fall_silent(self, after_bytes: int) -> None:
        if after_bytes:
            self._bytes_left, self._mute_after_cut = after_bytes, True
            return
        self._silent = True
        for link in self._links:
            link.silent = True

    async def _forget(self, share: float, seed: float) -> None:
        chance = random.Random(seed)
        for link in self._links:
            link.silent = link.silent or chance.random() < share

    async def _reset_all(self) -> None:
        for link in list(self._links):
            if not link.silent:
                link.reset()

    async def _half_close(self, towards: Side) -> None:
        for link in list(self._links):
            if link.silent:
                continue
            writer = link.client if towards == "client" else link.server
            with contextlib.suppress(OSError, RuntimeError):
                writer.write_eof()

    async def _cut_after(self, count: int) -> None:
        self._bytes_left, self._mute_after_cut = count, False

    async def listen(self) -> None:
        self._listener = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = self._listener.sockets[0].getsockname()[1]

    async def close(self) -> None:
        if self._listener is not None:
            self._listener.close()
        for link in list(self._links):
            link.reset()
        for client in self._unheard:
            _reset(client)

    async def _serve(self, reader: asyncio.StreamReader, client: asyncio.StreamWriter) -> None:
        if self._refusing:
            _reset(client)
            return
        if self._silent:
            self._unheard.add(client)
            await _swallow(reader)
            return
        try:
            async with asyncio.timeout(CONNECT_SECONDS):
                from_server, server = await asyncio.open_connection("127.0.0.1", self.target_port)
        except (OSError, TimeoutError):
            _reset(client)
            return
        link = _Link(client, server)
        self._links.add(link)
        link.pumps = [
            asyncio.create_task(self._pump(link, reader, server)),
            asyncio.create_task(self._pump(link, from_server, client)),
        ]
        await asyncio.wait(link.pumps)
        self._links.discard(link)
        for writer in (client, server):
            with contextlib.suppress(OSError, RuntimeError):
                writer.close()

    async def _pump(self, link: _Link, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        # After a half-close there is nobody to write to; the other way goes on.
        with contextlib.suppress(RuntimeError, asyncio.CancelledError):
            try:
                await self._carry(link, reader, writer)
                if link.silent:
                    await self._be_silent(link, reader, writer)
            except OSError:
                # One side is gone without a goodbye (killed with words unread): the other must hear of it.
                link.reset()

    async def _be_silent(
        self, link: _Link, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        """Hold what comes from one side of a connection for good, and tell the other side nothing of its end."""
        await _swallow(reader)
        if writer is link.server:
            await asyncio.sleep(GONE_SECONDS)
            link.reset()
        await asyncio.Event().wait()

    async def _carry(self, link: _Link, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            await self._open.wait()
            data = await reader.read(CHUNK_BYTES)
            await self._open.wait()
            if link.silent:
                return
            if not data:
                writer.write_eof()
                return
            if self._bytes_left is not None:
                data, self._bytes_left = data[: self._bytes_left], self._bytes_left - len(data)
                if self._bytes_left <= 0:
                    self._bytes_left = None
                    writer.write(data)
                    await writer.drain()
                    if self._mute_after_cut:
                        await self._fall_silent(0)
                    else:
                        await self._reset_all()
                    return
            writer.write(data)
            await writer.drain()


class Network:
    """All proxies of a plant and the loop that serves them. A context manager."""

    def __init__(self) -> None:
        self.proxies: dict[str, Proxy] = {}
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="network", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        for proxy in self.proxies.values():
            self.call(proxy.close())
        self.call(self._drain())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def proxy(self, name: str, target_port: int) -> Proxy:
        """A new proxy, listening on a free port, in front of a port of this machine."""
        proxy = self.proxies[name] = Proxy(self, name, target_port)
        self.call(proxy.listen())
        return proxy

    def heal(self) -> None:
        for proxy in self.proxies.values():
            proxy.heal()

    def call(self, work: Coroutine[Any, Any, T]) -> T:
        """Do something in the loop's thread and wait for it."""
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(10.0)

    async def _drain(self) -> None:
        mine = asyncio.current_task()
        waiting = [task for task in asyncio.all_tasks() if task is not mine]
        for task in waiting:
            task.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)


async def _swallow(reader: asyncio.StreamReader) -> None:
    """Take what comes and leave it, until the other side hangs up; more than some, and its own buffers fill."""
    left = SWALLOWED_BYTES
    with contextlib.suppress(OSError):
        while left > 0:
            data = await reader.read(CHUNK_BYTES)
            if not data:
                return
            left -= len(data)
    await asyncio.Event().wait()


def _reset(writer: asyncio.StreamWriter) -> None:
    connection = writer.get_extra_info("socket")
    with contextlib.suppress(OSError, AttributeError):
        # With no time to linger, closing sends a reset instead of a goodbye.
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    with contextlib.suppress(OSError, RuntimeError):
        writer.transport.abort()
