"""The web's API: log-in, rights, machines, the page.

SPDX-License-Identifier: LGPL-2.1-or-later
"""
import http.client
import json
import pathlib
import socket
import struct
import time

from lodgetest.host import *
from lodgetest.web import API, Web, administrator, token


def status(answer, wanted):
    check(answer.status == wanted, f"status {answer.status}, wanted {wanted}: {answer.data[:600]!r}")
    return answer


def test_log_in(host):
    web = administrator(host)
    session = status(web.get("/session"), 200).json
    equal((session["role"], session["csrf"]), ("admin", web.csrf))
    status(web.post("/users", {"name": "anna", "password": "correct horse", "role": "operator"}), 204)
    status(web.post("/users", {"name": "anna", "password": "correct horse", "role": "operator"}), 409)
    status(web.post("/users", {"name": "bad/name", "password": "correct horse", "role": "operator"}), 400)
    users = status(web.get("/users"), 200).json["items"]
    equal([(user["name"], user["role"]) for user in users], [("anna", "operator")])
    check("password" not in json.dumps(users) and "$y$" not in json.dumps(users), "a password is shown")
    equal(oct(host.path("etc/libvirt/lodge-web.json").stat().st_mode & 0o777), "0o600")
    anna = Web()
    status(anna.log_in(user="anna", password="wrong horse"), 401)
    status(anna.log_in(user="nobody", password="correct horse"), 401)
    login = status(anna.log_in(user="anna", password="correct horse"), 201)
    contains(login.headers["Set-Cookie"], "HttpOnly", "SameSite=Strict")
    status(anna.get("/machines"), 200)
    status(anna.get("/users"), 403)
    # Sessions outlive the daemon.
    host.crash_daemon()
    status(anna.get("/machines"), 200)
    # A change of the role ends them.
    status(administrator(host).ask("PATCH", "/users/anna", {"role": "viewer"}), 204)
    status(anna.get("/machines"), 401)
    status(anna.log_in(user="anna", password="correct horse"), 201)
    status(anna.ask("DELETE", "/session"), 204)
    status(anna.get("/machines"), 401)
    host.lodge_ok("web", "user", "remove", "anna")
    status(anna.log_in(user="anna", password="correct horse"), 401)


def test_damaged_accounts(host):
    """A file that cannot be read is set aside; the daemon starts, and nobody gets in by it."""
    host.lodge_ok("web", "user", "add", "eve", "--role", "admin", stdin="a long password\n")
    host.stop_daemon()
    path = host.path("etc/libvirt/lodge-web.json")
    path.write_text(path.read_text()[:-10])
    host.start_daemon()
    status(Web().log_in(user="eve", password="a long password"), 401)
    check(host.path("etc/libvirt/lodge-web.json.damaged").exists(), "it was not set aside")
    host.lodge_ok("web", "user", "add", "eve", stdin="a long password\n")
    status(Web().log_in(user="eve", password="a long password"), 201)


def test_link_works_once(host):
    link = host.lodge_ok("web").strip().split("#link=")[1]
    status(Web().log_in(link=link), 201)
    status(Web().log_in(link=link), 401)


def test_guesses_are_slowed_down(host):
    host.lodge_ok("web", "user", "add", "eve", stdin="a long password\n")
    codes = [Web().log_in(user="eve", password=f"guess {i}").status for i in range(12)]
    equal(codes, [401] * 10 + [429] * 2)
    status(Web().log_in(user="eve", password="a long password"), 429)


def test_forged_requests(host):
    web = administrator(host)
    csrf, web.csrf = web.csrf, None
    status(web.post("/users", {"name": "x", "password": "12345678", "role": "admin"}), 403)
    web.csrf = csrf
    for headers in [{"Origin": "http://evil.example"}, {"Sec-Fetch-Site": "cross-site"}, {"X-CSRF-Token": "x"}]:
        status(web.ask("DELETE", "/users/x", headers=headers), 403)
    status(web.ask("DELETE", "/users/x", headers={"Origin": "http://127.0.0.1:8006"}), 404)


def test_rights(host):
    host.start_sector("one")
    host.define_sector("two")
    nobody, viewer, operator = Web(), token(host, "--role", "viewer"), token(host, "--role", "operator")
    status(nobody.get("/machines"), 401)
    status(Web(token="lodge_wrong").get("/machines"), 401)
    status(viewer.get("/machines/one"), 200)
    status(viewer.get("/machines/one/xml"), 200)
    status(viewer.get("/machines/one/xml?secure=true"), 403)
    for method, path in [("POST", "/machines/two/actions/start"), ("DELETE", "/machines/two"), ("POST", "/machines"),
                         ("POST", "/machines/one/consoles"), ("GET", "/users")]:
        status(viewer.ask(method, path, {}), 403)
    equal(host.state("two"), "shut off")
    status(operator.post("/machines/two/actions/start", {}), 200)
    status(operator.ask("PATCH", "/machines/two", {"title": "x"}), 403)
    status(operator.post("/machines/two/actions/save", {"path": "/etc/shadow"}, headers={"Prefer": "wait=20"}), 403)
    # For one machine only.
    one = token(host, "--role", "operator", "--domain", "one")
    equal([item["name"] for item in status(one.get("/machines"), 200).json["items"]], ["one"])
    status(one.get("/machines/one"), 200)
    status(one.get("/machines/two"), 404)
    status(one.post("/machines/two/actions/destroy", {}), 404)
    for path in ["/host", "/users", "/jobs", "/tokens"]:
        status(one.get(path), 403)
    check("viewer or an operator" in host.lodge("web", "token", "add", "x", "--role", "admin", "--domain", "one").err,
          "an administrator's token for one machine")


def test_machines(host):
    web = administrator(host)
    made = status(web.post("/machines", {"xml": host.guests.sector("tiny")}), 201)
    equal((made.json["name"], made.json["state"], made.headers["Location"]), ("tiny", "shutoff", API + "/machines/tiny"))
    listed = status(web.get("/machines"), 200)
    equal([item["name"] for item in listed.json["items"]], ["tiny"])
    status(web.get("/machines", headers={"If-None-Match": listed.headers["ETag"]}), 304)
    equal(status(web.post("/machines/tiny/actions/start", {}), 200).json["state"], "running")
    status(web.get("/machines", headers={"If-None-Match": listed.headers["ETag"]}), 200)
    equal(host.state("tiny"), "running")
    problem = status(web.post("/machines/tiny/actions/start", {}), 409)
    contains(problem.headers["Content-Type"], "application/problem+json")
    equal(problem.json["code"], 55)
    contains(problem.json["detail"], "already running")
    equal(status(web.post("/machines/tiny/actions/suspend", {}), 200).json["state"], "paused")
    equal(status(web.post("/machines/tiny/actions/resume", {}), 200).json["state"], "running")
    status(web.post("/machines/tiny/actions/explode", {}), 404)
    status(web.ask("PATCH", "/machines/tiny", {"title": "Ünï", "autostart": True, "description": "two\nlines"}), 200)
    tiny = status(web.get(f"/machines/{made.json['uuid']}"), 200).json
    equal((tiny["title"], tiny["autostart"], tiny["description"]), ("Ünï", True, "two\nlines"))
    status(web.post("/machines/tiny/actions/destroy", {}), 200)
    answer = status(web.get("/machines/tiny/xml?inactive=true"), 200)
    text = answer.data.decode()
    host.ok("desc", "tiny", "--title", "other")
    status(web.ask("PUT", "/machines/tiny/xml", text, headers={"If-Match": answer.headers["ETag"]}), 409)
    status(web.ask("PUT", "/machines/tiny/xml", text), 200)
    equal(host.ok("desc", "tiny", "--title").strip(), "Ünï")
    status(web.ask("PUT", "/machines/tiny/xml", text.replace(made.json["uuid"], made.json["uuid"][:-4] + "0000")), 409)
    status(web.ask("DELETE", "/machines/tiny"), 200)
    status(web.get("/machines/tiny"), 404)


def test_command_line(host):
    host.define_sector("tiny")
    items = status(administrator(host).get("/machines/tiny/command-line"), 200).json["items"]
    equal([item["source"] for item in items if item["argument"] == "-name"], ["/domain/name"])
    status(token(host, "--role", "viewer").get("/machines/tiny/command-line"), 403)


def test_disks_grow(host):
    disk = host.guests.images / "d.qcow2"
    run(["qemu-img", "create", "-f", "qcow2", str(disk), "1M"])
    host.ok("pool-define-as", "default", "dir", "--target", str(host.guests.images))
    host.ok("pool-start", "default")
    source = f"<disk type='file' device='disk'><driver name='qemu' type='qcow2'/><source file='{disk}'/><target dev='vdb' bus='virtio'/></disk>"
    host.define_sector("tiny", devices=source)
    web = administrator(host)
    where = "/machines/tiny/disks/vdb/resize"
    capacity = lambda: [d["capacity_bytes"] for d in web.get("/machines/tiny").json["disks"] if d["target"] == "vdb"]
    status(web.post(where, {"capacity_bytes": 2 << 20}), 200)
    host.ok("start", "tiny")
    status(web.post(where, {"capacity_bytes": 3 << 20}), 200)
    equal(capacity(), [3 << 20])
    status(web.post("/machines/tiny/disks/vdz/resize", {"capacity_bytes": 3 << 20}), 400)


def test_what_is_asked_is_checked(host):
    web = administrator(host)
    for method, path, body in [("POST", "/machines", {}), ("POST", "/machines", {"xml": 1}), ("POST", "/machines", "{"),
                               ("POST", "/machines", {"xml": "<domain/>", "x": 1}), ("GET", "/machines?x=1", None),
                               ("POST", "/machines", {"xml": "no XML"}), ("GET", "/machines/x%00y", None),
                               ("GET", "/machines/%", None), ("GET", "/machines/../host", None)]:
        status(web.ask(method, path, body), 400)
    status(web.ask("PUT", "/machines", {}), 405)
    status(web.get("/nothing"), 404)
    status(web.raw("GET", "/api/v2/machines"), 404)
    big = web.ask("POST", "/machines", b"x" * (9 << 20))
    check(big.status == 413, f"status {big.status}")


def test_jobs_and_keys(host):
    web = administrator(host)
    host.start_sector("tiny")
    answer = status(web.post("/machines/tiny/actions/save", {}), 202)
    job = answer.json["job"]["id"]
    equal(answer.headers["Location"], f"{API}/jobs/{job}")
    done = status(web.get(f"/jobs/{job}", headers={"Prefer": "wait=60"}), 200).json
    equal((done["state"], done["who"]), ("done", done["who"]))
    equal(host.state("tiny"), "shut off")
    check(status(web.get("/machines/tiny"), 200).json["has_managed_save"], "nothing was saved")
    failed = status(web.post("/machines/tiny/actions/save", {}, headers={"Prefer": "wait=60"}), 409)
    contains(failed.json["detail"], "not running")
    # The same key: done once.
    key = {"Idempotency-Key": "k1"}
    status(web.post("/tokens", {"name": "a", "role": "viewer"}, headers=key), 201)
    first = web.post("/tokens", {"name": "a", "role": "viewer"}, headers=key)
    equal((first.status, len(web.get("/tokens").json["items"])), (201, 1))
    status(web.post("/tokens", {"name": "b", "role": "viewer"}, headers=key), 422)


def test_page_and_headers(host):
    answer = Web().raw("GET", "/")
    equal(answer.status, 200)
    contains(answer.headers["Content-Security-Policy"], "default-src 'self'", "frame-ancestors 'none'")
    check("unsafe-inline" not in answer.headers["Content-Security-Policy"].split("style-src")[0], "inline scripts")
    for path in ["/../../../etc/passwd", "/%2e%2e/%2e%2e/etc/passwd", "/assets/..%2f..%2fetc/passwd", "/x%2f..%2fy.js"]:
        check(Web().raw("GET", path).status in (400, 404), path)
    equal(Web().raw("POST", "/").status, 404)


def test_openapi(host):
    document = status(Web().get("/openapi.json"), 200).json
    equal(document["openapi"], "3.1.0")
    operation = document["paths"]["/machines/{machine}"]["patch"]
    equal(operation["x-lodge-role"], "admin")
    names = [operation["operationId"] for path in document["paths"].values() for operation in path.values()]
    equal(len(names), len(set(names)))


def test_display(host):
    host.start_sector("tiny", devices="<graphics type='vnc' port='-1' autoport='yes' passwd='secret'/><video/>")
    web = administrator(host)
    check("secret" not in web.get("/machines/tiny/xml").data.decode(), "the display's password is shown")
    ticket = status(web.post("/machines/tiny/consoles", {"kind": "vnc"}), 201).json
    screen = Web().websocket(ticket["path"])
    equal(screen.status, 101)
    contains(screen.head.decode(), "Sec-WebSocket-Protocol: binary")
    received = b""

    def read(n):
        nonlocal received
        while len(received) < n:
            opcode, payload = screen.read()
            equal(opcode, 2)
            received += payload
        data, received = received[:n], received[n:]
        return data

    equal(read(12), b"RFB 003.008\n")
    screen.send(b"RFB 003.008\n")
    equal(read(read(1)[0]), b"\x01")
    screen.send(b"\x01")
    equal(read(4), b"\0\0\0\0")
    screen.send(b"\x01")
    width, height = struct.unpack(">HH", read(4))
    check(width > 0 and height > 0, "a screen without pixels")
    # A ticket is good once.
    status_of = Web().websocket(ticket["path"]).status
    equal(status_of, 401)
    # The end of the machine is the end of the display.
    host.ok("destroy", "tiny")
    while True:
        opcode, payload = screen.read()
        if opcode == 8:
            break
    equal(struct.unpack(">H", payload[:2])[0], 1001)
    screen.close()


def test_serial(host):
    """rows: display-45"""
    host.start_demo("demo")
    console = administrator(host)
    wait_until(lambda: console.get("/machines/demo").json["serials"], "it has a console")
    ticket = status(console.post("/machines/demo/consoles", {"kind": "serial"}), 201).json
    terminal = Web().websocket(ticket["path"])
    equal(terminal.status, 101)
    seen = b""
    terminal.send(b"\n")
    while b"# " not in seen:
        seen += terminal.read()[1]
        if len(seen) > 300000:
            fail(f"no prompt: {seen[-300:]!r}")
    terminal.send(b"echo a$((40 + 2))b\n")
    seen = b""
    while b"a42b" not in seen:
        seen += terminal.read()[1]
    terminal.close()
    # What was printed before is there at once, also by a later daemon, which goes on keeping it.
    for restart in (lambda: None, host.crash_daemon, host.crash_daemon):
        restart()
        ticket = status(console.post("/machines/demo/consoles", {"kind": "serial"}), 201).json
        terminal = Web().websocket(ticket["path"])
        equal(terminal.status, 101)
        seen = b""
        while b"a42b" not in seen:
            seen += terminal.read()[1]
        terminal.close()


def test_hostile_clients(host):
    """Broken requests and frames end their own connection, and nothing else."""
    web = administrator(host)
    host.start_sector("tiny", devices="<graphics type='vnc' port='-1' autoport='yes'/><video/>")
    for text in [b"\x01\x02 garbage\r\n\r\n", b"GET / HTTP/9.9\r\n\r\n", b"GET " + b"/" * 100000 + b" HTTP/1.1\r\n\r\n",
                 b"GET / HTTP/1.1\r\nContent-Length: -1\r\n\r\n", b"POST /api/v1/session HTTP/1.1\r\nHost: x\r\n"
                 b"Transfer-Encoding: chunked\r\n\r\nfffffffffffffffff\r\n"]:
        with socket.create_connection(("127.0.0.1", 8006), timeout=10) as client:
            try:
                client.sendall(text)
                client.shutdown(socket.SHUT_WR)
                while client.recv(65536):
                    pass
            except ConnectionError:
                pass
            except TimeoutError:
                fail(f"the connection stays open after {text[:60]!r}")
    for frame in [b"\xff" * 10, b"\x82\x05hello", b"\x82\xff" + b"\xff" * 8 + b"mask", b"\x89\xfe\xff\xff" + b"x" * 100]:
        ticket = status(web.post("/machines/tiny/consoles", {"kind": "vnc"}), 201).json
        screen = web.websocket(ticket["path"])
        equal(screen.status, 101)
        screen.socket.sendall(frame)
        try:
            while screen.read()[0] != 8:
                pass
        except (EOFError, ConnectionError):
            pass
        screen.close()
    equal(host.state("tiny"), "running")
    status(web.get("/machines"), 200)


def events_of(connection):
    """(id, kind, data) of server-sent events, one by one."""
    response = connection.getresponse()
    equal(response.status, 200)
    contains(response.headers["Content-Type"], "text/event-stream")
    item = {}
    while True:
        line = response.readline().decode()
        if not line:
            return
        line = line.rstrip("\n")
        if line.startswith(":"):
            yield None
        elif line:
            name, value = line.split(": ", 1)
            item[name] = value
        elif item:
            yield item.get("id"), item["event"], json.loads(item["data"])
            item = {}


def follow(web, last=None):
    connection = http.client.HTTPConnection("127.0.0.1", 8006, timeout=30)
    connection.request("GET", API + "/events", headers=web.headers({"Last-Event-ID": last}))
    stream = events_of(connection)
    equal(next(stream), None)
    return stream


def find(stream, kind, what):
    for item in stream:
        if item and item[1] == kind and item[2]["event"] == what:
            return item


def test_events(host):
    """What virsh does is told at once; who comes back misses nothing."""
    web = administrator(host)
    stream = follow(web)
    host.define_sector("tiny")
    first = find(stream, "machine", "defined")
    equal((first[2]["name"], first[2]["kind"]), ("tiny", "machine"))
    host.ok("start", "tiny")
    find(stream, "machine", "started")
    again = follow(web, last=first[0])
    find(again, "machine", "started")
    host.ok("destroy", "tiny")
    equal(find(again, "machine", "stopped")[2]["name"], "tiny")
    # A number from nowhere: the reader is told that it missed something.
    lost = follow(web, last="1")
    equal(next(lost)[1], "lost")
    # The end of the session is the end of the stream.
    status(web.ask("DELETE", "/session"), 204)
    host.ok("start", "tiny")
    for _ in again:
        pass


def test_live(host):
    web = administrator(host)
    live = web.websocket(API + "/live")
    equal(live.status, 101)
    host.start_sector("tiny")
    while True:
        frame = live.text()
        if frame["event"] == "machine" and frame["data"]["event"] == "started":
            break
    live.send(b'{"subscribe": ["stats"]}', 1)
    uuid = web.get("/machines/tiny").json["uuid"]
    while True:
        frame = live.text()
        if frame["event"] == "stats" and any(item["uuid"] == uuid and item["cpu_percent"] is not None
                                             for item in frame["data"]):
            break
    check(isinstance(web.get("/machines").json["items"][0]["cpu_percent"], (int, float)), "no load in the list")
    live.close()
    # A page from elsewhere gets none, and nobody without a log-in.
    equal(web.websocket(API + "/live", {"Origin": "http://evil.example"}).status, 403)
    equal(Web().websocket(API + "/live").status, 401)
    # A token for one machine sees that one.
    host.define_sector("other")
    narrow = token(host, "--domain", "other").websocket(API + "/live")
    host.ok("destroy", "tiny")
    host.ok("start", "other")
    equal(narrow.text()["data"]["name"], "other")
    narrow.close()


def test_journal(host):
    """Events, calls of clients and requests, with who asked and what came of it; it outlives the daemon and machines."""
    web = administrator(host)
    host.define_sector("tiny")
    host.ok("start", "tiny")
    raises(55, host.conn.lookupByName("tiny").create)
    status(web.post("/machines/tiny/actions/suspend", {}), 200)
    status(token(host, "--role", "viewer").post("/machines/tiny/actions/destroy", {}), 403)
    items = status(web.get("/machines/tiny/journal"), 200).json["items"]
    lines = [(item["kind"], item["what"], item["result"]) for item in items]
    for line in [("machine", "defined", None), ("call", "domain_create", "ok"), ("machine", "started", None),
                 ("call", "domain_create", "invalid-state"), ("machine", "suspended", None),
                 ("request", f"POST {API}/machines/tiny/actions/suspend", "ok")]:
        check(line in lines, f"no {line} in {lines}")
    refused = [item for item in items if item["result"] == "invalid-state"][0]
    contains(refused["who"], "pid", "root")
    contains(refused["detail"], "already running")
    cursor = items[-1]["cursor"]
    host.crash_daemon()
    host.ok("destroy", "tiny")
    host.ok("undefine", "tiny")
    later = status(web.get(f"/journal?since={cursor}"), 200).json["items"]
    check(all(int(item["cursor"]) > int(cursor) for item in later), "entries from before")
    check(("daemon", "started") in [(item["kind"], item["what"]) for item in later], "no start of the daemon")
    contains(host.lodge_ok("history", "tiny"), "domain_undefine", "undefined", "suspended")
    rows = json.loads(host.lodge_ok("-o", "json", "events", "--since", cursor, "--limit", "3"))
    equal(len(rows), 3)
    status(web.get("/journal?since=never"), 400)
    # What changed in a definition, whoever changed it and however; secrets never.
    host.define_sector("tiny", devices="<graphics type='vnc' passwd='first'/>")
    host.ok("setmaxmem", "tiny", "96M", "--config")
    host.crash_daemon()
    host.ok("desc", "tiny", "--config", "--title", "new title")
    host.define_sector("tiny", devices="<graphics type='vnc' passwd='second'/>", vcpus=2)
    items = status(web.get("/machines/tiny/journal"), 200).json["items"]
    found = [(item["what"], item["difference"]) for item in items if item["difference"]]
    equal([what for what, _ in found], ["domain_set_memory_flags", "domain_set_metadata", "defined"])
    contains(found[0][1], "@@ -", "\n-  <memory unit='KiB'>", "\n+  <memory unit='KiB'>98304</memory>\n")
    contains(found[1][1], "\n+  <title>new title</title>\n")
    contains(found[2][1], "\n-  <title>new title</title>\n", "\n+  <vcpu placement='static'>2</vcpu>\n")
    contains(host.lodge_ok("history", "tiny", "--diff"), "+  <title>new title</title>", "domain_set_metadata by ")
    check("first" not in json.dumps(found) and "second" not in json.dumps(found), "a secret is written down")
    check("password" not in host.lodge_ok("events").lower(), "a password is written down")


def series(text):
    """name{labels} -> value; each name's series stand together, behind its type."""
    found, name = {}, None
    for line in text.splitlines():
        if line.startswith("# TYPE "):
            check(line.split()[2] != name, f"{name} twice")
            name = line.split()[2]
        elif not line.startswith("#"):
            key, value = line.rsplit(" ", 1)
            equal(key.split("{")[0], name)
            check(key not in found, f"{key} twice")
            found[key] = float(value)
    return found


def test_metrics(host):
    host.start_sector("one")
    host.define_sector("two")
    answer = status(Web().raw("GET", "/metrics"), 200)
    contains(answer.headers["Content-Type"], "text/plain; version=0.0.4")
    wait_until(lambda: "lodge_disk_read_bytes_total{" in Web().raw("GET", "/metrics").data.decode(), "it was measured")
    found = series(Web().raw("GET", "/metrics").data.decode())
    for name in ["one", "two"]:
        mine = {key: value for key, value in found.items() if f'name="{name}"' in key}
        check(0 < len(mine) <= 60, f"{len(mine)} series")
        states = {key: value for key, value in mine.items() if key.startswith("lodge_machine_state{")}
        equal(sum(states.values()), 1)
        wanted = "running" if name == "one" else "shutoff"
        equal([value for key, value in states.items() if f'state="{wanted}"' in key], [1])
    equal((found["lodge_machines"], found["lodge_machines_running"]), (2, 1))
    for headers in [{"X-Forwarded-For": "192.0.2.1"}, {"Host": "evil.example"}]:
        status(Web().raw("GET", "/metrics", headers=headers), 401)
    reader = token(host, "--role", "viewer")
    status(reader.raw("GET", "/metrics", headers={"X-Forwarded-For": "192.0.2.1"}), 200)
    status(token(host, "--domain", "one").raw("GET", "/metrics"), 401)


def test_tls_and_prefix(host):
    """Beyond this host only TLS is spoken, with a certificate of its own, made once; all below a path."""
    host.daemon.settings["web_listen"] = '"0.0.0.0"'
    host.daemon.settings["web_prefix"] = '"/lodge"'
    host.restart_daemon()
    certificate = host.path("etc/libvirt/lodge-web/certificate.pem")
    before = certificate.read_bytes()
    equal(oct(host.path("etc/libvirt/lodge-web/key.pem").stat().st_mode & 0o777), "0o600")
    contains(host.daemon.log.read_text(), "SHA-256 fingerprint ")
    link = host.lodge_ok("web").strip()
    contains(link, "https://0.0.0.0:8006/lodge/#link=")
    web = Web(prefix="/lodge", certificate=certificate)
    login = status(web.log_in(link=link.split("#link=")[1]), 201)
    contains(login.headers["Set-Cookie"], "Secure", "Path=/lodge/")
    contains(login.headers["Strict-Transport-Security"], "max-age")
    equal(status(web.raw("GET", ""), 308).headers["Location"], "/lodge/")
    equal(Web(certificate=certificate).raw("GET", "/api/v1/session").status, 404)
    equal(status(web.get("/openapi.json"), 200).json["servers"], [{"url": "/lodge/api/v1"}])
    with socket.create_connection(("127.0.0.1", 8006), timeout=20) as plain:
        plain.sendall(b"GET /lodge/ HTTP/1.1\r\nHost: x\r\n\r\n")
        check(b"HTTP/1.1 200" not in plain.recv(1000), "it speaks without TLS")
    host.start_sector("tiny", devices="<graphics type='vnc' port='-1' autoport='yes'/><video/>")
    ticket = status(web.post("/machines/tiny/consoles", {"kind": "vnc"}), 201).json
    contains(ticket["path"], "/lodge/api/v1/console?")
    screen = web.websocket(ticket["path"])
    equal((screen.status, screen.read()[1]), (101, b"RFB 003.008\n"))
    live = web.websocket("/lodge" + API + "/live")
    host.ok("destroy", "tiny")
    equal(live.text()["data"]["name"], "tiny")
    host.restart_daemon()
    equal(certificate.read_bytes(), before)
    status(web.get("/machines"), 200)


def test_unix_socket(host):
    """What a proxy on this host uses: it tells who is behind it."""
    path = str(host.path("run/libvirt/lodge-web-sock"))
    contains(host.lodge_ok("web", "proxy-config", "nginx"), path)
    contains(host.lodge_ok("web", "proxy-config", "caddy"), path)
    contains(host.lodge_ok("web", "proxy-config", "apache"), path)
    host.lodge_ok("web", "user", "add", "eve", stdin="a long password\n")
    body = json.dumps({"user": "eve", "password": "wrong password"})
    for address, wanted in [("192.0.2.1", 401)] * 10 + [("192.0.2.1", 429), ("192.0.2.2", 429)]:
        connection = http.client.HTTPConnection("localhost", timeout=30)
        connection.sock = socket.socket(socket.AF_UNIX)
        connection.sock.connect(path)
        connection.request("POST", API + "/session", body, {"X-Forwarded-For": f"10.0.0.1, {address}"})
        equal(connection.getresponse().status, wanted)
        connection.close()
    # Who is not known gets nothing, though the socket is root's.
    connection = http.client.HTTPConnection("localhost", timeout=30)
    connection.sock = socket.socket(socket.AF_UNIX)
    connection.sock.connect(path)
    connection.request("GET", API + "/machines")
    equal(connection.getresponse().status, 401)
    connection.close()


def test_addresses_in_the_list(host):
    """What a network's dnsmasq gave to a guest is shown beside the machine's name."""
    web = administrator(host)
    host.network("<network><name>inner</name><bridge name='virbr7'/><ip address='192.0.2.1' prefix='24'>"
                 "<dhcp><range start='192.0.2.2' end='192.0.2.9'/></dhcp></ip></network>")
    host.start_sector("tiny", devices="<interface type='network'><mac address='52:54:00:aa:bb:cc'/><source network='inner'/>"
                                      "</interface>")
    leases = host.path("var/lib/libvirt/dnsmasq/inner.leases")
    leases.write_text(f"{int(time.time()) + 3600} 52:54:00:aa:bb:cc 192.0.2.7 guest *\n")
    equal(web.get("/machines/tiny").json["addresses"], ["192.0.2.7"])
    wait_until(lambda: web.get("/machines").json["items"][0]["addresses"] == ["192.0.2.7"], "it is in the list", 60)


def test_users_of_the_host(host):
    """PAM says whether the password is right; only root and members of the socket's group come in."""
    run(["mount", "-t", "tmpfs", "tmpfs", "/etc/pam.d"])
    service = pathlib.Path("/etc/pam.d/lodge")
    service.write_text("auth required pam_permit.so\naccount required pam_permit.so\n")
    equal(status(Web().log_in(user="root", password="whatever"), 201).json["role"], "admin")
    status(Web().log_in(user="nobody", password="whatever"), 401)
    service.write_text("auth required pam_deny.so\naccount required pam_permit.so\n")
    status(Web().log_in(user="root", password="whatever"), 401)
