# SPDX-License-Identifier: Apache-2.0
"""Lines and JSON messages over a socket or a websocket."""

import base64
import contextlib
import json
import os
import socket
import struct
from urllib.parse import urlsplit

from bb.asyncrpc import ConnectionClosedError

TIMEOUT = 30
# Longer messages go in several lines.
MAX_CHUNK = 32 * 1024


def parse_address(address):
    """('unix', path), ('web', URL) or ('tcp', (host, port))."""
    if address.startswith("unix://"):
        return "unix", address[len("unix://"):]
    if address.startswith(("ws://", "wss://")):
        return "web", address
    host, _, port = address.rpartition(":")
    if not port.isdigit():
        raise ValueError("'%s' is no address of a hash equivalence server" % address)
    return "tcp", (host.strip("[]"), int(port))


def connect(address, max_chunk=MAX_CHUNK):
    kind, place = parse_address(address)
    try:
        if kind == "unix":
            return Lines(_connect_unix(place), max_chunk)
        if kind == "tcp":
            return Lines(_connect_tcp(*place), max_chunk)
        return WebSocket(place)
    except TimeoutError as exc:
        raise ConnectionError("Timed out connecting to %s" % address) from exc


def _connect_tcp(host, port):
    sock = socket.create_connection((host or "localhost", port), TIMEOUT)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return sock


def _connect_unix(path):
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    sock.settimeout(TIMEOUT)
    # Longer paths than a socket's address holds are named through their directory.
    directory = os.open(os.path.dirname(path) or ".", os.O_PATH | os.O_DIRECTORY) if len(path) > 100 else None
    try:
        sock.connect(path if directory is None else "/proc/self/fd/%d/%s" % (directory, os.path.basename(path)))
    except BaseException:
        sock.close()
        raise
    finally:
        if directory is not None:
            os.close(directory)
    return sock


class Channel:
    """One line at a time; what is said goes out when an answer is waited for."""

    def say_message(self, message):
        self.say(json.dumps(message))

    def hear_message(self):
        return json.loads(self.hear())


class Lines(Channel):
    def __init__(self, sock, max_chunk):
        self.sock = sock
        self.max_chunk = max_chunk
        self.reader = sock.makefile("rb")
        self.unsent = []

    def say(self, line):
        self.unsent.append(line.encode("utf-8") + b"\n")

    def say_message(self, message):
        text = json.dumps(message)
        if len(text) < self.max_chunk - 1:
            self.say(text)
            return
        self.say(json.dumps({"chunk-stream": None}))
        while text:
            # A server strips the end of each line, so none may end in a blank.
            end = len(text[:self.max_chunk - 1].rstrip(" ")) or self.max_chunk - 1
            self.say(text[:end])
            text = text[end:]
        self.say("")

    def hear(self):
        unsent, self.unsent = b"".join(self.unsent), []
        try:
            if unsent:
                self.sock.sendall(unsent)
            line = self.reader.readline()
        except TimeoutError as exc:
            raise ConnectionError("Timed out waiting for data") from exc
        if not line:
            raise ConnectionClosedError("Connection closed")
        if not line.endswith(b"\n"):
            raise ConnectionError("Bad message %r" % line)
        return line.decode("utf-8").rstrip("\r\n")

    def hear_message(self):
        message = super().hear_message()
        if isinstance(message, dict) and "chunk-stream" in message:
            message = json.loads("".join(iter(self.hear, "")))
        return message

    def close(self):
        with contextlib.suppress(OSError):
            self.reader.close()
            self.sock.close()


class WebSocket(Channel):
    """As much of RFC 6455 as a client of this protocol needs: text, ping, close."""

    TEXT, CLOSE, PING = 1, 8, 9

    def __init__(self, url):
        parts = urlsplit(url)
        secure = parts.scheme == "wss"
        self.sock = _connect_tcp(parts.hostname, parts.port or (443 if secure else 80))
        if secure:
            import ssl
            self.sock = ssl.create_default_context().wrap_socket(self.sock, server_hostname=parts.hostname)
        self.reader = self.sock.makefile("rb")
        self.unsent = []
        key = base64.b64encode(os.urandom(16)).decode("ascii")
        self.sock.sendall(("GET %s HTTP/1.1\r\nHost: %s\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                           "Sec-WebSocket-Key: %s\r\nSec-WebSocket-Version: 13\r\n\r\n"
                           % (parts.path or "/", parts.netloc, key)).encode("ascii"))
        status = self.reader.readline().split()
        if len(status) < 2 or status[1] != b"101":
            self.close()
            raise ConnectionError("%s speaks no websocket" % url)
        while self.reader.readline().strip():
            pass

    def _frame(self, kind, data):
        size = len(data)
        if size < 126:
            head = struct.pack("!BB", 0x80 | kind, 0x80 | size)
        elif size < 1 << 16:
            head = struct.pack("!BBH", 0x80 | kind, 0x80 | 126, size)
        else:
            head = struct.pack("!BBQ", 0x80 | kind, 0x80 | 127, size)
        mask = os.urandom(4)
        pattern = int.from_bytes((mask * (size // 4 + 1))[:size], "big")
        return head + mask + (int.from_bytes(data, "big") ^ pattern).to_bytes(size, "big")

    def say(self, line):
        self.unsent.append(self._frame(self.TEXT, line.encode("utf-8")))

    def _read(self, size):
        data = self.reader.read(size)
        if data is None or len(data) < size:
            raise ConnectionClosedError("Connection closed")
        return data

    def hear(self):
        unsent, self.unsent = b"".join(self.unsent), []
        text = b""
        try:
            self.sock.sendall(unsent)
            while True:
                first, size = self._read(2)
                if size == 126:
                    size, = struct.unpack("!H", self._read(2))
                elif size == 127:
                    size, = struct.unpack("!Q", self._read(8))
                data = self._read(size)
                kind = first & 0x0F
                if kind == self.CLOSE:
                    raise ConnectionClosedError("Connection closed")
                if kind == self.PING:
                    self.sock.sendall(self._frame(10, data))
                elif kind in (0, self.TEXT):
                    text += data
                    if first & 0x80:
                        return text.decode("utf-8")
        except TimeoutError as exc:
            raise ConnectionError("Timed out waiting for data") from exc

    def close(self):
        with contextlib.suppress(OSError):
            self.sock.sendall(self._frame(self.CLOSE, b""))
        with contextlib.suppress(OSError):
            self.reader.close()
            self.sock.close()
