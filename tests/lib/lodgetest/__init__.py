"""What the tests that need a real daemon share: daemons, guests, clients, the runner.

SPDX-License-Identifier: LGPL-2.1-or-later
"""
