"""A way through the network that breaks: connections to it reach a port of loopback, and are cut at random until it is told to be calm."""
import asyncio
import contextlib
import random
import socket
import struct
import threading
import time

BYTES_MAX = 40_000    # a connection is cut after so many or some more, so at any point of the protocol
SECONDS_MAX = 0.3     # or after at most so long, so that those that are idle are cut too


class Flaky:
    """Listens on `ways` ports of its own, `ports`; all lead to `port`."""

    def __init__(self, port, seed, ways=1):
        self.target, self.ways, self.dice = port, ways, random.Random(seed)
        self.calm, self.made, self.cuts, self.first_calm = False, 0, 0, None
        self.ports, self._servers, self._loop = [], [], asyncio.new_event_loop()
        ready = threading.Event()
        self._thread = threading.Thread(target=self._run, args=(ready,), daemon=True)
        self._thread.start()
        ready.wait()

    def close(self):
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()

    def _run(self, ready):
        asyncio.set_event_loop(self._loop)
        for _ in range(self.ways):
            server = self._loop.run_until_complete(asyncio.start_server(self._accept, "127.0.0.1", 0))
            self._servers.append(server)
            self.ports.append(server.sockets[0].getsockname()[1])
        ready.set()
        self._loop.run_forever()
        for server in self._servers:
            server.close()
        for task in asyncio.all_tasks(self._loop):
            task.cancel()
        self._loop.run_until_complete(asyncio.sleep(0.05))
        self._loop.close()

    async def _accept(self, reader, writer):
        self.made += 1
        if self.calm and self.first_calm is None:
            self.first_calm = time.monotonic()
        try:
            there = await asyncio.open_connection("127.0.0.1", self.target)
        except OSError:
            writer.close()
            return
        left = [self.dice.choice((500, 5000, BYTES_MAX, 10 * BYTES_MAX)) * self.dice.random()]
        pumps = [asyncio.ensure_future(self._pump(*pair, left)) for pair in ((reader, there[1]), (there[0], writer))]
        deadline = time.monotonic() + self.dice.random() * SECONDS_MAX
        while not any(pump.done() for pump in pumps) and (self.calm or time.monotonic() < deadline):
            await asyncio.wait(pumps, timeout=0.02, return_when=asyncio.FIRST_COMPLETED)
        for pump in pumps:
            pump.cancel()
        for end in (writer, there[1]):
            if self.dice.random() < 0.5:       # with what is in the buffers lost, or delivered
                end.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            end.close()
        self.cuts += not self.calm

    async def _pump(self, reader, writer, left):
        with contextlib.suppress(ConnectionError):
            while data := await reader.read(65536):
                if not self.calm:
                    data, left[0] = data[:max(0, int(left[0]))], left[0] - len(data)
                writer.write(data)
                await writer.drain()
                if left[0] < 0 and not self.calm:
                    return
