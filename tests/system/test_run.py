"""From an image to a machine that one can log in to: lodge run, ssh, wait, cloud-init.

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

TINY = ["--virt-type", "qemu", "--memory", "64M", "--cpus", "1", "--ssh-key", KEY]


def run_command(host, name, *options):
    return [host.lodge_program, "-c", host.daemon.uri, "-o", "json", "run", name, *TINY, *options]


def run_tiny(host, name, *options, code=0, timeout=120):
    result = host.lodge("-o", "json", "run", name, *TINY, *options, env=home(host), timeout=timeout)
    if (result.code != 0) != (code != 0):
        fail(str(result))
    return json.loads(result.out if code == 0 else result.err)


def with_address(host, name):
    """Gives the machine an address as soon as it is there."""
    def give():
        wait_until(lambda: host.virsh("domid", name).code == 0 and host.state(name) == "running", "it runs", timeout=60)
        give_address(mac_of(host, name))
    thread = threading.Thread(target=give)
    thread.start()
    return thread


def volumes(host, pool="default"):
    return re.findall(r"^ (\S+) ", host.ok("vol-list", pool), re.M)[1:]


def test_an_image_becomes_a_machine(host):
    """rows: install-12 images-02"""
    host.network(NETWORK)
    add_image(host)
    made = run_tiny(host, "web", "--image", "tiny", "--no-wait")
    equal([stage["stage"] for stage in made["stages"]], ["image", "disk", "running"])
    print([stage["elapsed_ms"] for stage in made["stages"]])
    xml = host.ok("dumpxml", "web")
    contains(xml, "machine='pc-q35-7.2'", "<source type='memfd'/>", "<access mode='shared'/>", "<stats period='5'/>",
             "org.qemu.guest_agent.0", "<rng model='virtio'>", "discard='unmap'", "startupPolicy='optional'",
             "<lodge:machine xmlns:lodge=", 'image="tiny" user="lodge"')
    check("keymap" not in xml, "a keymap that nobody asked for")
    files = seed_files(host.path("var/lib/libvirt/images/web-seed.iso"))
    equal(sorted(files), ["meta-data", "network-config", "user-data", "vendor-data"])
    user = config(files["user-data"])
    equal(user["hostname"], "web")
    equal(user["users"][1]["name"], "lodge")
    equal(user["users"][1]["ssh_authorized_keys"], [KEY])
    equal(config(files["meta-data"]), {"instance-id": f"{made['uuid']}-1", "local-hostname": "web"})
    nic = config(files["network-config"])["ethernets"]["lodge0"]
    equal((nic["match"]["macaddress"], nic["dhcp4"]), (mac_of(host, "web"), True))
    contains(subprocess.run(["blkid", host.path("var/lib/libvirt/images/web-seed.iso")], capture_output=True,
                            text=True).stdout, 'LABEL="cidata"')
    contains(subprocess.run(["qemu-img", "info", "-U", made["disk"]], capture_output=True, text=True).stdout,
             "library/tiny.raw", "virtual size: 20 GiB")
    equal(host.path("var/lib/libvirt/library/tiny.raw").stat().st_mode & 0o777, 0o444)


def test_there_is_room_for_eight_more_devices(host):
    """rows: install-12"""
    host.network(NETWORK)
    add_image(host)
    run_tiny(host, "web", "--image", "tiny", "--no-wait")
    for number in range(8):
        host.ok("attach-interface", "web", "network", "default", "--model", "virtio", "--live")


@mark(requires=["ovmf"])
def test_an_image_with_a_partition_of_efi_starts_with_uefi(host):
    host.network(NETWORK)
    disk = host.path("efi.raw")
    subprocess.run(["truncate", "-s", "64M", disk], check=True)
    subprocess.run(["sfdisk", "-q", disk], input="label: gpt\nsize=32M, type=U\n", text=True, check=True)
    subprocess.run(["qemu-img", "convert", "-O", "qcow2", disk, host.path("efi.qcow2")], check=True)
    host.lodge_ok("image", "import", str(host.path("efi.qcow2")), env=home(host))
    run_tiny(host, "new", "--image", "efi", "--no-wait")
    contains(host.ok("dumpxml", "new"), "OVMF_CODE_4M.fd", "<feature enabled='no' name='secure-boot'/>")
    run_tiny(host, "old", "--image", "efi", "--no-wait", "--firmware", "bios")
    check("OVMF" not in host.ok("dumpxml", "old"), "UEFI although the old firmware was asked for")


def test_it_starts_without_its_seed(host):
    host.network(NETWORK)
    add_image(host)
    run_tiny(host, "web", "--image", "tiny", "--no-wait")
    host.ok("destroy", "web")
    host.path("var/lib/libvirt/images/web-seed.iso").unlink()
    host.ok("start", "web")


def test_a_good_one_is_followed_to_its_end(host):
    host.network(NETWORK)
    add_image(host)
    thread = with_address(host, "web")
    made = run_tiny(host, "web", "--image", "tiny")
    thread.join()
    stages = [stage["stage"] for stage in made["stages"]]
    texts = [stage["text"] for stage in made["stages"]]
    equal(set(stages), {"image", "disk", "running", "kernel", "cloud-init", "address", "ready"})
    equal(stages[-1], "ready")
    contains(texts, "init-local", "modules:final", "192.168.77.50", "6.1.0")
    times = [stage["elapsed_ms"] for stage in made["stages"]]
    equal(times, sorted(times))
    equal(host.lodge_ok("wait", "web", "--for", "address", env=home(host)).strip(), "192.168.77.50")


def test_a_failing_module_is_shown_and_the_machine_stays(host):
    host.network(NETWORK)
    add_image(host, lines=FAILING)
    thread = with_address(host, "web")
    result = host.lodge("run", "web", "--image", "tiny", *TINY, env=home(host), timeout=120)
    thread.join()
    equal(result.code, 1)
    contains(result.err, "cloud-init has failed in part", "E: no such package: nonesuch", "config-runcmd: FAIL",
             "web-serial.log", "lodge console web")
    equal(host.state("web"), "running")
    contains(host.path("var/log/libvirt/qemu/web-serial.log").read_text(errors="replace"), "nonesuch")


def test_a_panic_ends_the_wait_at_once(host):
    host.network(NETWORK)
    add_image(host, lines=PANIC)
    told = run_tiny(host, "web", "--image", "tiny", code=1)["error"]
    contains(told["message"], "its kernel panicked")
    contains(told["hint"], "web-serial.log")
    equal(host.state("web"), "running")


def test_a_silent_one_ends_in_time_and_says_how_far_it_came(host):
    host.network(NETWORK)
    add_image(host, lines=SLOW)
    told = run_tiny(host, "web", "--image", "tiny", "--timeout", "6", code=1)["error"]
    contains(told["message"], "it has no address, and cloud-init has not ended after 6 s",
             "it came as far as: cloud-init init-local")
    equal(told["code"], "timeout")
    equal(host.state("web"), "running")


def test_rm_removes_what_does_not_come_up(host):
    host.network(NETWORK)
    add_image(host, lines=SLOW)
    run_tiny(host, "web", "--image", "tiny", "--timeout", "3", "--rm", code=1)
    equal(host.ok("list", "--all", "--name").split(), [])
    equal(volumes(host), [])


def test_addresses_of_both_families_are_matched_by_the_card(host):
    host.network(NETWORK)
    add_image(host)
    run_tiny(host, "web", "--image", "tiny", "--no-wait", "--ip", "10.0.0.5/24", "--ip", "fd00::5/64", "--gateway",
             "10.0.0.1,fd00::1", "--dns", "10.0.0.1", "--hostname", "web.example.org", "--user", "me")
    files = seed_files(host.path("var/lib/libvirt/images/web-seed.iso"))
    equal(config(files["network-config"])["ethernets"]["lodge0"],
          {"match": {"macaddress": mac_of(host, "web")}, "addresses": ["10.0.0.5/24", "fd00::5/64"],
           "routes": [{"to": "0.0.0.0/0", "via": "10.0.0.1"}, {"to": "::/0", "via": "fd00::1"}], "dhcp4": False,
           "nameservers": {"addresses": ["10.0.0.1"]}})
    user = config(files["user-data"])
    equal((user["hostname"], user["fqdn"], user["users"][1]["name"]), ("web.example.org", "web.example.org", "me"))


def test_wrong_values_are_refused_before_anything_is_made(host):
    host.network(NETWORK)
    add_image(host)
    for options, text in ((["--ip", "10.0.0.5"], "'10.0.0.5' is not an address with the length of its network"),
                          (["--ip", "10.0.0.5/33"], "'10.0.0.5/33' is not an address with"),
                          (["--gateway", "10.0.0.1"], "--gateway and --dns are told with --ip"),
                          (["--ssh-key", "nonsense key"], None), (["--user", "A B"], "cannot be the name of a user"),
                          (["--hostname", "a_b"], "cannot be the name of a host"),
                          (["--disk", "1K"], "the image is larger than the disk"),
                          (["--image", "nonesuch"], "no image 'nonesuch' is in the library"),
                          (["--image", "/nowhere/at/all"], "cannot open '/nowhere/at/all'")):
        image = [] if "--image" in options else ["--image", "tiny"]
        if text:
            contains(run_tiny(host, "web", *image, "--no-wait", *options, code=1)["error"]["message"], text)
    equal(host.ok("list", "--all", "--name").split(), [])
    equal(volumes(host), [])


def test_a_name_that_is_taken_leaves_the_other_machine_alone(host):
    host.network(NETWORK)
    add_image(host)
    run_tiny(host, "web", "--image", "tiny", "--no-wait")
    before = host.ok("dumpxml", "web", "--inactive")
    contains(run_tiny(host, "web", "--image", "tiny", "--no-wait", code=1)["error"]["message"], "already exists")
    equal(host.ok("dumpxml", "web", "--inactive"), before)
    equal(host.state("web"), "running")
    equal(sorted(volumes(host)), ["web-seed.iso", "web.qcow2"])


def test_a_bare_host_gets_pools_and_network_and_is_told(host):
    talker(host.path("tiny.img"), GOOD)
    result = host.lodge("run", "web", "--image", str(host.path("tiny.img")), "--no-wait", *TINY, env=home(host),
                        timeout=120)
    equal(result.code, 0)
    contains(result.err, "Pool 'default' made and started", "Network 'default' made and started")
    equal(host.state("web"), "running")
    result = host.lodge("image", "import", str(host.path("tiny.img")), env=home(host))
    contains(result.err, "Pool 'library' made and started")
    check("<path>%s" % host.path("var/lib/libvirt/library") in host.ok("pool-dumpxml", "library"), "its place")


def test_an_interruption_leaves_nothing_or_says_what(host):
    host.network(NETWORK)
    add_image(host, lines=SLOW)
    process = subprocess.Popen(run_command(host, "web", "--image", "tiny"), stdout=subprocess.PIPE,
                               stderr=subprocess.PIPE, text=True, env={**os.environ, **home(host)})
    wait_until(lambda: host.virsh("domid", "web").code == 0 and host.state("web") == "running", "it runs", timeout=60)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=30)
    check(process.returncode != 0, out)
    contains(err, "machine 'web' runs")
    equal(host.state("web"), "running")


@mark(only="lodged")
def test_killed_at_any_moment_it_leaves_a_machine_that_can_be_removed(host):
    host.network(NETWORK)
    add_image(host, lines=SLOW)
    for number in range(12):
        name = f"m{number}"
        process = subprocess.Popen(run_command(host, name, "--image", "tiny", "--no-wait"), stdout=subprocess.DEVNULL,
                                   stderr=subprocess.DEVNULL, env={**os.environ, **home(host)})
        try:
            process.wait(timeout=0.04 * number)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
    for name in host.ok("list", "--all", "--name").split():
        host.virsh("destroy", name)
        host.lodge_ok("undefine", name, "--remove-all-storage", "--nvram")
    equal(volumes(host), [])
    equal(volumes(host, "library"), ["tiny.json", "tiny.raw"])


def test_what_cloud_init_is_told_is_shown_and_changed(host):
    host.network(NETWORK)
    add_image(host)
    made = run_tiny(host, "web", "--image", "tiny", "--no-wait")
    shown = host.lodge_ok("cloud-init", "show", "web")
    contains(shown, "# user-data (web-seed.iso)", "hostname: web", "# network-config")
    host.lodge_ok("cloud-init", "set", "web", "--hostname", "other", "--rerun", env=home(host))
    files = {file["name"]: file["text"] for file in json.loads(host.lodge_ok("-o", "json", "cloud-init", "show", "web"))}
    equal(config(files["user-data"])["hostname"], "other")
    equal(config(files["user-data"])["users"][1]["ssh_authorized_keys"], [KEY])
    equal(config(files["meta-data"]), {"instance-id": f"{made['uuid']}-2", "local-hostname": "other"})
    seeds = [name for name in volumes(host) if name.endswith(".iso")]
    equal(len(seeds), 1)
    for flags in ([], ["--inactive"]):
        contains(host.ok("dumpxml", "web", *flags), f"/{seeds[0]}")
    document = host.path("mine")
    document.write_text("#cloud-config\npackages: [hello]\n")
    host.lodge_ok("cloud-init", "set", "web", "--user-data", str(document), "--ip", "10.0.0.9/24", env=home(host))
    files = {file["name"]: file["text"] for file in json.loads(host.lodge_ok("-o", "json", "cloud-init", "show", "web"))}
    equal(files["user-data"], document.read_text())
    equal(config(files["vendor-data"])["hostname"], "other")
    equal(config(files["network-config"])["ethernets"]["lodge0"]["addresses"], ["10.0.0.9/24"])
    equal(config(files["meta-data"])["instance-id"], f"{made['uuid']}-2")


def test_the_guest_sees_its_seed(host):
    """The demo guest, started from its kernel, reads the disc that the machine was made with."""
    host.network(NETWORK)
    add_image(host)
    run_tiny(host, "web", "--image", "tiny", "--no-wait")
    host.ok("destroy", "web")
    boot = (f"<kernel>{host.guests.file('vmlinuz')}</kernel><initrd>{host.guests.with_modules('isofs')}</initrd>"
            "<cmdline>console=ttyS0 quiet no_timer_check hostname=web</cmdline>")
    xml = host.ok("dumpxml", "web", "--inactive").replace("<boot dev='hd'/>", boot)
    host.define(xml.replace("<memory unit='KiB'>65536", "<memory unit='KiB'>196608")
                   .replace("<currentMemory unit='KiB'>65536", "<currentMemory unit='KiB'>196608"))
    for _ in range(2):
        host.ok("start", "web")
        console = host.booted("web")
        contains(console.command("dd if=/dev/sr0 bs=1 skip=32808 count=6 2>/dev/null"), "CIDATA")
        console.command("mkdir -p /seed; mount -t iso9660 -o ro /dev/sr0 /seed")
        contains(console.command("ls /seed; cat /seed/meta-data"), "user-data", "network-config", "instance-id")
        contains(console.command("cat /seed/user-data"), KEY)
        console.close()
        host.ok("destroy", "web")


@mark(daemon=False, requires=["program:passt"])
def test_an_ordinary_user_gets_a_port_that_leads_to_ssh(host):
    from test_session import Session
    for words in ("link add up0 type veth peer name up1", "link set up1 up", "addr add 10.9.9.2/24 dev up0", "link set up0 up",
                  "route add default via 10.9.9.1"):
        subprocess.run(["ip", *words.split()], check=True)  # passt takes its addresses from there
    session = Session(host)
    talker(host.path("tiny.img"), GOOD)
    result = run(["setpriv", "--reuid", "nobody", "--regid", "nogroup", "--clear-groups", host.lodge_program, "-c",
                  "qemu:///session", "-o", "json", "run", "web", "--image", host.path("tiny.img"), *TINY],
                 env=session.env, cwd="/", timeout=120)
    print(result)
    equal(result.code, 0)
    contains(result.out, '"text": "127.0.0.1"')
    xml = session.ok("dumpxml", "web")
    port = re.search('port="(.*?)"', xml).group(1)
    contains(xml, "<backend type='passt'/>", f"<range start='{port}' to='22'/>")
    session.ok("destroy", "web")
    session.close()


def test_no_secret_is_told_to_others(host):
    host.network(NETWORK)
    add_image(host)
    canary = "canary-7f3a9"
    document = host.path("secret")
    document.write_text(f"#cloud-config\npassword: {canary}\n")
    seen = []
    process = subprocess.Popen(run_command(host, "web", "--image", "tiny", "--no-wait", "--user-data", str(document)),
                               stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, env={**os.environ, **home(host)})
    while process.poll() is None:
        for folder in pathlib.Path("/proc").glob("[0-9]*"):
            try:
                seen += [folder] if canary.encode() in (folder / "cmdline").read_bytes() else []
            except OSError:
                pass
    equal((process.returncode, seen), (0, []))
    seed = host.path("var/lib/libvirt/images/web-seed.iso")
    contains(seed_files(seed)["user-data"], canary)
    equal(seed.stat().st_mode & 0o077, 0)
    check(canary not in host.ok("dumpxml", "web", "--security-info"), "it is in the document")
    for folder in ("var/log", "etc", "var/lib/libvirt/library", "run"):
        found = subprocess.run(["grep", "-rIl", "--devices=skip", canary, host.path(folder)], capture_output=True,
                               text=True)
        equal(found.stdout, "")


def test_a_wait_that_is_over_says_why(host):
    host.network(NETWORK)
    add_image(host, lines=SLOW)
    run_tiny(host, "web", "--image", "tiny", "--no-wait")
    host.ok("domif-setlink", "web", mac_of(host, "web"), "down")
    told = host.lodge("wait", "web", "--timeout", "1", env=home(host))
    equal(told.code, 1)
    contains(told.err, "has not come to 'address' within 1 s", "hint:")
    print(told.err)
    equal(host.lodge("wait", "web", "--for", "running", "--timeout", "5").code, 0)
    host.ok("destroy", "web")
    equal(host.lodge("wait", "web", "--for", "stopped", "--timeout", "5").code, 0)
    told = host.lodge("ssh", "web", env=home(host))
    check(told.code != 0, "there is nobody to log in to")
