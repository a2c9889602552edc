#!/usr/bin/python3
"""Restores a disk from a repository of backups without Lodge, as docs/reference/backup-repository.md describes it.

usage: read_backup.py REPOSITORY ID DISK FILE

SPDX-License-Identifier: LGPL-2.1-or-later
"""
import hashlib
import json
import pathlib
import struct
import subprocess
import sys

CHUNK, FAN, NULL = 65536, 1024, bytes(32)


def read_tables(repository):
    """Where each chunk is: hash to (pack, offset, stored)."""
    places = {}
    for pack in (repository / "packs").glob("*.pack"):
        data = pack.read_bytes()
        table, n, magic = struct.unpack("<QII", data[-16:])
        entries = data[table + 8:table + 8 + n * 48]
        assert magic == 0x3150424C, pack
        assert hashlib.sha256(data[table + 8:-16]).hexdigest() == pack.stem, pack
        for i in range(n):
            name, offset, stored, _length = struct.unpack_from("<32sQII", entries, i * 48)
            places[name] = (pack, offset, stored)
    return places


def read_chunk(places, name):
    pack, offset, stored = places[name]
    with pack.open("rb") as file:
        file.seek(offset)
        frame = file.read(stored)
    data = subprocess.run(["zstd", "-dcq"], input=frame, stdout=subprocess.PIPE, check=True).stdout
    assert hashlib.sha256(data).digest() == name, name.hex()
    return data


def split(page):
    return [page[i:i + 32] for i in range(0, len(page), 32)]


def restore(repository, backup, target, file):
    [path] = (repository / "backups").glob(f"{backup}.*.json")
    text = path.read_bytes()
    assert path.name.split(".")[-2] == hashlib.sha256(text).hexdigest(), path
    [disk] = [disk for disk in json.loads(text)["disks"] if disk["target"] == target]
    places = read_tables(repository)
    with open(file, "wb") as out:
        out.truncate(disk["size"])
        for i, node in enumerate(disk["map"]):
            for k, leaf in enumerate(split(read_chunk(places, bytes.fromhex(node))) if node else []):
                for n, name in enumerate(split(read_chunk(places, leaf)) if leaf != NULL else []):
                    if name != NULL:
                        out.seek(((i * FAN + k) * FAN + n) * CHUNK)
                        out.write(read_chunk(places, name))


if __name__ == "__main__":
    restore(pathlib.Path(sys.argv[1]), *sys.argv[2:])
