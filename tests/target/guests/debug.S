# Single step, breakpoints on execution and on data, int1, GD.
# result: 3  4000  1  1  2  2000
.include "common.inc"
    START32
    mov eax, offset handler
    mov word ptr [IDT + 8], ax
    shr eax, 16
    mov word ptr [IDT + 14], ax
    xor ebx, ebx
    # Trap flag: a trap behind each of the three instructions that follow the popf, the last of which clears it.
    pushfd
    or dword ptr [esp], 0x100
    popfd
    nop
    pushfd
    and dword ptr [esp], ~0x100
    popfd
    nop
    sub ebx, 1
    REPORT ebx
    REPORT [lastDr6]
    # A breakpoint on execution: before the instruction, and once, since RF is set when it is gone back to.
    xor ebx, ebx
    mov eax, offset 1f
    mov dr0, eax
    mov eax, 0x402
    mov dr7, eax
    mov dword ptr [isFault], 1
1:  nop
    mov dword ptr [isFault], 0
    REPORT ebx
    REPORT [lastDr6]
    # A write to a watched place: behind the instruction.
    mov eax, offset place
    mov dr1, eax
    mov eax, 0x00d00408
    mov dr7, eax
    mov dword ptr [place], 5
    xor eax, eax
    mov dr7, eax
    REPORT [lastDr6]
    # General detect.
    mov eax, 0x2400
    mov dr7, eax
    mov dword ptr [isFault], 0
    mov eax, dr3
    REPORT [lastDr6]
    DONE
handler:
    inc ebx
    push eax
    mov eax, dr6
    and eax, 0x600f
    mov [lastDr6], eax
    xor eax, eax
    mov dr6, eax
    cmp dword ptr [isFault], 0
    je 1f
    or dword ptr [esp + 12], 0x10000
1:  pop eax
    iretd
    .balign 4
place: .long 0
isFault: .long 0
lastDr6: .long 0
    STUBS32
    TABLES
