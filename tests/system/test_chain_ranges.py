"""Chains of five images: every range of them is committed or pulled, and what is left reads as before, whoever dies then.

SPDX-License-Identifier: LGPL-2.1-or-later
"""
from lodgetest.host import *
from lodgetest.runner import mark
from test_block_jobs import OF_CHAIN, chain, clean, content, images, layers, machine, over

NAMES = ["i0.qcow2", "i1.qcow2", "i2.qcow2", "i3.qcow2", "i4.qcow2"]  # the base first
COMMITS = [(top, base) for top in range(1, 5) for base in range(top)]
PULLS = [None, 0, 1, 2]  # what stays below the active image


def try_range(host, number, kind, top, base):
    names = [f"{number}-{name}" for name in NAMES]
    paths = images(host, *names)
    dom = machine(host, paths[4], f"m{number}")
    what = f"{kind} {top} {base}"
    if kind == "commit" and top == 4:
        host.ok("blockcommit", dom.name(), "vda", "--active", "--base", str(paths[base]), "--pivot", "--wait")
    elif kind == "commit":
        host.ok("blockcommit", dom.name(), "vda", "--top", str(paths[top]), "--base", str(paths[base]), "--wait")
    else:
        host.ok("blockpull", dom.name(), "vda", *(["--base", str(paths[base])] if base is not None else []), "--wait")
    over(dom)
    left = [i for i in range(5) if not (base is None and i < 4 or base is not None and base < i <= top and kind == "commit" or
                                        base is not None and base < i < 4 and kind == "pull")]
    equal(chain(dom), [names[i] for i in reversed(left)], what)
    kill(host.qemu_pid(dom.name()))
    host.wait_state(dom.name(), "shut off")
    active = paths[left[-1]]
    for i in left:  # what a QEMU that is killed leaves unused is no damage
        check(run(["qemu-img", "check", str(paths[i])]).code in (0, 3), f"{what}: {paths[i]}")
        run(["qemu-img", "check", "-r", "leaks", str(paths[i])])
    equal(content(active), layers(*OF_CHAIN), what)
    clean(*[paths[i] for i in left])
    dom.create()
    equal(chain(dom), [names[i] for i in reversed(left)], what)
    dom.destroy()
    dom.undefine()
    for path in paths:
        path.unlink()


def test_some_ranges(host):
    for number, (kind, top, base) in enumerate([("commit", 3, 1), ("commit", 4, 2), ("pull", 4, 1)]):
        try_range(host, number, kind, top, base)


@mark(requires=["slow"])
def test_every_range(host):
    for number, (kind, top, base) in enumerate([("commit", *pair) for pair in COMMITS] + [("pull", 4, base) for base in PULLS]):
        try_range(host, number, kind, top, base)
