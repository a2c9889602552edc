#!/usr/bin/env python3
"""Writes the boot-sector guest: the smallest machine that runs, for tests that need a running QEMU only.

It prints one line on the first serial port and on the screen, then halts with interrupts off, so that it
costs no processor time.  A non-maskable interrupt wakes it: it prints "NMI" and halts again.

SPDX-License-Identifier: LGPL-2.1-or-later
"""
import sys

ORIGIN = 0x7C00
MESSAGE = b"Lodge boot sector\r\n\0"
NMI_MESSAGE = b"NMI\r\n\0"


def assemble():
    """Two passes: the addresses of the labels are known after the first."""
    labels = {}
    for _ in range(2):
        code = bytearray()

        def here(name):
            labels[name] = len(code)

        def address(name):
            return (ORIGIN + labels.get(name, 0)).to_bytes(2, "little")

        def short(opcode, name):
            code.extend((opcode, (labels.get(name, 0) - len(code) - 2) & 0xFF))

        def call(name):
            offset = (labels.get(name, 0) - len(code) - 3) & 0xFFFF
            code.extend(b"\xe8" + offset.to_bytes(2, "little"))

        code += b"\xfa"                                   # cli
        code += b"\x31\xc0\x8e\xd8\x8e\xd0"               # xor ax,ax; mov ds,ax; mov ss,ax
        code += b"\xbc\x00\x7c"                           # mov sp,0x7c00
        code += b"\xc7\x06\x08\x00" + address("nmi")      # mov word [2*4],nmi
        code += b"\xc7\x06\x0a\x00\x00\x00"               # mov word [2*4+2],0
        code += b"\xbe" + address("message")              # mov si,message
        call("print")
        here("halt")
        code += b"\xf4"                                   # hlt
        short(0xEB, "halt")                               # jmp halt
        here("nmi")
        code += b"\xbe" + address("nmi_message")          # mov si,nmi_message
        call("print")
        code += b"\xcf"                                   # iret
        here("print")
        code += b"\xac"                                   # lodsb
        code += b"\x84\xc0"                               # test al,al
        short(0x74, "printed")                            # jz printed
        code += b"\xba\xf8\x03\xee"                       # mov dx,0x3f8; out dx,al
        code += b"\xb4\x0e\x31\xdb\x56\xcd\x10\x5e"       # mov ah,0xe; xor bx,bx; push si; int 0x10; pop si
        short(0xEB, "print")                              # jmp print
        here("printed")
        code += b"\xc3"                                   # ret
        here("message")
        code += MESSAGE
        here("nmi_message")
        code += NMI_MESSAGE
    # A partition entry that looks plausible is not needed: SeaBIOS boots any sector with the signature.
    return bytes(code).ljust(510, b"\0") + b"\x55\xaa"


def main():
    with open(sys.argv[1], "wb") as out:
        out.write(assemble())


if __name__ == "__main__":
    main()
