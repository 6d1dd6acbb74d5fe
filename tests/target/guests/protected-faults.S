# Exceptions of 32-bit protected mode, their vectors and error codes.
# result: 0 0  6 0  3 0  4 0  d 0  d 400  b 58  c 58  d 60  d 68  5 0  d 0  d 1fa  d fa  c 0  d 0  7 0  8 0  1
.include "common.inc"
    START32
    FAULTS div byte ptr [zero]
    FAULTS ud2
    # Software interrupts through gates of level 0 are allowed at level 0.
    FAULTS int3
    mov al, 0x7f
    add al, 1
    FAULTS into
    # Segment loads: CS by mov to SS with a null selector, a selector outside the table, not present, a stack not present,
    # an execute-only data segment, a system segment.
    xor eax, eax
    FAULTS mov ss, ax
    mov eax, 0x400
    FAULTS mov ds, ax
    mov dword ptr [gdt + SPARE], 0x0000ffff
    mov dword ptr [gdt + SPARE + 4], 0x00cf1200
    mov eax, SPARE
    FAULTS mov ds, ax
    mov eax, SPARE
    FAULTS mov ss, ax
    mov dword ptr [gdt + SPARE + 8], 0x0000ffff
    mov dword ptr [gdt + SPARE + 12], 0x00cf9800
    mov eax, SPARE + 8
    FAULTS mov es, ax
    mov dword ptr [gdt + SPARE + 16], 0x0000ffff
    mov dword ptr [gdt + SPARE + 20], 0x00008200
    mov eax, SPARE + 16
    FAULTS mov es, ax
    mov eax, 5
    FAULTS bound eax, [bounds]
    # Beyond a segment's limit.
    mov dword ptr [gdt + SPARE + 24], 0x00000fff
    mov dword ptr [gdt + SPARE + 28], 0x00409200
    mov eax, SPARE + 24
    mov fs, ax
    FAULTS mov eax, fs:[0xffd]
    # An interrupt whose gate is outside the IDT, and one that is no gate.
    FAULTS int 0x3f
    mov dword ptr [IDT + 31 * 8 + 4], 0x8000
    FAULTS int 31
    # A stack that leaves its segment.
    mov eax, SPARE + 24
    mov dword ptr [resume], offset 1f
    mov dword ptr [resumeSp], esp
    mov ss, ax
    mov esp, 0x1000
    mov eax, [esp]
1:
    # A null data segment is usable for nothing.
    FAULTS mov eax, gs:[0]
    # No x87 with CR0.TS.
    mov eax, cr0
    or al, 8
    mov cr0, eax
    FAULTS fninit
    clts
    # A double fault: the gate of #GP is not present, the interrupt is.
    and byte ptr [IDT + 13 * 8 + 5], 0x7f
    and byte ptr [IDT + 11 * 8 + 5], 0x7f
    mov dword ptr [resume], offset 1f
    mov dword ptr [resumeSp], esp
    mov eax, 0x400
    mov ds, ax
1:  mov ebx, 1
    REPORT ebx
    DONE
    .balign 4
zero: .long 0
bounds: .long 0, 4
    STUBS32
    TABLES
