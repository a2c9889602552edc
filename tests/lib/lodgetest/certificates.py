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


class Pki:
    """A CA, and what it signs, below one folder, with the names that libvirt's clients and daemons know."""

    def __init__(self, folder, name="Lodge Test CA"):
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self.revoked = []
        self.key("cakey.pem")
        self.sign("cacert.pem", "--generate-self-signed", "cakey.pem", f"cn = {name}\nca\ncert_signing_key\ncrl_signing_key\n")

    def run(self, *words):
        done = subprocess.run(["certtool", *map(str, words)], cwd=self.folder, capture_output=True, text=True, timeout=60,
                              check=False)
        equal(done.returncode, 0, done.stderr)

    def key(self, name):
        """RSA: stock clients want a certificate of their own that may encrypt keys."""
        self.run("--generate-privkey", "--key-type=rsa", "--bits=2048", "--outfile", name)

    def sign(self, cert, how, key, template):
        (self.folder / "template").write_text(template)
        signer = [] if how == "--generate-self-signed" else ["--load-ca-certificate", "cacert.pem", "--load-ca-privkey", "cakey.pem"]
        self.run(how, "--load-privkey", key, *signer, "--template", "template", "--outfile", cert)

    def server(self, folder, *names, template=""):
        """What a daemon with the root @folder finds."""
        alt = "".join(f"{'ip_address' if n[0].isdigit() else 'dns_name'} = {n}\n" for n in names)
        self.make(folder / "etc/pki", "server", f"organization = Lodge\ncn = {names[0]}\n{alt}tls_www_server\nsigning_key\nencryption_key\n{template}")

    def client(self, folder, name, template=""):
        """A folder for pkipath=."""
        folder.mkdir(parents=True, exist_ok=True)
        self.issue(folder / "clientcert.pem", folder / "clientkey.pem",
                   f"organization = Lodge\ncn = {name}\ntls_www_client\nsigning_key\nencryption_key\n{template}")
        (folder / "cacert.pem").write_bytes((self.folder / "cacert.pem").read_bytes())
        return folder

    def make(self, pki, who, template):
        for part in ("CA", "libvirt/private"):
            (pki / part).mkdir(parents=True, exist_ok=True)
        (pki / "CA/cacert.pem").write_bytes((self.folder / "cacert.pem").read_bytes())
        self.issue(pki / f"libvirt/{who}cert.pem", pki / f"libvirt/private/{who}key.pem", template)

    def issue(self, cert, key, template):
        self.key(key)
        self.sign(cert, "--generate-certificate", key, template)

    def revoke(self, cert, crl):
        self.revoked += ["--load-certificate", cert]
        (self.folder / "template").write_text("expiration_days = 100\ncrl_number = 1\n")
        self.run("--generate-crl", "--load-ca-privkey", "cakey.pem", "--load-ca-certificate", "cacert.pem", *self.revoked,
                 "--template", "template", "--outfile", crl)
