#!/usr/bin/env python3
# Makes the actions that polkit is asked about for single calls (access_drivers = [ "polkit" ]): each right that the
# protocol's description names, under libvirt's names. Who may look is let look; all else is for rules to grant.
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Usage: gen_policy.py OUTPUT MESSAGES.json..."""
import json
import sys


def rights(paths):
    found = set()
    for path in paths:
        with open(path, encoding='utf-8') as f:
            for program in json.load(f)['programs'].values():
                for proc in program['procedures']:
                    for rule in proc.get('acl', []) + proc.get('acl_filter', []):
                        found.add((rule['object'].replace('_', '-'), rule['perm'].replace('_', '-')))
    return sorted(found)


def main():
    out = ['<?xml version="1.0" encoding="UTF-8"?>',
           '<!DOCTYPE policyconfig PUBLIC "-//freedesktop//DTD PolicyKit Policy Configuration 1.0//EN"',
           ' "http://www.freedesktop.org/standards/PolicyKit/1.0/policyconfig.dtd">',
           '<policyconfig>', '  <!-- The names are libvirt\'s, so that rules that a host has for libvirtd hold for lodged. -->',
           '  <vendor>Lodge</vendor>']
    for thing, right in rights(sys.argv[2:]):
        answer = 'yes' if right in ('getattr', 'read') or right.startswith('search-') else 'no'
        out += [f'  <action id="org.libvirt.api.{thing}.{right}">', f'    <description>{thing}: {right}</description>',
                f'    <message>{thing}: {right} needs a rule that grants it</message>', '    <defaults>']
        out += [f'      <allow_{who}>{answer}</allow_{who}>' for who in ('any', 'inactive', 'active')]
        out += ['    </defaults>', '  </action>']
    with open(sys.argv[1], 'w', encoding='utf-8') as f:
        f.write('\n'.join([*out, '</policyconfig>', '']))


main()
