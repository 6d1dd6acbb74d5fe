# REP interrupted in its middle by a page fault: the registers stand at the element that failed, and the instruction goes
# on from there; forwards, backwards, with an element across the page's end, with 16-bit addresses, a comparison; a single
# step behind each element.
# result: 2 400000 211000 400000 8  211020 400020 0 77  2 400003 211020 400003 8  3ffffb  2 400000 211020 3ffffe 1 5555  0 400000 400000 2000 4  2004 0 40  10002 22345 10000 99  6
.include "common.inc"
.macro UNMAP
    mov dword ptr [0x30004], 0
    invlpg [0x400000]
.endm
    START32
    # One page of 4 MiB, and a second one, an alias of it, that is there after its first fault.
    mov dword ptr [0x30000], 0x83
    mov dword ptr [0x30004], 0
    mov eax, cr4
    or al, 0x10
    mov cr4, eax
    mov eax, 0x30000
    mov cr3, eax
    mov eax, offset pageFault
    mov word ptr [IDT + 14 * 8], ax
    shr eax, 16
    mov word ptr [IDT + 14 * 8 + 6], ax
    mov eax, offset step
    mov word ptr [IDT + 8], ax
    shr eax, 16
    mov word ptr [IDT + 8 + 6], ax
    mov eax, cr0
    or eax, 0x80000000
    mov cr0, eax
    mov dword ptr [0x211010], 0x77
    mov esi, 0x210800
    mov edi, 0x3ff800
    mov ecx, 0x208
    rep movsd
    REPORT esi
    REPORT edi
    REPORT ecx
    REPORT [0x10]
    UNMAP
    std
    mov edi, 0x400003
    mov ecx, 8
    mov al, 1
    rep stosb
    cld
    REPORT edi
    UNMAP
    mov word ptr [0x3ffffe], 0x5555
    mov edi, 0x3ffff2
    mov ecx, 4
    rep stosd
    UNMAP
    mov edi, 0x1ffc
    xor eax, eax
    mov ecx, 8
    rep stosb
    mov dword ptr [0x3ffffc], eax
    mov dword ptr [0], eax
    mov esi, 0x3ffffc
    mov edi, 0x1ffc
    mov ecx, 8
    repe cmpsb
    REPORT edi
    REPORT ecx
    pushfd
    pop eax
    and eax, 0x40
    REPORT eax
    # SI wraps around; the upper halves stay.
    mov byte ptr [1], 0x99
    mov esi, 0x1fffe
    mov edi, 0x22341
    mov ecx, 0x10004
    .byte 0x67
    rep movsb
    REPORT esi
    REPORT edi
    REPORT ecx
    movzx eax, byte ptr [0x2344]
    REPORT eax
    xor ebx, ebx
    mov esi, 0x5000
    mov edi, 0x5100
    mov ecx, 3
    pushfd
    or dword ptr [esp], 0x100
    popfd
    rep movsb
    pushfd
    and dword ptr [esp], ~0x100
    popfd
    REPORT ebx
    DONE
step:
    inc ebx
    iretd
pageFault:
    mov edx, [esp]
    REPORT edx
    mov edx, cr2
    REPORT edx
    REPORT esi
    REPORT edi
    REPORT ecx
    cmp edi, 0x3ffffe
    jne 1f
    movzx edx, word ptr [0x3ffffe]
    REPORT edx
1:  mov dword ptr [0x30004], 0x83
    add esp, 4
    iretd
    STUBS32
    TABLES
