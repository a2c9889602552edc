"""What the daemon watches: what machines used over time, what went wrong with them, alerts.

SPDX-License-Identifier: LGPL-2.1-or-later
"""
import datetime
import json
import os
import pathlib
import signal
import struct
import subprocess
import time

from lodgetest.host import *
from lodgetest.runner import mark
from lodgetest.web import Web, administrator, token

SERIES = ["cpu_percent", "memory_used_bytes", "disk_read_bps", "disk_write_bps", "net_rx_bps", "net_tx_bps"]


def get(web, path):
    answer = web.get(path)
    equal(answer.status, 200, path)
    return answer.json["items"]


def stamp(seconds):
    return datetime.datetime.fromtimestamp(seconds, datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


def known(items, name="cpu_percent"):
    return [item["time"] for item in items if item[name] is not None]


def test_history(host):
    """Measured though nobody looks; kept over kill -9; coarser as it grows old. rows: monitoring-04"""
    web = administrator(host)
    host.start_sector("one", devices="<interface type='user'/>")
    path = f"/machines/one/history?since={stamp(time.time() - 600)}"
    wait_until(lambda: known(get(web, path)), "it was measured", 60)
    items = get(web, path)
    check(59 <= len(items) <= 68, f"{len(items)} points in ten minutes")
    equal(sorted(items[0]), sorted(["time"] + SERIES))
    last = [item for item in items if item["cpu_percent"] is not None][-1]
    check(0 <= last["cpu_percent"] <= 100 and last["disk_read_bps"] is not None, str(last))
    ours = [item for item in get(web, "/host/history") if item["cpu_percent"] is not None]
    check(ours and ours[-1]["memory_used_bytes"] > 10 << 20, str(ours[-1:]))
    contains(host.lodge_ok("usage", "one"), "CPU %", last["time"])
    contains(host.lodge_ok("usage", "--step", "60"), "Received/s")
    before = known(items)
    pid, uuid = host.qemu_pid("one"), host.ok("domuuid", "one").strip()
    os.kill(pid, signal.SIGSTOP)
    host.kill_daemon()
    # What lies further back, as a daemon that ran then would have left it.
    file = host.path(f"var/lib/libvirt/lodge-history/{uuid}")
    old = int(time.time()) // 900 - 96 * 30
    with open(file, "r+b") as out:
        out.seek(16 + 16 * (8640 + 10080 + old % 35040))
        out.write(struct.pack("<IHHHHHH", old, round(1023 * 5), *[0xFFFF] * 5))  # 2^5 - 1 percent
    host.start_daemon()
    begun = time.monotonic()
    items = get(web, path)
    check(time.monotonic() - begun < 5, "a QEMU that is stopped keeps the answer back")
    check(set(before) <= set(known(items)), f"{before} were lost: {known(items)}")
    os.kill(pid, signal.SIGCONT)
    year = get(web, f"/machines/one/history?since={stamp(old * 900 - 86400)}")
    check(len(year) <= 2000, f"{len(year)} points")
    equal([round(item["cpu_percent"]) for item in year if item["cpu_percent"] is not None][0], 31)
    equal(web.get("/machines/one/history?since=never").status, 400)
    equal(web.get(f"/machines/one/history?since={stamp(time.time() + 9000)}").status, 400)
    equal(token(host, "--role", "viewer", "--domain", "one").get("/machines/one/history").status, 200)
    equal(token(host, "--role", "viewer", "--domain", "one").get("/host/history").status, 403)


def counted(web, name):
    return {item["what"]: item for item in get(web, f"/machines/{name}/counters")}


def alerts(web):
    return {(item["kind"], item["object"]): item for item in get(web, "/alerts")}


@mark(timeout=200)
def test_counters_and_alerts(host):
    """Ends that nobody asked for are counted, also those without a daemon; alerts begin and end once."""
    web = administrator(host)
    told = host.path("told")
    hook = host.script("hook", f"#!/bin/sh\ncat >> {told}\necho >> {told}\n")
    host.lodge_ok("alerts", "settings", "--hook", str(hook), "--crash-count", "2")
    equal(web.ask("PUT", "/alerts/settings", {"hook": "relative"}).status, 400)
    equal(web.ask("PUT", "/alerts/settings", {"mail_to": "-t evil"}).status, 400)
    equal(web.ask("PUT", "/alerts/settings", {"pool_percent": 101}).status, 400)
    hook.chmod(0o777)
    equal(web.ask("PUT", "/alerts/settings", {"hook": str(hook)}).status, 403)
    hook.chmod(0o755)
    equal(web.get("/alerts/settings").json["crash_count"], 2)
    equal(token(host, "--role", "operator").get("/alerts/settings").status, 403)

    host.start_sector("one")
    host.start_sector("two")
    equal({item["count"] for item in counted(web, "one").values()}, {0})
    os.kill(host.qemu_pid("one"), signal.SIGKILL)
    host.wait_state("one", "shut off")
    found = counted(web, "one")["unexpected_exit"]
    equal(found["count"], 1)
    contains(found["last_reason"], "signal 9")
    wait_until(lambda: ("down", "one") in alerts(web), "an alert began", 60)
    alert = alerts(web)[("down", "one")]
    equal((alert["severity"], alert["acknowledged"], alert["command"]), ("critical", False, "lodge start one"))
    equal(token(host, "--role", "viewer").post(f"/alerts/{alert['id']}/acknowledge").status, 403)
    host.lodge_ok("alerts", "acknowledge", alert["id"])
    wait_until(lambda: told.exists() and "began" in told.read_text(), "the hook was told")
    kept = host.path("var/lib/libvirt/lodge-alerts.json")
    wait_until(lambda: not [alert for alert in json.loads(kept.read_text())["book"]["alerts"] if alert["must_tell"]],
               "that is written down")

    # Without a daemon; it remembers what was told.
    pid = host.qemu_pid("two")
    host.kill_daemon()
    os.kill(pid, signal.SIGKILL)
    host.start_daemon()
    equal(counted(web, "one")["unexpected_exit"]["count"], 1)
    equal(counted(web, "two")["unexpected_exit"]["count"], 1)
    contains(host.lodge_ok("counters", "two"), "while no daemon ran")
    check(alerts(web)[("down", "one")]["acknowledged"], "it is not known any more that it was acknowledged")
    metrics = Web().raw("GET", "/metrics").data.decode()
    contains(metrics, 'name="one",what="unexpected_exit"} 1\n', 'name="one",what="panic"} 0\n')
    check(metrics.count('name="one"') <= 60, "too many series")

    # A second end within the time is a loop; what runs again is not down.
    host.ok("start", "one")
    os.kill(host.qemu_pid("one"), signal.SIGKILL)
    host.wait_state("one", "shut off")
    wait_until(lambda: ("crash_loop", "one") in alerts(web), "an alert began", 60)
    host.ok("start", "one")
    host.ok("start", "two")
    wait_until(lambda: not [key for key in alerts(web) if key[0] == "down"], "they ended", 60)
    host.ok("destroy", "one")
    host.ok("undefine", "one")

    def news():
        items = [json.loads(line) for line in told.read_text().splitlines() if line]
        return [(item["event"], item["alert"]["kind"], item["alert"]["object"]) for item in items]
    # An object that is gone ends all of its own.
    wait_until(lambda: ("ended", "crash_loop", "one") in news(), "the end was told", 60)
    equal(news().count(("began", "down", "one")), 1)
    equal(news().count(("ended", "down", "one")), 1)
    events = host.lodge_ok("-o", "json", "events", "--limit", "500")
    equal([row["detail"].split(":")[0] for row in json.loads(events)
           if (row["kind"], row["name"], row["what"]) == ("alert", "one", "began")], ["down", "crash_loop"])


def test_mail_and_certificates(host):
    """A mail is made by the host's sendmail; one address, no header can be smuggled in."""
    mail = host.path("mail")
    pathlib.Path("/usr/local/sbin").mkdir(parents=True, exist_ok=True)
    subprocess.run(["mount", "-t", "tmpfs", "tmpfs", "/usr/local/sbin"], check=True)
    program = pathlib.Path("/usr/local/sbin/sendmail")
    program.write_text(f"#!/bin/sh\necho \"$@\" > {mail}.new\ncat >> {mail}.new\nmv {mail}.new {mail}\n")
    program.chmod(0o755)
    host.daemon.settings["web_tls"] = 1
    host.restart_daemon()
    host.lodge_ok("alerts", "settings", "--mail-to", "ops@example.org", "--certificate-days", "36500")
    contains(host.lodge_ok("alerts", "settings"), "ops@example.org", "36500")
    wait_until(mail.exists, "a mail came", 60)
    text = mail.read_text()
    contains(text, "-i -- ops@example.org\n", "To: ops@example.org\n", "certificate began", "it is good until 20")
    contains(host.lodge_ok("alerts"), "certificate", "warning", "lodge-web/certificate.pem")


def test_panic_is_counted(host):
    sector = bytes.fromhex("b0 01 ba 05 05 ee fb f4 eb fd").ljust(510, b"\0") + b"\x55\xaa"  # writes to pvpanic
    xml = host.guests.sector("tiny", devices="<panic model='isa'/>", lifecycle="<on_crash>preserve</on_crash>")
    host.path("var/lib/libvirt/images/tiny.img").write_bytes(sector.ljust(4096, b"\0"))
    host.define(xml).create()
    wait_until(lambda: counted(administrator(host), "tiny")["panic"]["count"] == 1, "it was counted", 30)
