"""A client's connection to a daemon that is killed now and then.

SPDX-License-Identifier: LGPL-2.1-or-later
"""
import libvirt


class Connection:
    def __init__(self, host):
        self.host = host
        self.conn = None

    def connect(self):
        self.conn = libvirt.open(self.host.daemon.uri)

    def drop(self):
        try:
            if self.conn:
                self.conn.close()
        except libvirt.libvirtError:
            pass
        self.conn = None
