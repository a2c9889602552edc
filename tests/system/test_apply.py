"""A file says which networks, pools and machines there are; lodge makes it so, and only that.

SPDX-License-Identifier: LGPL-2.1-or-later
"""
import json
import os
import re
import signal
import subprocess
import threading

from lodgetest.cloud import *
from lodgetest.host import *
from lodgetest.runner import mark

COMMON = "virt-type: qemu, memory: 64M, cpus: 1, display: no, ssh-key: \"%s\"" % KEY
LAB = """
pools:
  fast: {path: disks}
networks:
  lab:
    subnet: 10.99.0.0/24
    forward: none
    domain: lab.internal
    bridge: virbr88
machines:
  web:
    {image: tiny, network: lab, pool: fast, wait: none, packages: [nginx], %(common)s}
  db:
    {image: tiny, network: lab, ip: 10.99.0.5/24, wait: none, autostart: yes, %(common)s}
""" % {"common": COMMON}


def apply(host, text, *options, code=0, verb="apply", timeout=120):
    path = host.write("lab.yaml", text)
    result = host.lodge(verb, "-f", str(path), *options, env=home(host), timeout=timeout)
    equal(result.code, code, str(result))
    return result.out + result.err


def changes(host, text):
    path = host.write("lab.yaml", text)
    return json.loads(host.lodge("diff", "-f", str(path), "-o", "json", env=home(host)).out)["changes"]


def names(host, *kind):
    return sorted(host.ok(*(kind or ["list"]), "--all", "--name").split())


def test_a_lab_is_made_and_the_same_again_is_no_change(host):
    add_image(host)
    contains(apply(host, LAB, code=1, verb="diff"), "+ pool fast", "+ network lab", "+ machine web", "+ machine db", "4 to make")
    equal(names(host), [])
    contains(apply(host, LAB, "--dry-run"), "4 to make")
    equal(names(host), [])
    contains(apply(host, LAB), "done")
    equal((names(host), names(host, "net-list"), host.state("web"), host.state("db")), (["db", "web"], ["lab"], "running", "running"))
    equal(sorted(path.name for path in host.path("disks").iterdir()), ["web-seed.iso", "web.qcow2"])
    xml = host.ok("net-dumpxml", "lab")
    contains(xml, "address='10.99.0.1'", "start='10.99.0.2' end='10.99.0.254'", "<domain name='lab.internal'", "virbr88")
    check("<forward" not in xml, xml)
    contains(host.ok("dominfo", "db"), "Autostart:      enable")
    equal(config(seed_files(host.path("disks/web-seed.iso"))["user-data"]), {"packages": ["nginx"]})
    before = host.ok("dumpxml", "web")
    contains(apply(host, LAB), "no change")
    contains(apply(host, LAB, verb="diff"), "no change")
    equal(changes(host, LAB), [])
    equal(host.ok("dumpxml", "web"), before)


def test_comparison_goes_by_meaning(host):
    """Other spellings are no change; what the file does not say is as it may be."""
    add_image(host)
    apply(host, LAB)
    for old, new in (("memory: 64M", "memory: 65536K"), ("10.99.0.0/24", "10.99.0.1/24"), ("display: no", "display: off"),
                     ("autostart: yes", "autostart: true"), ("    bridge: virbr88\n", ""), ("cpus: 1, ", ""),
                     ("path: disks", "path: ./disks/"), ("packages: [nginx]", "packages: nginx")):
        check(old in LAB, old)
        equal(changes(host, LAB.replace(old, new)), [], f"{old} -> {new}")
    host.lodge_ok("net-autostart", "lab", "--disable")
    equal([(c["kind"], c["how"], c["differences"][0]["key"]) for c in changes(host, LAB)], [("network", "change", "autostart")])
    apply(host, LAB)
    equal(changes(host, LAB), [])


def test_what_differs_is_changed(host):
    add_image(host)
    apply(host, LAB)
    pid = host.qemu_pid("db")
    new = (LAB.replace("autostart: yes", "autostart: no, running: no, disk: 24G").replace("memory: 64M", "memory: 96M")
           .replace("cpus: 1", "cpus: 2").replace("lab.internal", "lab.test").replace("image: tiny, network: lab, pool", "image: tiny, disk: 21G, network: lab, pool"))
    keys = {(c["name"], d["key"]) for c in changes(host, new) for d in c["differences"]}
    equal(keys, {("lab", "domain"), ("web", "memory"), ("web", "cpus"), ("web", "disk"), ("db", "memory"), ("db", "cpus"),
                 ("db", "running"), ("db", "autostart"), ("db", "disk")})
    contains(apply(host, new), "CPUs and memory from its next start on", "db: shutting down")
    host.ok("destroy", "db")  # its guest hears no button
    equal(changes(host, new), [])
    contains(host.ok("dumpxml", "--inactive", "db"), "<memory unit='KiB'>98304</memory>", "<vcpu placement='static'>2</vcpu>")
    contains(host.ok("domblkinfo", "web", "vda"), f"Capacity:       {21 << 30}")
    contains(host.ok("net-dumpxml", "lab"), "lab.test")
    equal(host.state("web"), "running")
    host.ok("destroy", "web")
    host.lodge_ok("pool-destroy", "fast")
    apply(host, new)
    equal(host.state("web"), "running")
    contains(apply(host, new.replace("disk: 24G", "disk: 20G"), code=1), "disk does not change from 24.00 GiB to 20.00 GiB",
             "nothing was changed")


def test_a_card_moves_to_another_network(host):
    add_image(host)
    apply(host, LAB)
    new = LAB.replace("networks:", "networks:\n  two: {bridge: virbr89, subnet: 10.98.0.0/24}").replace("{image: tiny, network: lab, pool", "{image: tiny, network: two, pool")
    mac = mac_of(host, "web")
    apply(host, new)
    equal(host.state("web"), "running")
    for flag in ([], ["--inactive"]):
        xml = host.ok("dumpxml", *flag, "web")
        contains(xml, "network='two'", mac)
    equal(changes(host, new), [])


def test_what_cannot_change_is_made_again_only_if_asked(host):
    add_image(host)
    add_image(host, "other", SLOW)
    apply(host, LAB)
    uuid = host.ok("domuuid", "web")
    for old, new, key in (("web:\n    {image: tiny", "web:\n    {image: other", "image"), ("packages: [nginx]", "packages: [apache2]", "cloud-init"),
                          ("pool: fast", "pool: fast, user: me", "user")):
        check(old in LAB, old)
        text = apply(host, LAB.replace(old, new), code=1)
        contains(text, f"! machine web: {key} is", "(needs --recreate)", "nothing was changed")
        equal(host.ok("domuuid", "web"), uuid)
    db = host.ok("domuuid", "db")
    apply(host, LAB.replace("packages: [nginx]", "run: [\"echo hello\"]"), "--recreate")
    check(host.ok("domuuid", "web") != uuid, "it is another one")
    equal(host.ok("domuuid", "db"), db)
    equal(config(seed_files(host.path("disks/web-seed.iso"))["user-data"]), {"runcmd": ["echo hello"]})
    contains(apply(host, LAB.replace("path: disks", "path: elsewhere"), code=1), "path does not change")


def test_all_of_it_is_removed(host):
    add_image(host)
    apply(host, LAB)
    host.define_sector("stranger")
    host.path("disks/note").write_text("mine")
    contains(apply(host, LAB, "--destroy", "--dry-run"), "- machine web", "- network lab", "- pool fast")
    contains(apply(host, LAB, "--destroy"), "its folder has other files")
    equal((names(host), names(host, "net-list")), (["stranger"], []))
    equal(sorted(path.name for path in host.path("disks").iterdir()), ["note"])
    equal([p.name for p in host.path("var/lib/libvirt/images").iterdir()], ["stranger.img"])
    contains(apply(host, LAB, "--destroy"), "no change")
    contains(host.lodge_ok("image", "list"), "tiny")
    text = "machines:\n  stranger: {image: tiny}\n"
    contains(apply(host, text, code=1), "that 'lodge run' did not make")
    contains(apply(host, text, "--destroy", code=1), "and stays")
    equal(names(host), ["stranger"])


def test_machines_wait_for_each_other(host):
    """One that comes after another is begun when that one is ready; others do not wait."""
    add_image(host)
    text = """
networks: {default: {subnet: 192.168.77.0/24, bridge: virbr77}}
machines:
  app: {image: tiny, after: [db, cache], wait: none, COMMON}
  db: {image: tiny, wait: address, timeout: 30, COMMON}
  cache: {image: tiny, wait: none, COMMON}
  node: {image: tiny, wait: none, count: 3, COMMON}
""".replace("COMMON", COMMON)

    def be_seen():
        wait_until(lambda: ended.is_set() or "db" in names(host) and "node-3" in names(host) and "cache" in names(host), "they are there", 60)
        check("app" not in names(host), "it waits")
        while not ended.wait(0.2):  # the kernel forgets neighbours that do not answer
            give_address(mac_of(host, "db"))
    ended = threading.Event()
    thread = threading.Thread(target=be_seen)
    thread.start()
    try:
        said = apply(host, text)
    except TestFailure:
        ended.set()
        raise
    contains(said, "machine db: ready 192.168.77.50")
    check(said.index("machine db: ready") < said.index("machine app: disk"), said)
    equal(names(host), ["app", "cache", "db", "node-1", "node-2", "node-3"])
    equal(changes(host, text), [])
    host.ok("destroy", "db")
    contains(apply(host, text), "db: started", "db: ready")
    ended.set()
    thread.join()


def test_one_that_fails_stops_only_what_needs_it(host):
    add_image(host)
    text = """
networks: {lab: {subnet: 10.99.0.0/24, forward: none}}
machines:
  bad: {image: tiny, wait: address, timeout: 1, network: lab, COMMON}
  next: {image: tiny, after: bad, wait: none, network: lab, COMMON}
  good: {image: tiny, wait: none, network: lab, COMMON}
  none: {image: nowhere/none.img, wait: none, network: lab, COMMON}
""".replace("COMMON", COMMON)
    said = apply(host, text, code=1)
    contains(said, "machine 'bad': it has no address after 1 s", "machine 'next': it needs machine 'bad', which failed",
             "machine 'none'", "the same command goes on with the rest")
    equal(names(host), ["bad", "good"])
    contains(apply(host, text.replace("  none:", "  #none:").replace("wait: address", "wait: none")), "done")
    equal(names(host), ["bad", "good", "next"])


def test_mistakes_are_named_with_their_line(host):
    cases = [("machines:\n  web: {image: a, cpu: 2}", "lab.yaml:2: 'cpu' is not known of machine 'web'", "did you mean 'cpus'?"),
             ("machine:\n  web: {}", "lab.yaml:1: 'machine' is not known here", "did you mean 'machines'?"),
             ("machines:\n  web:\n    image: a\n    memroy: 1G", "lab.yaml:4: 'memroy'", "'memory'"),
             ("machines:\n  web:\n    cpus: 1", "lab.yaml:2: machine 'web' has no 'image'", ""),
             ("machines:\n  web: {image: a, cpus: two}", "'cpus' of machine 'web' has to be a whole number", "'two'"),
             ("machines:\n  web: {image: a, memory: lots}", "a size as 512M or 20G", ""),
             ("machines:\n  web: {image: a, running: maybe}", "yes or no", ""),
             ("machines:\n  web: {image: a, wait: cloudinit}", "did you mean 'cloud-init'?", ""),
             ("machines:\n  web: {image: a, cpus: [1, 2]}", "single value", ""),
             ("machines:\n  web: {image: a, image: b}", "'image' stands in machine 'web' twice", ""),
             ("machines:\n  web: {image: a}\n  web: {image: b}", "lab.yaml:3: 'web' stands in machines twice", ""),
             ("machines:\n  ../x: {image: a}", "cannot be the name of a machine", ""),
             ("machines:\n  web: {image: a, after: nobody}", "comes after 'nobody', which the file does not have", ""),
             ("machines:\n  a: {image: a, after: b}\n  b: {image: a, after: a}", "would have to wait for itself", ""),
             ("machines:\n  a: {image: a, count: 2, ip: 10.0.0.5/24}", "they would have one address", ""),
             ("machines:\n  a: {image: a, user-data: x, run: y}", "where packages and run belong", ""),
             ("machines: [web]", "has to be a list of KEY: VALUE", ""), ("machines:\n  web: {image: a", "lab.yaml:3", ""),
             ("\tmachines:", "lab.yaml:1", ""), ("", "there is nothing in it", ""), ("a: &a [*a]", "'a' is not known here", ""),
             ("networks:\n  lab: {subnet: 10.9.0.0}", "is no subnet", "line 2"),
             ("networks:\n  lab: {subnet: 10.9.0.0/24, dhcp: 10.8.0.1-10.8.0.9}", "is no part of 10.9.0.0/24", ""),
             ("networks:\n  lab: {subnet: 10.9.0.0/24, dhcp: some}", "dhcp has to be yes, no or a range", ""),
             ("networks:\n  lab: {host-bridge: yes}", "none is named", ""), ("pools:\n  fast: {}", "pool 'fast' has no 'path'", ""),
             ("machines:\n  web: {image: a, network: x, bridge: y}", "line 2", "")]
    for text, *says in cases:
        path = host.write("lab.yaml", text)
        for verb in ("apply", "diff"):
            result = host.lodge(verb, str(path), env=home(host))
            check(result.code in (1, 2), f"{text}: {result}")
            contains(result.err, *says)
    equal((names(host), names(host, "net-list")), ([], []))
    contains(host.lodge("apply", "-f", "/nonexistent").err, "/nonexistent")


def test_a_network_follows(host):
    """Subnets, ranges, and a network that gets a free subnet."""
    apply(host, "networks:\n  lab: {subnet: 10.99.0.0/24, forward: none, bridge: virbr88}\n  free:\n")
    contains(host.ok("net-dumpxml", "free"), "<forward mode='nat'", "<range start=")
    uuid = host.ok("net-uuid", "lab")
    for change, says in (("dhcp: 10.99.0.100-10.99.0.120", "start='10.99.0.100' end='10.99.0.120'"), ("dhcp: no", "address='10.99.0.1'"),
                         ("mtu: 1400", "<mtu size='1400'/>")):
        text = f"networks:\n  lab: {{subnet: 10.99.0.0/24, forward: none, bridge: virbr88, {change}}}\n"
        equal([d["key"] for c in changes(host, text) for d in c["differences"]][:1], [change.split(":")[0]] if "mtu" not in change else ["mtu"])
        apply(host, text)
        contains(host.ok("net-dumpxml", "lab"), says)
        equal((changes(host, text), host.ok("net-uuid", "lab")), ([], uuid))
    check("<range" in host.ok("net-dumpxml", "lab"), "as usual again")
    host.ok("net-destroy", "lab")
    apply(host, text)
    contains(host.ok("net-info", "lab"), "Active:         yes")


def test_interrupted_apply(host):
    """What was about to be made is not there; the next one goes on."""
    add_image(host)
    text = "networks: {lab: {subnet: 10.99.0.0/24, forward: none}}\nmachines:\n  web: {image: tiny, network: lab, count: 6, wait: address, %s}\n" % COMMON
    path = host.write("lab.yaml", text)
    for delay in (0.1, 0.5, 1.5):
        command = subprocess.Popen([host.lodge_program, "-c", host.daemon.uri, "apply", "-f", str(path)], stdout=subprocess.DEVNULL,
                                   stderr=subprocess.DEVNULL, env={**os.environ, **home(host)})
        try:
            command.wait(delay)
        except subprocess.TimeoutExpired:
            command.send_signal(signal.SIGINT)
        check(command.wait(60) != 0, "it was interrupted")
        disks = {p.name for p in host.path("var/lib/libvirt/images").iterdir()} if host.path("var/lib/libvirt/images").exists() else set()
        wanted = {f"{name}{end}" for name in names(host) for end in (".qcow2", "-seed.iso")}
        equal(disks, wanted)
    apply(host, text.replace("wait: address", "wait: none"))
    equal(names(host), [f"web-{i}" for i in range(1, 7)])
    apply(host, text, "--destroy")
