# What cpuid says follows CR4 and XCR0 at once, however often a leaf was asked for; of ECX it heeds what the leaf does;
# all four registers lose their upper halves. Three times over.
# result: 0 1 240 340 240 240 0 1 0 0 0 1 100 240 340 0 0
# result: 0 1 240 340 240 240 0 1 0 0 0 1 100 240 340 0 0
# result: 0 1 240 340 240 240 0 1 0 0 0 1 100 240 340 0 0
.include "common.inc"
.macro LEAF leaf, ecx=0
    mov eax, \leaf
    mov ecx, \ecx
    cpuid
.endm
.macro XCR0 value
    mov eax, \value
    xor edx, edx
    xor ecx, ecx
    xsetbv
.endm
.macro HAS_OSXSAVE
    LEAF 1
    shr ecx, 27
    and ecx, 1
    REPORT64 ecx
.endm
    START32
    START64
    mov r12d, 3
1:  mov rax, cr4
    and eax, ~0x40000
    mov cr4, rax
    HAS_OSXSAVE
    mov rax, cr4
    or eax, 0x40000
    mov cr4, rax
    HAS_OSXSAVE
    XCR0 1
    LEAF 0xd
    REPORT64 ebx
    XCR0 7
    LEAF 0xd
    REPORT64 ebx
    XCR0 3
    LEAF 0xd
    REPORT64 ebx
    # Beyond the last leaf: the last one, 0xd, which heeds ECX.
    LEAF 0x11
    REPORT64 ebx
    LEAF 0x11, 3
    REPORT64 ebx
    LEAF 7
    test ebx, ebx
    setnz al
    movzx eax, al
    REPORT64 eax
    LEAF 7, 1
    REPORT64 ebx
    # Leaf 1 does not.
    LEAF 1, 0
    mov ebp, edx
    LEAF 1, -1
    xor ebp, edx
    REPORT64 ebp
    # Those that meet in one place.
    LEAF 0x10, 5
    LEAF 0, 5
    LEAF 0x10, 5
    REPORT64 eax
    LEAF 0
    cmp eax, 0xd
    setae al
    movzx eax, al
    REPORT64 eax
    LEAF 0xd, 2
    REPORT64 eax
    REPORT64 ebx
    XCR0 7
    LEAF 0xd, 1
    REPORT64 ebx
    # Upper halves.
    mov rax, -1
    mov rbx, rax
    mov rcx, rax
    mov rdx, rax
    mov eax, eax
    btr rax, 31
    mov rdi, 0xabcdef0000000000
    or rax, rdi
    cpuid
    or rax, rbx
    or rax, rcx
    or rax, rdx
    shr rax, 32
    REPORT64 eax
    # The flags stay.
    xor esi, esi
    LEAF 1
    setnz al
    movzx eax, al
    REPORT64 eax
    dec r12d
    jnz 1b
    DONE
    STUBS64
    TABLES
