# fnstenv and fldenv in their four forms: real and protected mode, 16 and 32 bits; what they say of the last instruction,
# tags by content; an unmasked exception that waits for the next waiting instruction; fnsave and frstor.
# result: 37f 3800 3fff 1 1  37f 3800 3fff 1 8 1 10  37f 3800 3fff 1 8 1 10  1bff  8081 10 0 37e  0 37f 3800
.include "common.inc"
    .code16
    fninit
real:
    fld dword ptr [one]
    fnstenv [environment]
    fninit
    START32
    # What real mode wrote: words; bits 12 to 15 of the fourth and sixth hold the linear addresses' upper bits.
    movzx eax, word ptr [environment]
    REPORT eax
    movzx eax, word ptr [environment + 2]
    REPORT eax
    movzx eax, word ptr [environment + 4]
    REPORT eax
    xor ecx, ecx
    movzx eax, word ptr [environment + 6]
    cmp eax, offset real
    sete cl
    REPORT ecx
    xor ecx, ecx
    movzx eax, word ptr [environment + 10]
    cmp eax, offset one
    sete cl
    REPORT ecx
    .macro SHOW size
    mov eax, [environment]
    and eax, 0xffff
    REPORT eax
    mov eax, [environment + \size]
    and eax, 0xffff
    REPORT eax
    mov eax, [environment + 2 * \size]
    and eax, 0xffff
    REPORT eax
    .endm
    fninit
prot:
    fld dword ptr [one]
    fnstenv [environment]
    SHOW 4
    xor ecx, ecx
    mov eax, [environment + 12]
    cmp eax, offset prot
    sete cl
    REPORT ecx
    movzx eax, word ptr [environment + 16]
    REPORT eax
    xor ecx, ecx
    mov eax, [environment + 20]
    cmp eax, offset one
    sete cl
    REPORT ecx
    movzx eax, word ptr [environment + 24]
    REPORT eax
    fninit
prot16:
    fld dword ptr [one]
    .byte 0x66
    fnstenv [environment]
    SHOW 2
    xor ecx, ecx
    movzx eax, word ptr [environment + 6]
    cmp eax, offset prot16
    sete cl
    REPORT ecx
    movzx eax, word ptr [environment + 8]
    REPORT eax
    xor ecx, ecx
    movzx eax, word ptr [environment + 10]
    cmp eax, offset one
    sete cl
    REPORT ecx
    movzx eax, word ptr [environment + 12]
    REPORT eax
    # Tags by content: one, zero, infinity.
    fninit
    fld1
    fldz
    fld dword ptr [infinity]
    fnstenv [environment]
    movzx eax, word ptr [environment + 8]
    REPORT eax
    # fldenv unmasks; the exception that is pending then comes at the next waiting instruction, fnstsw does not wait.
    fninit
    mov eax, cr0
    or al, 0x20                 # NE
    mov cr0, eax
    fnstenv [environment]
    and byte ptr [environment], 0xfe
    or byte ptr [environment + 4], 1
    fldenv [environment]
    fnstsw ax
    movzx eax, ax
    REPORT eax
    FAULTS fld1
    fnclex
    fld1
    fnstcw [environment]
    movzx eax, word ptr [environment]
    REPORT eax
    # fnsave initialises; frstor brings all back.
    fnsave [environment]
    fnstcw [control]
    fnstsw ax
    movzx eax, ax
    REPORT eax
    movzx eax, word ptr [control]
    REPORT eax
    frstor [environment]
    fnstsw ax
    movzx eax, ax
    REPORT eax
    DONE
    .balign 4
one: .float 1.0
infinity: .long 0x7f800000
control: .long 0
environment: .fill 112, 1, 0
    STUBS32
    TABLES
