#!/usr/bin/python3
# Records what a reference daemon makes of the documents in a folder: NAME.xml becomes NAME.out.xml, or NAME.error
# with the name of our error code if it refuses. Existing results are left alone. Needs python3-libvirt.
# SPDX-License-Identifier: LGPL-2.1-or-later
#
#   record.py URI FOLDER

import os
import sys

import libvirt

CODES = {
    1: "internal", 8: "invalid-argument", 19: "no-source", 20: "no-target", 21: "no-name", 27: "xml-invalid",
    35: "xml-syntax", 67: "config-unsupported", 74: "argument-unsupported", 82: "overflow", 92: "xml-schema",
}


def record(conn, path):
    stem = path[: -len(".xml")]
    if os.path.exists(stem + ".out.xml") or os.path.exists(stem + ".error"):
        return
    with open(path, encoding="utf-8") as source:
        text = source.read()
    # a name that starts with "strict-" asks for validation
    flags = libvirt.VIR_DOMAIN_DEFINE_VALIDATE if os.path.basename(path).startswith("strict-") else 0
    try:
        domain = conn.defineXMLFlags(text, flags)
    except libvirt.libvirtError as problem:
        code = CODES.get(problem.get_error_code(), str(problem.get_error_code()))
        with open(stem + ".error", "w", encoding="utf-8") as out:
            out.write(code + "\n")
        return
    xml = domain.XMLDesc(libvirt.VIR_DOMAIN_XML_SECURE | libvirt.VIR_DOMAIN_XML_INACTIVE)
    domain.undefineFlags(libvirt.VIR_DOMAIN_UNDEFINE_NVRAM)
    with open(stem + ".out.xml", "w", encoding="utf-8") as out:
        out.write(xml)


def main():
    uri, folder = sys.argv[1:]
    libvirt.registerErrorHandler(lambda *_: None, None)
    conn = libvirt.open(uri)
    for name in sorted(os.listdir(folder)):
        if name.endswith(".xml") and not name.endswith(".out.xml"):
            record(conn, os.path.join(folder, name))


if __name__ == "__main__":
    main()
