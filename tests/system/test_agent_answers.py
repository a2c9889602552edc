"""Everything that is asked of a guest's agent, with a scripted agent behind a real guest: what it is asked, what
comes of its answers, and what of its refusals, its silence and its end.

SPDX-License-Identifier: LGPL-2.1-or-later
"""
import json
import threading

import libvirt_qemu

from lodgetest.agent import GOOD, SILENCE, Refusal, channel_state, start_scripted
from lodgetest.host import *

INFO = {
    libvirt.VIR_DOMAIN_GUEST_INFO_USERS: {
        "user.count": 2, "user.0.name": "u", "user.0.domain": "D", "user.0.login-time": 1500, "user.1.name": "v",
        "user.1.login-time": 2000},
    libvirt.VIR_DOMAIN_GUEST_INFO_OS: {
        "os.id": "debian", "os.name": "Debian", "os.version-id": "12", "os.kernel-release": "6"},
    libvirt.VIR_DOMAIN_GUEST_INFO_TIMEZONE: {"timezone.name": "CET", "timezone.offset": 3600},
    libvirt.VIR_DOMAIN_GUEST_INFO_HOSTNAME: {"hostname": "inside"},
    libvirt.VIR_DOMAIN_GUEST_INFO_FILESYSTEM: {
        "fs.count": 2, "fs.0.name": "dm-0", "fs.0.mountpoint": "/x", "fs.0.fstype": "xfs", "fs.0.disk.count": 0,
        "fs.1.name": "vda1", "fs.1.mountpoint": "/", "fs.1.fstype": "ext4", "fs.1.total-bytes": 10,
        "fs.1.used-bytes": 5, "fs.1.disk.count": 1, "fs.1.disk.0.alias": "vda", "fs.1.disk.0.serial": "S1",
        "fs.1.disk.0.device": "/dev/vda1"},
    libvirt.VIR_DOMAIN_GUEST_INFO_DISKS: {
        "disk.count": 3, "disk.0.name": "/dev/vda", "disk.0.partition": False, "disk.0.serial": "S1",
        "disk.0.alias": "vda", "disk.0.guest_alias": "al", "disk.1.name": "/dev/vda1", "disk.1.partition": True,
        "disk.1.dependency.count": 1, "disk.1.dependency.0.name": "/dev/vda", "disk.2.name": "/dev/sda",
        "disk.2.partition": False},
    libvirt.VIR_DOMAIN_GUEST_INFO_INTERFACES: {
        "if.count": 2, "if.0.name": "lo", "if.0.hwaddr": "00:00:00:00:00:00", "if.0.addr.count": 1,
        "if.0.addr.0.type": "ipv4", "if.0.addr.0.addr": "127.0.0.1", "if.0.addr.0.prefix": 8, "if.1.name": "eth0",
        "if.1.hwaddr": "52:54:00:00:00:01", "if.1.addr.count": 1, "if.1.addr.0.type": "ipv6",
        "if.1.addr.0.addr": "fe80::1", "if.1.addr.0.prefix": 64},
}


def vcpu(number, online, can_offline=True):
    return {"logical-id": number, "online": online, "can-offline": can_offline}


def asks(agent, command, call, *args):
    """Calls, and returns the arguments that the agent saw."""
    agent.seen.clear()
    call(*args)
    return agent.arguments(command)


def every_call(dom):
    """command of the agent -> a call that leads to it"""
    return {
        "guest-get-time": dom.getTime,
        "guest-set-time": lambda: dom.setTime({"seconds": 5, "nseconds": 7}),
        "guest-fsfreeze-freeze": dom.fsFreeze,
        "guest-fsfreeze-freeze-list": lambda: dom.fsFreeze(["/a"]),
        "guest-fsfreeze-thaw": dom.fsThaw,
        "guest-fstrim": lambda: dom.fSTrim(None, 4096),
        "guest-get-fsinfo": dom.fsInfo,
        "guest-set-user-password": lambda: dom.setUserPassword("root", "x"),
        "guest-ssh-get-authorized-keys": lambda: dom.authorizedSSHKeysGet("root"),
        "guest-ssh-add-authorized-keys": lambda: dom.authorizedSSHKeysSet("root", ["k"]),
        "guest-ssh-remove-authorized-keys": lambda: dom.authorizedSSHKeysSet("root", ["k"], 2),
        "guest-get-vcpus": lambda: dom.setGuestVcpus("0", 1),
        "guest-network-get-interfaces": lambda: dom.interfaceAddresses(1),
        "guest-get-users": lambda: dom.guestInfo(libvirt.VIR_DOMAIN_GUEST_INFO_USERS),
        "guest-get-osinfo": lambda: dom.guestInfo(libvirt.VIR_DOMAIN_GUEST_INFO_OS),
        "guest-get-timezone": lambda: dom.guestInfo(libvirt.VIR_DOMAIN_GUEST_INFO_TIMEZONE),
        "guest-get-host-name": lambda: dom.guestInfo(libvirt.VIR_DOMAIN_GUEST_INFO_HOSTNAME),
        "guest-get-disks": lambda: dom.guestInfo(libvirt.VIR_DOMAIN_GUEST_INFO_DISKS),
        "guest-suspend-disk": lambda: dom.pMSuspendForDuration(libvirt.VIR_NODE_SUSPEND_TARGET_DISK, 0),
        "guest-foo": lambda: libvirt_qemu.qemuAgentCommand(dom, '{"execute": "guest-foo"}', -1, 0),
    }


def test_what_the_guest_answers(host):
    """rows: agent-01 agent-07 agent-09 agent-10 agent-11 devices-31"""
    agent, _ = start_scripted(host, dict(GOOD))
    dom = host.conn.lookupByName("demo")
    equal(dom.hostname(libvirt.VIR_DOMAIN_GET_HOSTNAME_AGENT), "inside", "the host name")
    equal(dom.getTime(), {"seconds": 1700000000, "nseconds": 123456789}, "the time")
    equal(asks(agent, "guest-set-time", dom.setTime, {"seconds": 5, "nseconds": 7}), {"time": 5000000007}, "set-time")
    equal(asks(agent, "guest-set-time", dom.setTime, None, libvirt.VIR_DOMAIN_TIME_SYNC), {}, "set-time --sync")
    equal((dom.fsFreeze(), dom.fsFreeze(["/a"]), dom.fsThaw()), (2, 1, 3), "file systems frozen and thawed")
    equal(asks(agent, "guest-fsfreeze-freeze-list", dom.fsFreeze, ["/a", "/b"]), {"mountpoints": ["/a", "/b"]}, "list")
    equal(asks(agent, "guest-fstrim", dom.fSTrim, None, 4096), {"minimum": 4096}, "fstrim")
    equal(dom.fsInfo(), [("/x", "dm-0", "xfs", []), ("/", "vda1", "ext4", ["vda"])], "file systems")
    for encrypted in (0, libvirt.VIR_DOMAIN_PASSWORD_ENCRYPTED):
        equal(asks(agent, "guest-set-user-password", dom.setUserPassword, "root", "gehe\u0131m", encrypted),
              {"crypted": bool(encrypted), "username": "root", "password": "Z2VoZcSxbQ=="}, "password")
    equal(dom.authorizedSSHKeysGet("root"), ["ssh-rsa A", "ssh-rsa B"], "keys")
    add = "guest-ssh-add-authorized-keys"
    equal(asks(agent, add, dom.authorizedSSHKeysSet, "u", ["k"]), {"username": "u", "keys": ["k"], "reset": True}, "set")
    equal(asks(agent, add, dom.authorizedSSHKeysSet, "u", []), {"username": "u", "keys": [], "reset": True}, "none")
    equal(asks(agent, add, dom.authorizedSSHKeysSet, "u", ["k"], 1), {"username": "u", "keys": ["k"], "reset": False}, "add")
    equal(asks(agent, "guest-ssh-remove-authorized-keys", dom.authorizedSSHKeysSet, "u", ["k"], 2),
          {"username": "u", "keys": ["k"]}, "remove")
    for types, wanted in INFO.items():
        equal(dom.guestInfo(types), wanted, f"guest information {types}")
    everything = {name: value for part in INFO.values() for name, value in part.items()}
    equal(dom.guestInfo(0), everything, "all guest information")
    contains(host.ok("domifaddr", "demo", "--source", "agent", "--full"), "eth0", "fe80::1/64", "127.0.0.1/8")
    raises(libvirt.VIR_ERR_ARGUMENT_UNSUPPORTED, dom.fsThaw, ["/a"], text="specifying mountpoints is not supported")
    raises(libvirt.VIR_ERR_ARGUMENT_UNSUPPORTED, dom.fSTrim, "/a", 0)
    raises(libvirt.VIR_ERR_INVALID_ARG, dom.guestInfo, 256, text="unsupported guest information types '0x100'")
    raises(libvirt.VIR_ERR_INVALID_ARG, dom.authorizedSSHKeysSet, "u", ["k"], 3)
    raises(libvirt.VIR_ERR_INVALID_ARG, dom.pMSuspendForDuration, 3, 0, text="Unknown suspend target: 3")
    equal(json.loads(host.ok("qemu-agent-command", "demo", '{"execute":"guest-get-timezone"}')),
          {"return": GOOD["guest-get-timezone"]}, "a raw command")
    for command in ('{"execute"', ""):
        host.refused("qemu-agent-command", "demo", command)
    if not host.is_reference:
        equal(json.loads(host.lodge_ok("guestinfo", "demo", "--os", "-o", "json"))["os.id"], "debian", "lodge guestinfo")
        contains(host.lodge_ok("domfsinfo", "demo"), "ext4", "/x")
        equal(host.lodge_ok("get-user-sshkeys", "demo", "root"), "ssh-rsa A\nssh-rsa B\n", "lodge get-user-sshkeys")
        keys = host.write_xml("\n# mine\nssh-rsa C\n", "keys")
        for options, reset in ([[], False], [["--reset"], True]):
            host.lodge_ok("set-user-sshkeys", "demo", "root", "--file", keys, *options)
            equal(agent.arguments(add), {"username": "root", "keys": ["ssh-rsa C"], "reset": reset}, "lodge set-user-sshkeys")


def test_cpus_that_the_guest_uses(host):
    """rows: agent-08 agent-13"""
    agent, _ = start_scripted(host, {}, vcpus=4)
    dom = host.conn.lookupByName("demo")
    agent.answers["guest-get-vcpus"] = [vcpu(0, True, False), vcpu(1, True), vcpu(2, False), vcpu(3, False)]
    agent.answers["guest-set-vcpus"] = lambda arguments: len(arguments["vcpus"])
    guest = libvirt.VIR_DOMAIN_VCPU_GUEST | libvirt.VIR_DOMAIN_AFFECT_LIVE

    def told(call, *args):
        agent.seen.clear()
        call(*args)
        return [[(cpu["logical-id"], cpu["online"]) for cpu in arguments["vcpus"]]
                for command, arguments in agent.seen if command == "guest-set-vcpus"]
    equal(told(dom.setVcpusFlags, 1, guest), [[(1, False)]], "one")
    equal(told(dom.setVcpusFlags, 2, guest), [], "two, as there are")
    equal(told(dom.setVcpusFlags, 4, guest), [[(2, True), (3, True)]], "four")
    raises(libvirt.VIR_ERR_INVALID_ARG, dom.setVcpusFlags, 9, guest,
           text="requested vcpu count is greater than the count of enabled vcpus in the domain: 9 > 4")
    equal((dom.vcpusFlags(guest), dom.vcpusFlags(guest | libvirt.VIR_DOMAIN_VCPU_MAXIMUM)), (2, 4), "CPUs of the guest")
    equal(host.ok("guestvcpus", "demo").split(), "vcpus : 0-3 online : 0-1 offlinable : 1-3".split(), "guestvcpus")
    equal(told(dom.setGuestVcpus, "1-3", 1), [[(1, True), (2, True), (3, True)]], "three by number")
    equal(told(dom.setGuestVcpus, "1", 0), [[(1, False)]], "one by number")
    raises(libvirt.VIR_ERR_OPERATION_UNSUPPORTED, dom.setGuestVcpus, "0", 0, text="vCPU '0' is not offlinable")
    raises(libvirt.VIR_ERR_INVALID_ARG, dom.setGuestVcpus, "2-9", 1, text="guest is missing vCPUs '4-9'")
    raises(libvirt.VIR_ERR_INVALID_ARG, dom.setGuestVcpus, "1", 2, text="unsupported state value")
    raises(libvirt.VIR_ERR_INVALID_ARG, dom.setGuestVcpus, "x", 1)
    agent.answers["guest-set-vcpus"] = 1  # it does one at a time
    equal(told(dom.setGuestVcpus, "1-3", 1), [[(1, True), (2, True), (3, True)], [(2, True), (3, True)], [(3, True)]],
          "one at a time")
    for nonsense in (0, 7, {}):
        agent.answers["guest-set-vcpus"] = nonsense
        raises(libvirt.VIR_ERR_INTERNAL_ERROR, dom.setGuestVcpus, "2-3", 1, text="malformed or invalid return value")
    agent.answers["guest-get-vcpus"] = [vcpu(0, True), vcpu(1, False, False)]
    raises(libvirt.VIR_ERR_INTERNAL_ERROR, dom.setVcpusFlags, 1, guest, text="Invalid data provided by guest agent")
    agent.answers["guest-get-vcpus"] = [vcpu(0, True), vcpu(1, True)]
    raises(libvirt.VIR_ERR_INTERNAL_ERROR, dom.setVcpusFlags, 3, guest, text="reports less cpu than requested")
    for nonsense in (7, [{"x": 1}], [vcpu("0", True)], [vcpu(0, "yes")]):
        agent.answers["guest-get-vcpus"] = nonsense
        raises(libvirt.VIR_ERR_INTERNAL_ERROR, dom.vcpusFlags, guest, text="guest-get-vcpus")
    if not host.is_reference:
        agent.answers["guest-get-vcpus"] = [vcpu(0, True, False), vcpu(1, True)]
        agent.answers["guest-set-vcpus"] = 1
        contains(host.lodge_ok("guestvcpus", "demo"), "0-1")
        host.lodge_ok("guestvcpus", "demo", "--cpulist", "1", "--disable")
        equal(agent.arguments("guest-set-vcpus"), {"vcpus": [{"logical-id": 1, "online": False}]}, "lodge guestvcpus")


def test_refusals_and_nonsense(host):
    """Neither an agent's refusal nor an answer that makes no sense is taken for anything else."""
    agent, _ = start_scripted(host, {})
    dom = host.conn.lookupByName("demo")
    calls = every_call(dom)
    for command, call in calls.items():
        raises(libvirt.VIR_ERR_INTERNAL_ERROR, call,
               text=f"unable to execute QEMU agent command '{command}': The command {command} has not been found")
    equal(dom.guestInfo(0), {}, "information of an agent that knows none")
    raises(libvirt.VIR_ERR_NO_HOSTNAME, dom.hostname, libvirt.VIR_DOMAIN_GET_HOSTNAME_AGENT)
    for command, call in calls.items():
        agent.answers[command] = Refusal("it is broken")
        raises(libvirt.VIR_ERR_INTERNAL_ERROR, call, text=f"unable to execute QEMU agent command '{command}': it is broken")
    raises(libvirt.VIR_ERR_INTERNAL_ERROR, dom.guestInfo, 0, text="it is broken")
    counted = {"guest-fsfreeze-freeze", "guest-fsfreeze-freeze-list", "guest-fsfreeze-thaw", "guest-get-time"}
    done = {"guest-set-time", "guest-fstrim", "guest-set-user-password", "guest-ssh-add-authorized-keys",
            "guest-ssh-remove-authorized-keys", "guest-suspend-disk", "guest-foo"}
    for answer in (7, {}, [{"x": 1}]):
        for command in set(calls) - done - {"guest-get-disks"}:  # (the reference dies of disks without a name)
            agent.answers[command] = answer
            if (answer == 7 and command in counted) or (answer == {} and command == "guest-get-osinfo"):
                calls[command]()
            else:
                raises(libvirt.VIR_ERR_INTERNAL_ERROR, calls[command])
    for filesystem in ({"name": "x", "mountpoint": "/", "type": "t"},
                       {"name": "x", "mountpoint": "/", "type": "t", "disk": [{}]},
                       {"name": "x", "mountpoint": "/", "type": "t", "disk": [{"bus": 0, "target": 0, "unit": 0}]}):
        agent.answers["guest-get-fsinfo"] = [filesystem]
        raises(libvirt.VIR_ERR_INTERNAL_ERROR, dom.fsInfo, text="missing")
    for address in ({"ip-address-type": "ipx", "ip-address": "x", "prefix": 3}, {"ip-address-type": "ipv4"}):
        agent.answers["guest-network-get-interfaces"] = [{"name": "e", "ip-addresses": [address]}]
        raises(libvirt.VIR_ERR_INTERNAL_ERROR, dom.interfaceAddresses, 1)


def test_silence_and_the_end(host):
    """rows: agent-02 agent-03"""
    agent, console = start_scripted(host, {"guest-foo": SILENCE, "guest-get-time": SILENCE})
    dom = host.conn.lookupByName("demo")
    events = []
    loop = Loop()
    watcher = host.open()
    silent = libvirt.VIR_ERR_AGENT_UNRESPONSIVE

    def seconds(call, *args, text="Guest agent not available for now"):
        begin = time.monotonic()
        raises(silent, call, *args, text=text)
        return time.monotonic() - begin
    check(1 <= seconds(libvirt_qemu.qemuAgentCommand, dom, '{"execute":"guest-foo"}', 1, 0) < 4 * SLOWNESS, "one second")
    check(seconds(libvirt_qemu.qemuAgentCommand, dom, '{"execute":"guest-foo"}', 0, 0) < 4 * SLOWNESS, "no wait")
    raises(libvirt.VIR_ERR_INVALID_ARG, libvirt_qemu.qemuAgentCommand, dom, '{"execute":"guest-foo"}', -3, 0)
    raises(libvirt.VIR_ERR_INVALID_ARG, dom.agentSetResponseTimeout, -3, text="is less than the minimum '-2'")
    dom.agentSetResponseTimeout(1)
    contains(host.path("run/libvirt/qemu/demo.xml").read_text(), "<agentTimeout>1</agentTimeout>")
    check(1 <= seconds(dom.getTime) < 4 * SLOWNESS, "the timeout that was set")
    if not host.is_reference:  # (which opens the channel some time after its start)
        host.restart_daemon()
        console, dom, watcher = host.booted("demo"), host.conn.lookupByName("demo"), host.open()
        check(1 <= seconds(dom.getTime) < 4 * SLOWNESS, "the timeout that was set, after a restart")
    watcher.domainEventRegisterAny(None, libvirt.VIR_DOMAIN_EVENT_ID_AGENT_LIFECYCLE,
                                   lambda conn, dom, state, reason, opaque: events.append((state, reason)), None)
    agent.answers["guest-get-time"] = 5
    equal(dom.getTime()["nseconds"], 5, "the next answer")
    agent.answers["guest-get-time"] = SILENCE
    dom.agentSetResponseTimeout(libvirt.VIR_DOMAIN_AGENT_RESPONSE_TIMEOUT_BLOCK)
    agent.seen.clear()

    def end_agent():
        wait_until(lambda: "guest-get-time" in agent.commands(), "the command has arrived")
        console.send("kill %1; killall cat; killall sh\n")
    ender = threading.Thread(target=end_agent)
    ender.start()
    check(seconds(dom.getTime, text="Guest agent disappeared while executing command") < 30 * SLOWNESS, "it ended")
    ender.join()
    wait_until(lambda: channel_state(host, "demo") == "disconnected", "the channel is disconnected")
    wait_until(lambda: events and events[-1] == (libvirt.VIR_CONNECT_DOMAIN_EVENT_AGENT_LIFECYCLE_STATE_DISCONNECTED,
                                                 libvirt.VIR_CONNECT_DOMAIN_EVENT_AGENT_LIFECYCLE_REASON_CHANNEL), "event")
    calls = every_call(dom)
    calls["guest-shutdown"] = lambda: dom.shutdownFlags(libvirt.VIR_DOMAIN_SHUTDOWN_GUEST_AGENT)
    calls["guest-reboot"] = lambda: dom.reboot(libvirt.VIR_DOMAIN_REBOOT_GUEST_AGENT)
    for call in calls.values():
        raises(silent, call, text="QEMU guest agent is not connected")
    dom.suspend()
    for call in calls.values():
        raises(libvirt.VIR_ERR_OPERATION_INVALID, call, text="domain is not running")
    dom.destroy()
    del calls["guest-set-time"]  # (the reference looks at QEMU's abilities first)
    for call in calls.values():
        raises(libvirt.VIR_ERR_OPERATION_INVALID, call, text="domain is not running")
    check(loop.thread.is_alive(), "the event loop runs")


def test_without_a_channel(host):
    dom = host.start_sector("tiny")
    calls = every_call(dom)
    calls["guest-shutdown"] = lambda: dom.shutdownFlags(libvirt.VIR_DOMAIN_SHUTDOWN_GUEST_AGENT)
    for call in calls.values():
        raises(libvirt.VIR_ERR_ARGUMENT_UNSUPPORTED, call, text="QEMU guest agent is not configured")
    host.conn.lookupByName("tiny").agentSetResponseTimeout(5)
    reader = host.open(readonly=True).lookupByName("tiny")
    for call in every_call(reader).values():
        raises(libvirt.VIR_ERR_OPERATION_DENIED, call)
