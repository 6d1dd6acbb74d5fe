# The local APIC by MSRs, as a kernel uses it: the way there and back, its identity, interrupts that it sends itself,
# priorities, the timer by TSC deadline, and what gives #GP (vector d, error code 0). tests/hw/x2apic-guest.cc runs it.
#   found by cpuid; registers that are not there yet; the way there; identity
# result: 1 1 d 0 d 0 d 0 fee00d00 21 20002 1060014 ffffffff
#   vector 0x40 to itself, by the register for that; by the command register: its id, its logical id, itself, everybody
# result: 1 40 1 0 0 40 1 0 40 1 0 40 1 0 40 1 0
#   a priority that holds a vector back, in its own register and in CR8
# result: 5 1 40 40 1 0 0
#   the timer: armed, in time, disarmed; in the past; disarmed by zero; by the counter when TSC_ADJUST moves
# result: 1 42 1 0 1 0 42 1 0 0 0 1 0
#   read: 800 80b 80e 831 83f 840 8ff
# result: d 0 d 0 d 0 d 0 d 0 d 0 d 0
#   write: 802 803 80a 80b=1 80d 80e 810 820 828=1 831 839 83f+2^32 840
# result: d 0 d 0 d 0 d 0 d 0 d 0 d 0 d 0 d 0 d 0 d 0 d 0 d 0
#   reserved bits: 808=100 80f=2000 832=80000 835=20000 830=100000 83e=4 83f=100, and 808 with an upper half
# result: d 0 d 0 d 0 d 0 d 0 d 0 d 0 d 0
#   the way back: not at once; off, then xAPIC
# result: d 0 fee00100 d 0 fee00900 21000000 d 0 77
.include "common.inc"
.set APIC, 0xfee00000
.set GATES, 0x1000
.macro READ index
    mov ecx, \index
    rdmsr
.endm
.macro WRITE index, low, high=0
    mov ecx, \index
    mov eax, \low
    mov edx, \high
    wrmsr
.endm
.macro NOREAD index
    mov ecx, \index
    FAULTS64 rdmsr
.endm
.macro NOWRITE index, low=0, high=0
    mov ecx, \index
    mov eax, \low
    mov edx, \high
    FAULTS64 wrmsr
.endm
.macro BIT bit
    shr eax, \bit
    and eax, 1
    REPORT64 eax
.endm
# Takes what waits.
.macro OPEN
    sti
    nop
    cli
.endm
.macro VECTOR number, handler
    mov eax, offset \handler
    mov word ptr [GATES + \number * 16], ax
    mov word ptr [GATES + \number * 16 + 2], CODE64
    mov word ptr [GATES + \number * 16 + 4], 0x8e00
    mov dword ptr [GATES + \number * 16 + 6], 0
    mov dword ptr [GATES + \number * 16 + 10], 0
    mov dword ptr [GATES + \number * 16 + 14], 0
.endm
# The counter in RBX.
.macro COUNTER
    rdtsc
    shl rdx, 32
    or rax, rdx
    mov rbx, rax
.endm
.macro DEADLINE
    mov rax, rbx
    mov rdx, rbx
    shr rdx, 32
    mov ecx, 0x6e0
    wrmsr
.endm
    START32
    START64
    mov word ptr [idtr], 0x60 * 16 - 1
    lidt [idtr]
    VECTOR 0x40, taken
    VECTOR 0x42, timed
    # The registers' page.
    mov dword ptr [PDPT + 24], 0x44003
    mov dword ptr [0x44000 + 503 * 8], APIC + 0x83
    mov esi, APIC
    mov eax, 1
    cpuid
    mov eax, ecx
    BIT 21
    mov eax, ecx
    BIT 24
    NOREAD 0x802
    NOWRITE 0x80b
    NOWRITE 0x1b, APIC + 0x500
    WRITE 0x1b, APIC + 0xd00
    READ 0x1b
    REPORT64 eax
    READ 0x802
    REPORT64 eax
    READ 0x80d
    REPORT64 eax
    READ 0x803
    REPORT64 eax
    mov eax, [rsi + 0x20]
    REPORT64 eax
    WRITE 0x80f, 0x1ff
    # To itself.
    WRITE 0x83f, 0x40
    READ 0x822
    BIT 0
    OPEN
    READ 0x822
    BIT 0
    WRITE 0x830, 0x4040, 0x21
    OPEN
    WRITE 0x830, 0x4840, 0x20002
    OPEN
    WRITE 0x830, 0x44040
    OPEN
    WRITE 0x830, 0x4040, 0xffffffff
    OPEN
    # Its priority.
    WRITE 0x808, 0x50
    mov rax, cr8
    REPORT64 eax
    WRITE 0x83f, 0x40
    OPEN
    READ 0x822
    BIT 0
    mov eax, 4
    mov cr8, rax
    READ 0x808
    REPORT64 eax
    OPEN
    mov eax, 3
    mov cr8, rax
    OPEN
    xor eax, eax
    mov cr8, rax
    READ 0x808
    REPORT64 eax
    # The deadline: 20 ms, in which the host comes back to us, and it is not early.
    WRITE 0x832, 0x40042
    COUNTER
    add rbx, 20000000
    DEADLINE
    READ 0x6e0
    cmp eax, ebx
    sete al
    movzx eax, al
    REPORT64 eax
1:  sti
    hlt
    cli
    cmp byte ptr [ticks], 1
    jne 1b
    mov rbp, rbx
    COUNTER
    cmp rbx, rbp
    setae al
    movzx eax, al
    REPORT64 eax
    READ 0x6e0
    REPORT64 eax
    # What has passed is due at once.
    DEADLINE
1:  sti
    hlt
    cli
    cmp byte ptr [ticks], 2
    jne 1b
    # Zero disarms.
    COUNTER
    add rbx, 20000000
    DEADLINE
    WRITE 0x6e0, 0
    add rbx, 1000000
    mov rbp, rbx
    sti
1:  COUNTER
    cmp rbx, rbp
    jb 1b
    cli
    movzx eax, byte ptr [ticks]
    sub eax, 2
    REPORT64 eax
    READ 0x6e0
    REPORT64 eax
    # TSC_ADJUST moves the counter, and not the deadline.
    COUNTER
    mov rdi, rbx
    mov ecx, 0x3b
    mov eax, 0
    mov edx, 0x10
    wrmsr
    COUNTER
    sub rbx, rdi
    shr rbx, 32
    cmp ebx, 0x10
    sete al
    movzx eax, al
    REPORT64 eax
    WRITE 0x3b, 0
    WRITE 0x6e0, 0
    READ 0x6e0
    REPORT64 eax
    # What is not there.
    .irp index, 0x800, 0x80b, 0x80e, 0x831, 0x83f, 0x840, 0x8ff
    NOREAD \index
    .endr
    NOWRITE 0x802, 0x21
    NOWRITE 0x803
    NOWRITE 0x80a
    NOWRITE 0x80b, 1
    NOWRITE 0x80d, 1
    NOWRITE 0x80e, -1
    NOWRITE 0x810
    NOWRITE 0x820
    NOWRITE 0x828, 1
    NOWRITE 0x831
    NOWRITE 0x839
    NOWRITE 0x83f, 0x40, 1
    NOWRITE 0x840
    NOWRITE 0x808, 0x100
    NOWRITE 0x80f, 0x21ff
    NOWRITE 0x832, 0x80042
    NOWRITE 0x835, 0x20000
    NOWRITE 0x830, 0x100040, 0x21
    NOWRITE 0x83e, 4
    NOWRITE 0x83f, 0x140
    NOWRITE 0x808, 0, 1
    # And back.
    NOWRITE 0x1b, APIC + 0x900
    WRITE 0x1b, APIC + 0x100
    READ 0x1b
    REPORT64 eax
    NOREAD 0x802
    WRITE 0x1b, APIC + 0x900
    READ 0x1b
    REPORT64 eax
    mov eax, [rsi + 0x20]
    REPORT64 eax
    NOREAD 0x802
    mov eax, 0x77
    REPORT64 eax
    DONE
taken:
    push rax
    push rcx
    push rdx
    mov eax, 0x40
    jmp ended
timed:
    push rax
    push rcx
    push rdx
    inc byte ptr [ticks]
    mov eax, 0x42
# Its vector, and whether it is in service before and after the end of the interrupt.
ended:
    REPORT64 eax
    and eax, 0x1f
    mov r8d, eax
    READ 0x812
    bt eax, r8d
    setc al
    movzx eax, al
    REPORT64 eax
    WRITE 0x80b, 0
    READ 0x812
    bt eax, r8d
    setc al
    movzx eax, al
    REPORT64 eax
    pop rdx
    pop rcx
    pop rax
    iretq
ticks: .byte 0
    STUBS64
    TABLES
