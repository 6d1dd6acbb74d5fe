# Breakpoints on ports (CR4.DE), single steps that mov ss and pop ss put off, a step over an interrupt and a far jump, a
# data breakpoint on reads, one whose trap waits behind mov ss, the length of a watched place, DR4 and DR5.
# result: 1 1  0 0  2 4000  3 4000  2 4000  1 2  0 0  1 4  6 0  ffff0ff0
.include "common.inc"
.macro STEP
    xor ebx, ebx
    pushfd
    or dword ptr [esp], 0x100
    popfd
.endm
.macro STOP
    pushfd
    and dword ptr [esp], ~0x100
    popfd
    sub ebx, 3
.endm
.macro SHOW
    REPORT ebx
    REPORT [lastDr6]
    mov dword ptr [lastDr6], 0
    xor ebx, ebx
.endm
    START32
    mov eax, offset handler
    mov word ptr [IDT + 8], ax
    shr eax, 16
    mov word ptr [IDT + 14], ax
    mov eax, cr4
    or al, 8
    mov cr4, eax
    # A port: behind the access, whatever its direction; a port beside it is none.
    xor ebx, ebx
    mov eax, 0x80
    mov dr0, eax
    mov eax, 0x00020402         # RW0 = 10: I/O, one byte
    mov dr7, eax
    in al, 0x80
    SHOW
    in al, 0x81
    SHOW
    xor eax, eax
    mov dr7, eax
    # mov ss: no trap behind it, one behind the next instruction.
    mov ax, ss
    STEP
    mov ss, ax
    nop
    nop
    STOP
    SHOW
    # A far jump and two nops.
    STEP
    .byte 0xea
    .long 1f
    .word CODE32
1:  nop
    nop
    STOP
    SHOW
    # Through an interrupt's gate: TF is off inside, so nothing happens there; on its return the trap comes behind the next.
    mov eax, offset inside
    mov word ptr [IDT + 31 * 8], ax
    shr eax, 16
    mov word ptr [IDT + 31 * 8 + 6], ax
    STEP
    int 31
    nop
    nop
    STOP
    SHOW
    # Reads of a watched place of two bytes.
    mov eax, offset place
    mov dr1, eax
    mov eax, 0x00700408         # RW1 = 11, length 2
    mov dr7, eax
    mov al, [place + 1]
    SHOW
    mov al, [place + 2]
    SHOW
    # A watched stack value loaded into SS: the trap waits for the next instruction, a step with it.
    mov eax, offset stack
    mov dr2, eax
    mov eax, 0x0f000420         # RW2 = 11, length 4
    mov dr7, eax
    xor ecx, ecx
    mov ss, word ptr [stack]
    nop
    SHOW
    xor eax, eax
    mov dr7, eax
    # DR4 and DR5 are gone with CR4.DE, and DR6 and DR7 without.
    FAULTS mov eax, dr4
    mov eax, cr4
    and al, 0xf7
    mov cr4, eax
    mov eax, 0xffff0ff0
    mov dr6, eax
    mov eax, dr4
    REPORT eax
    DONE
inside:
    iretd
handler:
    inc ebx
    push eax
    mov eax, dr6
    and eax, 0x600f
    mov [lastDr6], eax
    xor eax, eax
    mov dr6, eax
    pop eax
    iretd
    .balign 4
place: .long 0
lastDr6: .long 0
stack: .long DATA
    STUBS32
    TABLES
