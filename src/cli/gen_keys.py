#!/usr/bin/env python3
# Writes the names and numbers of keys that the kernel's header has as rows of a C table.
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Usage: gen_keys.py OUTPUT COMPILER..."""
import re
import subprocess
import sys

text = subprocess.run(sys.argv[2:] + ['-E', '-dM', '-x', 'c', '-'], input='#include <linux/input-event-codes.h>\n',
                      capture_output=True, text=True, check=True).stdout
values = dict(re.findall(r'^#define ((?:KEY|BTN)_\w+)\s+(\S+)', text, re.M))
rows = {}
for name, value in values.items():
    value = values.get(value, value)
    if name.startswith('KEY_') and re.fullmatch(r'0x[0-9a-fA-F]+|\d+', value) and name not in ('KEY_MAX', 'KEY_CNT'):
        rows[name] = int(value, 0)
with open(sys.argv[1], 'w', encoding='utf-8') as f:
    for name, code in sorted(rows.items(), key=lambda row: (row[1], row[0])):
        f.write(f'{{ "{name}", {code} }},\n')
