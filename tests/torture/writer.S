/* A guest that writes: it numbers its writes, eight sectors in turn on the first disk, then the same on the second. So
 * what a disk was at one moment is eight numbers in a row, and the second is at most one behind the first.
 *
 * Sector 128 * (1 + n % 8) of both disks, each in a cluster of its own, holds the number n, repeated. A guest that
 * starts goes on with the highest number it finds; it writes that again, for the second disk may lack it.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
        .code16
        .globl  _start
        .set    buffer, 0x1000

_start: xorw    %ax, %ax
        movw    %ax, %ds
        movw    %ax, %es
        movw    %ax, %ss
        movw    $0x7c00, %sp
        cld
        movl    $7, number
look:   movb    $0x42, %ah
        movb    $0x80, %dl
        call    transfer
        movl    buffer, %eax
        cmpl    highest, %eax
        jbe     1f
        movl    %eax, highest
1:      decl    number
        jns     look
        movl    highest, %eax
        testl   %eax, %eax
        jnz     2f
        incl    %eax
2:      movl    %eax, number

again:  movl    number, %eax
        movw    $buffer, %di
        movw    $128, %cx
        rep stosl
        movb    $0x80, %dl
        movb    $0x43, %ah
        call    transfer
        movb    $0x81, %dl
        movb    $0x43, %ah
        call    transfer
        incl    number
        testb   $3, number
        jnz     again
        hlt                             /* four in 55 ms: others need the processor, too */
        jmp     again

/* AH: 0x42 reads, 0x43 writes; DL: the disk. Again until it succeeds. */
transfer:
        movw    %ax, command
        movl    number, %eax
        andl    $7, %eax
        incl    %eax
        shll    $7, %eax
        movl    %eax, sector
        movw    $1, count
        movw    command, %ax
        xorb    %al, %al
        movw    $packet, %si
        int     $0x13
        movw    command, %ax
        jc      transfer
        ret

highest: .long  0
number: .long   0
command: .word  0
packet: .byte   16, 0
count:  .word   1
        .word   buffer, 0
sector: .long   0, 0
        .org    510
        .word   0xaa55
