"""Servers that are no peers: each connection's request is read, and answered as the test says."""
import base64
import hashlib
import re
import socket
import struct
import threading


class Stranger:
    """Listens on a port of loopback, `port`. `answer(connection, head)` is called for each connection, on a thread of its own;
    the connection is closed after it. `asked` counts them."""

    def __init__(self, answer):
        self.answer, self.asked, self.over = answer, 0, threading.Event()
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.url = f"ws://127.0.0.1:{self.port}/room"
        self._threads = [threading.Thread(target=self._accept, daemon=True)]
        self._threads[0].start()

    def close(self):
        self.over.set()
        self.listener.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join()
        self.listener.close()

    def _accept(self):
        while True:
            try:
                connection = self.listener.accept()[0]
            except OSError:
                return
            self.asked += 1
            self._threads.append(threading.Thread(target=self._talk, args=(connection,), daemon=True))
            self._threads[-1].start()

    def _talk(self, connection):
        head = b""
        with connection:
            try:
                while b"\r\n\r\n" not in head:
                    more = connection.recv(4096)
                    if not more:
                        return
                    head += more
                self.answer(connection, head)
            except OSError:
                pass


def says(text):
    """An answer of these header lines."""
    return lambda connection, head: connection.sendall(("\r\n".join(text) + "\r\n\r\n").encode())


def upgrades(protocol=None, then=None, more=()):
    """An answer that opens a websocket of that subprotocol, or of none, with `more` lines in it; then(connection) goes on."""
    def answer(connection, head):
        key = re.search(rb"Sec-WebSocket-Key: *(\S+)", head, re.IGNORECASE).group(1)
        accept = base64.b64encode(hashlib.sha1(key + b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11").digest()).decode()
        lines = ["HTTP/1.1 101 Switching Protocols", "Upgrade: websocket", "Connection: Upgrade", f"Sec-WebSocket-Accept: {accept}", *more]
        says(lines + ([f"Sec-WebSocket-Protocol: {protocol}"] if protocol else []))(connection, head)
        if then:
            then(connection)
        connection.recv(4096)
    return answer


def frame(opcode, payload):
    """A websocket frame as servers send it."""
    size = bytes([len(payload)]) if len(payload) < 126 else bytes([126]) + struct.pack(">H", len(payload)) if len(payload) < 65536 else \
        bytes([127]) + struct.pack(">Q", len(payload))
    return bytes([0x80 | opcode]) + size + payload
