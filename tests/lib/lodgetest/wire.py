"""A client of the wire protocol that may misbehave: for hostile input, stuck clients and measurements.

Types come from data/protocol/messages.json, so that nothing about layouts is written here.

SPDX-License-Identifier: LGPL-2.1-or-later
"""
import functools
import json
import pathlib
import socket
import struct

TOP = pathlib.Path(__file__).resolve().parents[3]
CALL, REPLY, MESSAGE, STREAM = 0, 1, 2, 3
OK, ERROR, CONTINUE = 0, 1, 2
HEADER = struct.Struct(">IIIiiIi")  # length, program, version, procedure, type, serial, status

NUMBERS = {"int": ">i", "unsigned": ">I", "enum": ">i", "hyper": ">q", "unsigned hyper": ">Q", "double": ">d",
           "char": ">i", "unsigned char": ">I", "unsigned short": ">I", "short": ">i", "unsigned int": ">I"}


class WireError(Exception):
    """The daemon answered with an error."""

    def __init__(self, fields):
        super().__init__(f"{fields.get('message')} (code {fields.get('code')}, domain {fields.get('domain')})")
        self.code = fields.get("code")
        self.domain = fields.get("domain")
        self.message = fields.get("message")


class Closed(Exception):
    """The daemon closed the connection."""


@functools.lru_cache(None)
def description():
    with open(TOP / "data/protocol/messages.json") as file:
        return json.load(file)


@functools.lru_cache(None)
def procedure(name, program="remote"):
    """(program id, version, number, type of arguments, type of result)"""
    entry = description()["programs"][program]
    for item in entry["procedures"]:
        if item["name"] == name:
            return entry["id"], entry["version"], item["number"], item["args"], item["ret"]
    raise KeyError(name)


def type_of(kind):
    return description()["types"].get(kind)


def pad(data):
    return data + b"\0" * (-len(data) % 4)


def encode(kind, value):
    """@kind: the name of a type, or a field's description."""
    if isinstance(kind, str):
        if kind in NUMBERS:
            return struct.pack(NUMBERS[kind], value)
        kind = type_of(kind) or {"type": kind}
    what = kind.get("type") if kind.get("kind") in (None, "typedef") else kind["kind"]
    if what == "struct":
        return b"".join(encode(field if needs_field(field) else field["type"], value[field["name"]])
                        for field in kind["fields"])
    if what == "enum":
        return struct.pack(">i", value)
    if what == "string":
        data = value.encode() if isinstance(value, str) else value
        return struct.pack(">I", len(data)) + pad(data)
    if what == "opaque_fixed":
        return pad(value)
    if what == "opaque_var":
        return struct.pack(">I", len(value)) + pad(value)
    if what == "optional":
        return struct.pack(">I", 0) if value is None else struct.pack(">I", 1) + encode(kind["of"], value)
    if what == "array_var":
        return struct.pack(">I", len(value)) + b"".join(encode(kind["of"], v) for v in value)
    if what == "array_fixed":
        return b"".join(encode(kind["of"], v) for v in value)
    return encode(what, value)


def needs_field(field):
    """Whether the field's own description says how it is coded, rather than the name of its type."""
    return field["type"] in ("array_var", "array_fixed", "opaque_var", "opaque_fixed", "optional", "string")


class Reader:
    def __init__(self, data):
        self.data = data
        self.position = 0

    def take(self, count):
        begin = self.position
        self.position += count
        return self.data[begin:begin + count]

    def unpack(self, form):
        return struct.unpack(form, self.take(struct.calcsize(form)))[0]

    def padded(self, count):
        data = self.take(count)
        self.take(-count % 4)
        return data

    def decode(self, kind):
        if isinstance(kind, str):
            if kind in NUMBERS:
                return self.unpack(NUMBERS[kind])
            kind = type_of(kind) or {"type": kind}
        what = kind.get("type") if kind.get("kind") in (None, "typedef") else kind["kind"]
        if what == "struct":
            return {f["name"]: self.decode(f if needs_field(f) else f["type"]) for f in kind["fields"]}
        if what == "union":
            number = self.decode(kind["switch"]["type"])
            for case in kind["cases"]:
                if case.get("value") == number:
                    return self.decode(case["field"]["type"])
            raise ValueError(f"no case {number}")
        if what == "enum":
            return self.unpack(">i")
        if what == "string":
            return self.padded(self.unpack(">I")).decode(errors="replace")
        if what == "opaque_fixed":
            return self.padded(kind["len"])
        if what == "opaque_var":
            return self.padded(self.unpack(">I"))
        if what == "optional":
            return self.decode(kind["of"]) if self.unpack(">I") else None
        if what == "array_var":
            return [self.decode(kind["of"]) for _ in range(self.unpack(">I"))]
        if what == "array_fixed":
            return [self.decode(kind["of"]) for _ in range(kind["len"])]
        return self.decode(what)


class Wire:
    """One connection. Calls are synchronous; raw() and read() give full control."""

    def __init__(self, path, timeout=10):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(timeout)
        self.socket.connect(str(path))
        self.serial = 0
        self.buffer = bytearray()

    def close(self):
        self.socket.close()

    def raw(self, data):
        self.socket.sendall(data)

    def read(self):
        """One frame: (program, version, procedure, type, serial, status, payload). Closed at the end."""
        head = self.exactly(4)
        length = struct.unpack(">I", head)[0]
        body = self.exactly(length - 4)
        _, program, version, number, kind, serial, status = HEADER.unpack(head + body[:24])
        return program, version, number, kind, serial, status, body[24:]

    def exactly(self, count):
        while len(self.buffer) < count:
            try:
                data = self.socket.recv(1 << 18)
            except ConnectionError as error:
                raise Closed() from error
            if not data:
                raise Closed()
            self.buffer += data
        data = bytes(self.buffer[:count])
        del self.buffer[:count]
        return data

    @staticmethod
    def frame(program, version, number, serial, payload=b"", kind=CALL, status=OK):
        return HEADER.pack(28 + len(payload), program, version, number, kind, serial, status) + payload

    def send(self, name, /, program="remote", **arguments):
        """Sends a call and returns its serial."""
        identity, version, number, args, _ = procedure(name, program)
        payload = encode(args, arguments) if args else b""
        serial = self.serial
        self.serial += 1
        self.raw(self.frame(identity, version, number, serial, payload))
        return serial

    def answer(self, serial=None):
        """The next reply (to @serial); events in between are dropped. Returns (status, payload)."""
        while True:
            _, _, _, kind, got, status, payload = self.read()
            if kind == REPLY and (serial is None or got == serial):
                return status, payload

    def call(self, name, /, program="remote", **arguments):
        serial = self.send(name, program=program, **arguments)
        status, payload = self.answer(serial)
        if status == ERROR:
            raise WireError(Reader(payload).decode("remote_error"))
        result = procedure(name, program)[4]
        return Reader(payload).decode(result) if result else None

    def open(self, readonly=False):
        self.call("auth_list")
        self.call("connect_open", name="qemu:///system", flags=1 if readonly else 0)
        return self
