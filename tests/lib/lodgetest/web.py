"""A client of the web's API, and of WebSocket, by hand: what a browser or a script would send.

SPDX-License-Identifier: LGPL-2.1-or-later
"""
import base64
import http.client
import json
import os
import socket
import ssl
import struct

API = "/api/v1"


class Answer:
    def __init__(self, response):
        self.status = response.status
        self.headers = response.headers
        self.data = response.read()

    @property
    def json(self):
        return json.loads(self.data)


class Web:
    """Somebody who asks. token: a program; else a browser, with its cookie."""

    def __init__(self, token=None, port=8006, address="127.0.0.1", prefix="", certificate=None):
        self.token, self.port, self.address, self.prefix = token, port, address, prefix
        self.tls = None
        if certificate:  # the server's own
            self.tls = ssl.create_default_context(cafile=certificate)
            self.tls.check_hostname = False
        self.cookie = self.csrf = None

    def headers(self, more=None):
        headers = {}
        if self.token:
            headers["Authorization"] = f"Bearer {self.token}"
        if self.cookie:
            headers["Cookie"] = f"lodge_session={self.cookie}"
        if self.csrf:
            headers["X-CSRF-Token"] = self.csrf
        headers.update(more or {})
        return {name: value for name, value in headers.items() if value is not None}

    def raw(self, method, path, body=None, headers=None, timeout=60):
        connection = (http.client.HTTPSConnection(self.address, self.port, timeout=timeout, context=self.tls)
                      if self.tls else http.client.HTTPConnection(self.address, self.port, timeout=timeout))
        try:
            connection.request(method, self.prefix + path, body=body, headers=self.headers(headers))
            return Answer(connection.getresponse())
        finally:
            connection.close()

    def ask(self, method, path, body=None, headers=None):
        if body is not None and not isinstance(body, (bytes, str)):
            body = json.dumps(body)
        if isinstance(body, str):
            body = body.encode()
        return self.raw(method, API + path, body, headers)

    def get(self, path, **kwargs):
        return self.ask("GET", path, **kwargs)

    def post(self, path, body=None, **kwargs):
        return self.ask("POST", path, body, **kwargs)

    def log_in(self, **who):
        answer = self.post("/session", who)
        if answer.status == 201:
            self.cookie = answer.headers["Set-Cookie"].split("=", 1)[1].split(";")[0]
            self.csrf = answer.json["csrf"]
        return answer

    def websocket(self, path, headers=None):
        return WebSocket(self, path, headers)


class WebSocket:
    """One that is open; `status` tells if it is not."""

    def __init__(self, web, path, headers=None, timeout=30):
        self.socket = socket.create_connection((web.address, web.port), timeout=timeout)
        if web.tls:
            self.socket = web.tls.wrap_socket(self.socket)
        key = base64.b64encode(os.urandom(16)).decode()
        lines = {"Host": f"{web.address}:{web.port}", "Upgrade": "websocket", "Connection": "Upgrade",
                 "Sec-WebSocket-Key": key, "Sec-WebSocket-Version": "13", "Sec-WebSocket-Protocol": "binary"}
        lines.update(web.headers(headers))
        text = f"GET {path} HTTP/1.1\r\n" + "".join(f"{name}: {value}\r\n" for name, value in lines.items()) + "\r\n"
        self.socket.sendall(text.encode())
        self.bytes = b""
        while b"\r\n\r\n" not in self.bytes:
            self.more()
        self.head, self.bytes = self.bytes.split(b"\r\n\r\n", 1)
        self.status = int(self.head.split()[1])

    def more(self):
        data = self.socket.recv(65536)
        if not data:
            raise EOFError("the daemon closed the connection")
        self.bytes += data

    def take(self, n):
        while len(self.bytes) < n:
            self.more()
        data, self.bytes = self.bytes[:n], self.bytes[n:]
        return data

    def read(self):
        """(opcode, payload) of the next frame; pings are answered."""
        while True:
            first, second = self.take(2)
            n = second & 0x7F
            if n == 126:
                n, = struct.unpack(">H", self.take(2))
            elif n == 127:
                n, = struct.unpack(">Q", self.take(8))
            payload = self.take(n)
            if first & 0xF != 9:
                return first & 0xF, payload
            self.send(payload, 10)

    def text(self):
        opcode, payload = self.read()
        if opcode != 1:
            raise EOFError(f"a frame of kind {opcode}: {payload!r}")
        return json.loads(payload)

    def send(self, data, opcode=2):
        mask = os.urandom(4)
        head = bytes([0x80 | opcode])
        if len(data) < 126:
            head += bytes([0x80 | len(data)])
        elif len(data) < 65536:
            head += bytes([0x80 | 126]) + struct.pack(">H", len(data))
        else:
            head += bytes([0x80 | 127]) + struct.pack(">Q", len(data))
        self.socket.sendall(head + mask + bytes(byte ^ mask[i % 4] for i, byte in enumerate(data)))

    def close(self):
        self.socket.close()


def administrator(host, port=8006, prefix=""):
    """A browser that came by the link that `lodge web` prints."""
    web = Web(port=port, prefix=prefix)
    link = host.lodge_ok("web").strip().split("#link=")[1]
    answer = web.log_in(link=link)
    if answer.status != 201:
        raise AssertionError(answer.data)
    return web


def token(host, *options):
    return Web(token=host.lodge_ok("web", "token", "add", "test", *options).strip())
