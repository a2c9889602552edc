"""A Debian with cloud-init, from its image to a command by SSH. Slow: its processor is emulated.

SPDX-License-Identifier: LGPL-2.1-or-later
"""
import json
import subprocess

from lodgetest.cloud import home
from lodgetest.guests import guest_files
from lodgetest.host import *
from lodgetest.runner import TOP, mark

NETWORK = ("<network><name>default</name><bridge name='virbr77' stp='off'/><ip address='192.168.77.1' prefix='24'>"
           "<dhcp><range start='192.168.77.100' end='192.168.77.200'/></dhcp></ip></network>")
BOOT_S = 3000


def cloud_image():
    file = guest_files() / "cloud.qcow2"
    return file if file.exists() else subprocess.run([TOP / "tools/guest/build-cloud"], check=True, text=True,
                                                     stdout=subprocess.PIPE).stdout.strip()


@mark(requires=["slow", "ovmf"], only="lodged", timeout=3600)
def test_a_debian_gets_user_key_name_and_addresses(host):
    """rows: install-12"""
    host.network(NETWORK)
    env = home(host)
    host.lodge_ok("image", "import", str(cloud_image()), "--name", "debian", env=env, timeout=300)
    for name, options, address in (("dynamic", [], None), ("static", ["--ip", "192.168.77.9/24", "--gateway",
                                                                      "192.168.77.1"], "192.168.77.9")):
        done = host.lodge("run", name, "--image", "debian", "--virt-type", "qemu", "--memory", "1G", "--no-display",
                          "--timeout", str(BOOT_S), *options, "--", "hostname; id -un; sudo id -un; cat /etc/machine-id",
                          env=env, timeout=BOOT_S + 60)
        print(done)
        equal(done.code, 0)
        equal(done.out.split()[-4:-1], [name, "lodge", "root"])
        contains(done.out, "kernel", "modules:final", "ready")
        found = host.lodge_ok("-o", "json", "wait", name, env=env)
        check(address is None or json.loads(found)["address"] == address, found)
        contains(host.lodge_ok("ssh", name, "--", "ip -br addr; cloud-init status", env=env, timeout=300), "status: done",
                 address or "192.168.77.1")
        host.ok("destroy", name)


@mark(requires=["slow", "ovmf"], only="lodged", timeout=3600)
def test_a_clone_of_a_debian_is_another_one(host):
    """rows: install-21"""
    host.network(NETWORK)
    env = home(host)
    host.lodge_ok("image", "import", str(cloud_image()), "--name", "debian", env=env, timeout=300)
    host.lodge_ok("run", "old", "--image", "debian", "--virt-type", "qemu", "--memory", "1G", "--no-display", "--timeout",
                  str(BOOT_S), env=env, timeout=BOOT_S + 60)
    ask = "hostname; cat /etc/machine-id; cut -d' ' -f2 /etc/ssh/ssh_host_ed25519_key.pub; ip -4 -br addr show scope global"
    old = host.lodge_ok("ssh", "old", "--", ask, env=env, timeout=300).split()
    host.lodge_ok("ssh", "old", "--", "sudo sync", env=env, timeout=300)
    host.ok("destroy", "old")
    host.lodge_ok("clone", "old", "--name", "new", "--start", env=env, timeout=300)
    host.lodge_ok("wait", "new", "--for", "ssh", "--timeout", str(BOOT_S), env=env, timeout=BOOT_S + 60)
    host.lodge_ok("ssh", "new", "--", "cloud-init status --wait", env=env, timeout=BOOT_S)
    new = host.lodge_ok("ssh", "new", "--", ask, env=env, timeout=300).split()
    print(old, new)
    equal((old[0], new[0]), ("old", "new"))
    check(old[1] != new[1] and old[2] != new[2] and old[5] != new[5], f"{old} {new}")
