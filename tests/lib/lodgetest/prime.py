"""Starts the daemon once so that it probes the emulators; see Run.prime().

SPDX-License-Identifier: LGPL-2.1-or-later
"""
import os
import shutil


def test_prime(host):
    host.ok("capabilities")
    host.ok("domcapabilities")
    host.stop_daemon()
    shutil.copytree(host.path("var/cache"), os.environ["LODGE_TEST_CACHE"], dirs_exist_ok=True,
                    copy_function=shutil.copy2)
    host.start_daemon()
