# rdmsr and wrmsr, three times, so that translated code does it: registers that are a field of the state, with whatever
# is in the upper halves, flags kept; those that only take canonical addresses, or that T0 looks at; one that nobody has.
# result: 1 87654322 0 76543210 fedcba99 0 d 0 12345678 ffff8001 0 d 0 12345678 ffff8001 0 d 0 12345678 ffff8001 0 d 0 12345678 ffff8001 0 d 0 12345678 ffff8001 0 d 0 12345678 ffff8001 0 d 0 12345678 ffff8001 0 55667788 11223345 0 d 0 abcdef01 1 0 d 0 70406 70407 0 d01 1 0 d00 1 0 d 0 1 1 0 1 87654322 0 76543210 fedcba99 0 d 0 12345678 ffff8001 0 d 0 12345678 ffff8001 0 d 0 12345678 ffff8001 0 d 0 12345678 ffff8001 0 d 0 12345678 ffff8001 0 d 0 12345678 ffff8001 0 d 0 12345678 ffff8001 0 55667788 11223345 0 d 0 abcdef01 1 0 d 0 70406 70407 0 d01 1 0 d00 1 0 d 0 1 1 0 1 87654322 0 76543210 fedcba99 0 d 0 12345678 ffff8001 0 d 0 12345678 ffff8001 0 d 0 12345678 ffff8001 0 d 0 12345678 ffff8001 0 d 0 12345678 ffff8001 0 d 0 12345678 ffff8001 0 d 0 12345678 ffff8001 0 55667788 11223345 0 d 0 abcdef01 1 0 d 0 70406 70407 0 d01 1 0 d00 1 0 d 0 1 1 0
.include "common.inc"
.set HIGH, 0xabcdef0100000000
.macro WRITE index, value
    mov rcx, HIGH | \index
    mov rax, HIGH | (\value & 0xffffffff)
    mov rdx, HIGH | (\value >> 32 & 0xffffffff)
    wrmsr
.endm
# Both halves, with the carry added to the upper one, which is zero above.
.macro READ index
    mov rcx, HIGH | \index
    mov rax, -1
    mov rdx, -1
    stc
    rdmsr
    adc rdx, 0
    REPORT64 eax
    mov rbx, rax
    mov rax, rdx
    REPORT64 eax
    shr rdx, 32
    shr rbx, 32
    add ebx, edx
    REPORT64 ebx
.endm
    START32
    START64
    mov ebp, 3
again:
    lea r12, [rbp + 0x100]
    WRITE 0xc0000081, 0x8765432100000001    # STAR takes anything
    READ 0xc0000081
    WRITE 0xc0000084, 0xfedcba9876543210    # FMASK
    READ 0xc0000084
    .irp index, 0xc0000082, 0xc0000083, 0xc0000100, 0xc0000101, 0xc0000102, 0x175, 0x176
    WRITE \index, 0xffff800012345678
    FAULTS64 call notCanonical
    READ \index
    WRITE \index, 0
    .endr
    WRITE 0x174, 0x1122334455667788
    READ 0x174
    WRITE 0xc0000103, 0xabcdef01
    mov ecx, 0xc0000103
    FAULTS64 call notCanonical
    READ 0xc0000103
    WRITE 0x277, 0x0007040600070406
    mov ecx, 0x277
    FAULTS64 call notCanonical
    READ 0x277
    READ 0xc0000080
    WRITE 0xc0000080, 0x900                 # without SCE
    READ 0xc0000080
    WRITE 0xc0000080, 0x901
    FAULTS64 call unknown
    READ 0x1a0
    dec ebp
    jnz again
    DONE
notCanonical:
    mov eax, 2
    mov edx, 0x8000
    wrmsr
    ret
unknown:
    mov ecx, 0x12345
    rdmsr
    ret
    STUBS64
    TABLES
