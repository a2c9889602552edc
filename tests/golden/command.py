#!/usr/bin/python3
# The command lines beside the documents in tests/golden/define.
#
#   NAME.args      what QEMU is given by Lodge, one argument a line, or "refused: CODE"; tests/unit/qemu/test_command.c
#                  compares it letter by letter, and writes it anew with UPDATE_GOLDEN=1 in the environment
#   NAME.ref.args  what the reference implementation gives it (domxml-to-native); record once with
#                      command.py record URI FOLDER
#
#   command.py compare FOLDER    checks that both say the same, or that allow.txt in FOLDER has the reason why not
#
# Rules by which they are compared: the order of the options does not matter, nor that of the properties in one;
# the reference turns every network card of a document into a plain one on a tap that it really makes, so the
# back end of a -netdev and the options of the card are not compared; ports left to the daemon are AUTO, and
# a clock that depends on the time of day is TIME, encrypted secrets are ..., a file of guest memory in one's own folders is RAM. Another name of the same QEMU device is the same device.
# SPDX-License-Identifier: LGPL-2.1-or-later

import fnmatch
import json
import os
import re
import shlex
import subprocess
import sys

ALIASES = {"lsi": "lsi53c895a", "ahci": "ich9-ahci", "virtio-iommu": "virtio-iommu-pci"}
# Options whose value is one unit, or a list of which the order matters.
PLAIN = {"-append", "-kernel", "-initrd", "-uuid", "-S", "-bios", "-incoming", "-fw_cfg", "-smbios"}


def documents(folder):
    for name in sorted(os.listdir(folder)):
        if name.endswith(".xml") and not name.endswith(".out.xml"):
            stem = os.path.join(folder, name[: -len(".xml")])
            if not os.path.exists(stem + ".error"):
                yield stem


def record(uri, folder):
    for stem in documents(folder):
        if os.path.exists(stem + ".ref.args"):
            continue
        run = subprocess.run(["virsh", "-c", uri, "domxml-to-native", "qemu-argv", stem + ".xml"],
                             capture_output=True, text=True, check=False)
        if run.returncode:
            lines = ["refused: " + run.stderr.strip().splitlines()[-1]]
        else:
            words = shlex.split(run.stdout)
            while re.match(r"[A-Z_]+=", words[0]):
                words.pop(0)
            lines = words
        with open(stem + ".ref.args", "w", encoding="utf-8") as out:
            out.write("\n".join(lines) + "\n")


def split_options(value):
    """Splits "a=1,b=x,,y" at single commas."""
    return [part.replace("\0", ",,") for part in value.replace(",,", "\0").split(",")]


def normal_value(option, value, loose):
    if value.startswith("{"):
        members = json.loads(value)
        members["driver"] = ALIASES.get(members.get("driver"), members.get("driver"))
        if option == "-netdev":
            members.update({key: "FD" for key in ("fd", "fds", "vhostfd", "vhostfds") if key in members})
        if loose and option == "-netdev" and "guestfwd" not in members:
            members = {"id": members["id"]}
        if loose and "netdev" in members:
            members = {key: members[key] for key in ("driver", "id", "mac", "netdev", "bus", "addr") if key in members}
        if "keyid" in members:
            members["data"] = members["iv"] = "..."
        if members.get("mem-path", "").startswith("/var/lib/libvirt/qemu/"):
            members["mem-path"] = "RAM"
        return json.dumps(members, sort_keys=True)
    value = re.sub(r"^base=\d{4}-\d\d-\d\dT[\d:]+", "base=TIME", value) if option == "-rtc" else value
    if option in PLAIN:
        return value
    parts = split_options(value)
    if option == "-cpu":
        parts = [part.replace("fxsr_opt", "fxsr-opt") for part in parts]
    if option in ("-vnc", "-spice"):
        parts = [re.sub(r"^port=59\d\d$", "port=AUTO", part) for part in parts]
    return ",".join(parts[:1] + sorted(parts[1:]))


def options(path):
    with open(path, encoding="utf-8") as source:
        lines = source.read().splitlines()
    return ["refused"] if lines[0].startswith("refused:") else options_of(lines[1:])


def options_of(arguments, loose=True):
    """The arguments as a sorted list of "OPTION VALUE"."""
    found = []
    words = list(arguments)
    while words:
        option = words.pop(0)
        value = words.pop(0) if words and not words[0].startswith("-") else None
        found.append(option if value is None else option + " " + normal_value(option, value, loose))
    return sorted(found)


def read_allowed(path):
    """Lines "DOCUMENT SIGN ARGUMENT" (wildcards), under comments that give the reason."""
    rows = []
    with open(path, encoding="utf-8") as source:
        for line in source:
            if line.strip() and not line.startswith("#"):
                rows.append(line.rstrip("\n").split(" ", 2))
    return rows


def difference(stem):
    """Lines "+ what only Lodge gives" and "- what only the reference gives"."""
    ours, theirs = options(stem + ".args"), options(stem + ".ref.args")
    if ours != theirs and ["refused"] in (ours, theirs):
        return [("+" if ours == ["refused"] else "-", "refused")]
    for line in list(ours):
        if line in theirs:
            ours.remove(line)
            theirs.remove(line)
    return [("+", line) for line in ours] + [("-", line) for line in theirs]


def matches(row, name, sign, text):
    # brackets stand for themselves: JSON has them
    return fnmatch.fnmatchcase(name, row[0]) and row[1] == sign and \
        fnmatch.fnmatchcase(text, row[2].replace("[", "[[]"))


def compare(folder):
    allowed = read_allowed(os.path.join(folder, "allow.txt"))
    used = set()
    bad = 0
    for stem in documents(folder):
        name = os.path.basename(stem)
        for sign, text in difference(stem):
            found = [i for i, row in enumerate(allowed) if matches(row, name, sign, text)]
            used.update(found)
            if not found:
                print(name, sign, text)
                bad += 1
    for i, row in enumerate(allowed):
        if i not in used:
            print("allow.txt: no longer needed:", *row)
            bad += 1
    return bad


def main():
    if sys.argv[1] == "record":
        record(*sys.argv[2:])
        return 0
    return 1 if compare(sys.argv[2]) else 0


if __name__ == "__main__":
    sys.exit(main())
