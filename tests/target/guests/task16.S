# A 16-bit task: its TSS of 44 bytes, entered by a far call, back by iret; a stack of 16 bits, which leaves the upper half
# of ESP alone and wraps around; a TSS that is too short.
# result: 1111 2222 3fe 4000  abcd0ffe 7777 abcd1000  abcdfffe  a 60
.include "common.inc"
.set OTHER, 0x2000
.set SMALL, SPARE + 8
.set STACK16, SPARE + 16
    START32
    mov word ptr [OTHER + 0x0e], offset second16    # ip
    mov word ptr [OTHER + 0x10], 2
    mov word ptr [OTHER + 0x12], 0x1111             # ax
    mov word ptr [OTHER + 0x1a], 0x400              # sp
    mov word ptr [OTHER + 0x18], 0x2222             # bx
    mov word ptr [OTHER + 0x22], DATA               # es
    mov word ptr [OTHER + 0x24], CODE16
    mov word ptr [OTHER + 0x26], STACK16
    mov word ptr [OTHER + 0x28], DATA
    mov dword ptr [gdt + SPARE], 0x2000002b
    mov dword ptr [gdt + SPARE + 4], 0x00008100
    mov dword ptr [gdt + SMALL], 0x20000028
    mov dword ptr [gdt + SMALL + 4], 0x00008100
    mov dword ptr [gdt + STACK16], 0x0000ffff       # base 0x30000
    mov dword ptr [gdt + STACK16 + 4], 0x00009203
    .byte 0x9a
    .long 0
    .word SPARE
    clts
    REPORT [seen]
    REPORT [seen + 4]
    REPORT [seen + 8]
    REPORT [seen + 12]
    # A 16-bit stack: only SP moves.
    mov [saved], esp
    mov ax, STACK16
    mov ss, ax
    mov esp, 0xabcd1000
    push ax
    mov ebx, esp
    mov ax, DATA
    mov ss, ax
    mov esp, [saved]
    REPORT ebx
    mov dword ptr [0x30ffe], 0x7777
    mov ax, STACK16
    mov ss, ax
    mov esp, 0xabcd0ffe
    pop cx
    mov edx, esp
    mov ax, DATA
    mov ss, ax
    mov esp, [saved]
    movzx ecx, cx
    REPORT ecx
    REPORT edx
    mov ax, STACK16
    mov ss, ax
    mov esp, 0xabcd0000
    push ax
    mov ebx, esp
    mov ax, DATA
    mov ss, ax
    mov esp, [saved]
    REPORT ebx
    mov dword ptr [resume], offset 1f
    mov [resumeSp], esp
    .byte 0x9a
    .long 0
    .word SMALL
1:  DONE
    .code16
second16:
    mov [seen], ax
    mov [seen + 4], bx
    pushf
    mov [seen + 8], sp
    pop cx
    and cx, 0x4000
    mov [seen + 12], cx
    iret
    .code32
    .balign 4
saved: .long 0
seen: .long 0, 0, 0, 0
    STUBS32
    TABLES
