"""Asks one daemon what it makes of the documents of a folder: definition, command line, refusals.

Runs inside the namespaces of lodgetest.inside, as a test of that runner.

SPDX-License-Identifier: LGPL-2.1-or-later
"""
import json
import os
import pathlib
import re
import shlex

import corpus_kinds
import libvirt

XML_FLAGS = libvirt.VIR_DOMAIN_XML_SECURE | libvirt.VIR_DOMAIN_XML_INACTIVE
MADE_UP = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}|52:54:00(:[0-9a-f]{2}){3}")
UNDEFINE_FLAGS = libvirt.VIR_DOMAIN_UNDEFINE_NVRAM


def refusal(error):
    return {"code": error.get_error_code(), "message": error.get_error_message()}


def words(line, root):
    """The arguments of a command line, without the environment in front of it."""
    found = shlex.split(line.replace(root + "/", "/"))
    while found and "=" in found[0] and not found[0].startswith("/"):
        found.pop(0)
    return found[1:]


def made_up(text, xml):
    """@xml without the identities that the daemon made up because @text has none."""
    known = text.lower()
    return MADE_UP.sub(lambda found: found.group() if found.group().lower() in known else "MADE-UP", xml)


def ask(host, text):
    answer = {}
    root = str(host.root)
    kind = corpus_kinds.kind_of(text)
    if kind:
        try:
            return {"xml": made_up(text, corpus_kinds.KINDS[kind](host, text).replace(root + "/", "/"))}
        except libvirt.libvirtError as error:
            return {"refused": refusal(error)}
    try:
        domain = host.conn.defineXML(text)
        answer["xml"] = made_up(text, domain.XMLDesc(XML_FLAGS).replace(root + "/", "/"))
        domain.undefineFlags(UNDEFINE_FLAGS)
    except libvirt.libvirtError as error:
        answer["refused"] = refusal(error)
        return answer
    try:
        line = host.conn.domainXMLToNative("qemu-argv", text)
        answer["args"] = [made_up(text, word) for word in words(line, root)]
    except libvirt.libvirtError as error:
        answer["native_refused"] = refusal(error)
    return answer


def test_corpus(host):
    answers = {}
    libvirt.registerErrorHandler(lambda *_: None, None)
    with open(os.environ["LODGE_CORPUS"], encoding="utf-8") as source:
        documents = json.load(source)
    for name, text in documents.items():
        answers[name] = ask(host, text)
        if not host.daemon.running():
            host.drop_connections()
            answers[name] = {"crashed": True}
            host.daemon.start()
    pathlib.Path(os.environ["LODGE_COMPARE_OUT"]).write_text(json.dumps(answers))
