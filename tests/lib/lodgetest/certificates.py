"""Certificates for tests of TLS.

SPDX-License-Identifier: LGPL-2.1-or-later
"""
import subprocess

from lodgetest.host import equal


def certificates(folder, server, client):
    """A CA, a server and a client of these names, in one folder, as QEMU names the files."""
    folder.mkdir(parents=True, exist_ok=True)

    def certtool(*words):
        done = subprocess.run(["certtool", *map(str, words)], cwd=folder, capture_output=True, text=True, timeout=60, check=False)
        equal(done.returncode, 0, done.stderr)

    (folder / "ca.info").write_text("cn = Lodge\nca\ncert_signing_key\n")
    (folder / "server.info").write_text(f"cn = {server}\ndns_name = {server}\ntls_www_server\nsigning_key\nencryption_key\n")
    (folder / "client.info").write_text(f"cn = {client}\ntls_www_client\nsigning_key\nencryption_key\n")
    for name in ("ca", "server", "client"):
        certtool("--generate-privkey", "--key-type=ecdsa", "--outfile", f"{name}-key.pem")
    certtool("--generate-self-signed", "--load-privkey", "ca-key.pem", "--template", "ca.info", "--outfile", "ca-cert.pem")
    for name in ("server", "client"):
        certtool("--generate-certificate", "--load-ca-certificate", "ca-cert.pem", "--load-ca-privkey", "ca-key.pem",
                 "--load-privkey", f"{name}-key.pem", "--template", f"{name}.info", "--outfile", f"{name}-cert.pem")
    for path in folder.iterdir():
        path.chmod(0o644)
