# 64-bit mode: addresses that are not canonical, an interrupt stack of its own, NX, SMEP and SMAP.
# result: d 0  c 0  d 0  6 0  5ff0 1 8  e 11 201000  e 11 202000  e 1 203000  77
.include "common.inc"
    START32
    START64
    # What runs here is the supervisor's alone.
    mov dword ptr [PD], 0x83
    mov rax, cr3
    mov cr3, rax
    mov rax, 0x8000000000000000
    FAULTS64 mov rbx, [rax]
    mov rbp, 0x8000000000000000
    FAULTS64 mov rbx, [rbp + 8]
    FAULTS64 jmp rax
    # push es is not there in 64-bit mode.
    FAULTS64 .byte 0x06
    # An interrupt on a stack of its own: rsp is the IST's top less the frame of five, aligned.
    mov dword ptr [TSSAT + 0x24], 0x6000
    mov dword ptr [TSSAT + 0x28], 0
    mov byte ptr [IDT + 3 * 16 + 4], 1
    mov qword ptr [IDT + 3 * 16 + 6], 0
    mov eax, offset onIst
    mov word ptr [IDT + 3 * 16], ax
    mov word ptr [IDT + 3 * 16 + 2], CODE64
    mov byte ptr [IDT + 3 * 16 + 5], 0x8e
    shr eax, 16
    mov word ptr [IDT + 3 * 16 + 6], ax
    mov eax, 1
    int3
    .byte 0x90
    REPORT64 eax
    mov eax, 8
    REPORT64 eax
    # NX: bit 63 of the page's entry; fetched by the supervisor, and by a user page under SMEP.
    mov rax, 0x8000000000201003
    mov [PT + 8], rax
    invlpg [0x201000]
    mov eax, 0x201000
    mov dword ptr [resume], offset 1f
    mov [resumeSp], rsp
    jmp rax
1:
    mov byte ptr [0x202000], 0xc3
    mov rax, cr4
    or eax, 0x100000
    mov cr4, rax
    mov eax, 0x202000
    mov dword ptr [resume], offset 1f
    jmp rax
1:  # SMAP: a user page read with AC clear, and set
    mov rax, cr4
    or eax, 0x200000
    mov cr4, rax
    mov dword ptr [resume], offset 1f
    mov eax, [0x203000]
1:  stac
    mov dword ptr [0x203000], 0x77
    mov eax, [0x203000]
    clac
    REPORT64 eax
    mov rax, cr4
    and eax, ~0x300000
    mov cr4, rax
    DONE
onIst:
    mov ecx, esp
    and ecx, 0xffff
    add ecx, 0x18
    REPORT64 ecx
    iretq
    STUBS64
    TABLES
