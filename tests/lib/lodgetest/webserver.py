"""An HTTP server that misbehaves on request.

SPDX-License-Identifier: LGPL-2.1-or-later
"""
import hashlib
import http.server
import re
import threading


class Server:
    """serve(path, data, ...) tells what lies there; requests(path) what was asked for."""

    def __init__(self):
        self.files = {}
        self.asked = []
        self.released = threading.Event()
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *args):
                pass

            def do_GET(self):
                outer.answer(self)

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def url(self, path):
        return f"http://127.0.0.1:{self.server.server_address[1]}/{path}"

    def serve(self, path, data, **how):
        """how: etag, cut (bytes after which the connection ends), stall (bytes after which nothing comes), type,
        status, redirect, chunked, ranges=False"""
        self.files["/" + path] = (data, how)
        return self.url(path)

    def ranges(self, path):
        return [headers.get("Range") for asked, headers in self.asked if asked == "/" + path]

    def close(self):
        self.released.set()
        self.server.shutdown()
        self.server.server_close()

    def answer(self, handler):
        self.asked.append((handler.path, dict(handler.headers)))
        if handler.path not in self.files:
            handler.send_error(404)
            return
        data, how = self.files[handler.path]
        begin, status = 0, how.get("status", 200)
        if "redirect" in how:
            handler.send_response(302)
            handler.send_header("Location", how["redirect"])
            handler.send_header("Content-Length", "0")
            handler.end_headers()
            return
        wanted = re.fullmatch(r"bytes=(\d+)-", handler.headers.get("Range", ""))
        valid = handler.headers.get("If-Range") in (None, how.get("etag"))
        if wanted and valid and how.get("ranges", True):
            begin, status = int(wanted.group(1)), 206
            if begin >= len(data):
                handler.send_response(416)
                handler.send_header("Content-Range", f"bytes */{len(data)}")
                handler.send_header("Content-Length", "0")
                handler.end_headers()
                return
        handler.send_response(status)
        if status == 206:
            handler.send_header("Content-Range", f"bytes {begin}-{len(data) - 1}/{len(data)}")
        if "etag" in how:
            handler.send_header("ETag", how["etag"])
        handler.send_header("Content-Type", how.get("type", "application/octet-stream"))
        if how.get("chunked"):
            handler.send_header("Transfer-Encoding", "chunked")
        else:
            handler.send_header("Content-Length", str(len(data) - begin))
        handler.end_headers()
        try:
            self.send(handler, data[begin:], how)
        except OSError:
            pass

    def send(self, handler, data, how):
        end = how.get("cut", how.get("stall", len(data)))
        if how.get("chunked"):
            for at in range(0, end, 65536):
                piece = data[at:min(at + 65536, end)]
                handler.wfile.write(f"{len(piece):x}\r\n".encode() + piece + b"\r\n")
            if end >= len(data):
                handler.wfile.write(b"0\r\n\r\n")
        else:
            for at in range(0, min(end, len(data)), 65536):
                handler.wfile.write(data[at:min(at + 65536, end)])
                if how.get("slow"):
                    self.released.wait(how["slow"])
        handler.wfile.flush()
        if "stall" in how:
            self.released.wait(120)
        if end < len(data):
            handler.close_connection = True


def sha(data, kind="sha256"):
    return hashlib.new(kind, data).hexdigest()
