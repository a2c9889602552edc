#!/usr/bin/env python3
# Writes a text file as a string of C.
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Usage: gen_text.py OUTPUT INPUT"""
import json
import sys

with open(sys.argv[2], encoding='ascii') as source, open(sys.argv[1], 'w', encoding='ascii') as out:
    out.writelines(json.dumps(line) + '\n' for line in source)
