# Page faults in every operand position, with nothing changed before the page is there; accesses across pages, of which
# the second or the first is missing; interrupts within interrupts; code that is rewritten and remapped while it runs.
# All of it over and over, so that translated code meets it, too.
# result: 623a5989 e81e5018 d20 e10 761d94a8
.include "common.inc"
.set HOLE, 0x300000             # missing before each instruction
.set HOLE_ENTRY, PT + 0x100 * 8
.set NEXT, 0x301000             # the page behind it, always there
.set CODE, 0x310000             # two pages of code share this address
.set CODE_ENTRY, PT + 0x110 * 8
.set SAVED, 0x6f00              # a stack elsewhere

.macro HOLED instruction:vararg
    and byte ptr [HOLE_ENTRY], 0xfe
    invlpg [HOLE]
    \instruction
.endm
.macro MIX register
    rol r15, 7
    xor r15, \register
.endm
# With the flags that the instruction defines.
.macro HOLEDF instruction:vararg
    HOLED \instruction
    pushfq
    pop rdi
    and edi, 0x8d5
    MIX rdi
.endm
# On a stack in the hole, at `place`.
.macro ONSTACK place, instruction:vararg
    mov [SAVED], rsp
    mov rsp, \place
    HOLED \instruction
    mov rdi, rsp
    mov rsp, [SAVED]
    MIX rdi
.endm

    START32
    START64
    mov qword ptr [TSSAT + 36], 0x5f00          # IST1
    mov eax, offset missing
    mov word ptr [IDT + 14 * 16], ax
    mov byte ptr [IDT + 14 * 16 + 4], 1
    shr eax, 16
    mov word ptr [IDT + 14 * 16 + 6], ax
    mov eax, offset interrupted
    mov word ptr [IDT + 0x21 * 16], ax
    mov word ptr [IDT + 0x21 * 16 + 2], CODE64
    mov word ptr [IDT + 0x21 * 16 + 4], 0x8e00
    shr eax, 16
    mov dword ptr [IDT + 0x21 * 16 + 8], 0
    mov dword ptr [IDT + 0x21 * 16 + 12], 0
    mov word ptr [IDT + 0x21 * 16 + 6], ax
    mov word ptr [wide], 0x22 * 16 - 1
    lidt [wide]
    xor r15d, r15d
    mov r14d, 40
again:
    mov rax, 0x1122334455667788
    mov rbx, 0x0123456789abcdef
    mov ecx, 5
    xor edx, edx
    # Moves.
    HOLED mov [HOLE + 8], rax
    HOLED mov rbp, [HOLE + 8]
    MIX rbp
    HOLED mov dword ptr [HOLE + 20], 0x12345678
    HOLED mov ebp, [HOLE + 20]
    MIX rbp
    HOLED movzx ebp, byte ptr [HOLE + 9]
    MIX rbp
    HOLED movsx rbp, word ptr [HOLE + 10]
    MIX rbp
    mov esi, HOLE
    HOLED mov r11, [rsi + rcx * 4]
    MIX r11
    HOLED mov [rsi + rcx * 8 + 64], r11
    # Arithmetic, both ways.
    HOLEDF add [HOLE + 8], rbx
    HOLEDF add rbp, [HOLE + 8]
    HOLEDF sub [HOLE + 8], ebp
    HOLEDF adc r10, [HOLE + 8]
    HOLEDF sbb [HOLE + 8], r10
    HOLEDF cmp [HOLE + 8], al
    HOLEDF cmp rax, [HOLE + 8]
    HOLEDF inc qword ptr [HOLE + 8]
    HOLEDF dec byte ptr [HOLE + 8]
    HOLEDF neg dword ptr [HOLE + 12]
    HOLED not word ptr [HOLE + 12]
    HOLED shl qword ptr [HOLE + 8], 3
    HOLED shr dword ptr [HOLE + 8], cl
    HOLED rol word ptr [HOLE + 8], cl
    HOLED shld [HOLE + 8], rbx, 7
    HOLED imul rbp, [HOLE + 8]
    MIX rbp
    mov rax, rbx
    HOLED mul qword ptr [HOLE + 8]
    MIX rdx
    xor edx, edx
    or qword ptr [HOLE + 8], 1
    HOLED div qword ptr [HOLE + 8]
    MIX rax
    HOLED bts dword ptr [HOLE + 8], 9
    HOLED bt [HOLE], rcx
    HOLED setc byte ptr [HOLE + 3]
    HOLED cmovnz rbp, [HOLE + 8]
    MIX rbp
    # Locked.
    HOLED xchg [HOLE + 24], rbx
    HOLEDF lock xadd [HOLE + 24], rbx
    MIX rbx
    mov rax, [HOLE + 24]
    HOLEDF lock cmpxchg [HOLE + 24], rbx
    HOLEDF lock cmpxchg [HOLE + 24], rcx
    MIX rax
    mov edx, 7
    HOLED lock cmpxchg16b [HOLE + 32]
    MIX rdx
    # The stack.
    HOLED push qword ptr [HOLE + 8]
    HOLED pop qword ptr [HOLE + 40]
    ONSTACK HOLE + 0x800, push rax
    ONSTACK HOLE + 0x7f8, pop rbp
    MIX rbp
    ONSTACK HOLE + 0x800, pushfq
    ONSTACK HOLE + 0x7f8, popfq
    ONSTACK HOLE + 0x800, enter 16, 0
    mov rbp, HOLE + 0x7f0
    ONSTACK HOLE + 0x100, leave
    # Calls, jumps, returns.
    lea rax, [rip + 1f]
    mov [HOLE + 48], rax
    HOLED jmp qword ptr [HOLE + 48]
    xor r15, r15
1:  lea rax, [rip + leaf]
    mov [HOLE + 48], rax
    HOLED call qword ptr [HOLE + 48]
    ONSTACK HOLE + 0x600, call leaf
    lea rax, [rip + 2f]
    mov [HOLE + 0x500], rax
    mov [SAVED], rsp
    mov rsp, HOLE + 0x500
    HOLED ret
    xor r15, r15
2:  mov rsp, [SAVED]
    # Strings; the repeated ones begin on the page before.
    mov esi, HOLE + 8
    mov edi, NEXT
    HOLED movsq
    mov esi, NEXT
    mov edi, HOLE + 0x80
    HOLED movsb
    mov edi, HOLE + 0x90
    HOLED stosw
    mov esi, HOLE + 0x90
    HOLED lodsd
    mov edi, HOLE + 0x90
    HOLEDF scasb
    mov esi, HOLE + 0x80
    mov edi, NEXT
    HOLEDF cmpsb
    mov edi, HOLE - 0x30
    mov ecx, 0x60
    HOLED rep stosb
    MIX rdi
    mov esi, HOLE - 0x20
    mov edi, HOLE + 0xff0
    mov ecx, 9
    HOLED rep movsd
    MIX rsi
    mov ecx, 5
    # SSE, x87 and their controls.
    HOLED movups xmm1, [HOLE + 1]
    HOLED movups [HOLE + 0x101], xmm1
    HOLED movaps xmm2, [HOLE + 0x10]
    HOLED movaps [HOLE + 0x110], xmm2
    HOLED paddd xmm2, [HOLE + 0x20]
    movq rbp, xmm2
    MIX rbp
    HOLED movss xmm3, [HOLE + 4]
    HOLED movlps [HOLE + 0x120], xmm3
    HOLED cvtsi2sd xmm4, dword ptr [HOLE + 8]
    HOLED movsd [HOLE + 0x128], xmm4
    HOLED pshufd xmm5, [HOLE + 0x30], 0x1b
    HOLED movdqu [HOLE + 0x130], xmm5
    HOLED stmxcsr [HOLE + 0x140]
    HOLED ldmxcsr [HOLE + 0x140]
    HOLED fnstcw [HOLE + 0x148]
    HOLED fldcw [HOLE + 0x148]
    HOLED fild dword ptr [HOLE + 8]
    HOLED fadd qword ptr [HOLE + 0x128]
    HOLED fistp qword ptr [HOLE + 0x150]
    mov rbp, [HOLE + 0x150]
    MIX rbp
    # Across pages: the second one missing, then the first.
    HOLED mov rbp, [HOLE - 3]
    MIX rbp
    HOLED mov [HOLE - 3], rax
    HOLEDF add [HOLE - 5], rbx
    HOLED movups xmm6, [HOLE - 7]
    HOLED movups [HOLE - 9], xmm6
    HOLED mov rbp, [NEXT - 3]
    MIX rbp
    HOLED mov [NEXT - 3], rax
    HOLEDF sub [NEXT - 5], rbx
    HOLED movups xmm6, [NEXT - 7]
    HOLED movups [NEXT - 9], xmm6
    HOLED lock xadd [NEXT - 4], rbp
    MIX rbp
    # Interrupts within interrupts, each behind its own sti.
    mov dword ptr [depth], 0
    mov al, 0x21
    out 0xea, al
    sti
    nop
    cli
    mov ebp, [depth]
    MIX rbp
    # Code: written where it runs, then another page at its address, by invlpg and by CR3.
    mov dword ptr [CODE], 0xb8                   # mov eax, imm32; ret
    mov [CODE + 1], r14d
    mov byte ptr [CODE + 5], 0xc3
    mov edi, CODE
    call rdi
    MIX rax
    mov [CODE + 1], r15d
    call rdi
    MIX rax
    mov byte ptr [0x311000], 0xb8
    mov [0x311001], r14d
    mov byte ptr [0x311005], 0xc3
    mov dword ptr [CODE_ENTRY], 0x311007
    invlpg [CODE]
    call rdi
    MIX rax
    mov dword ptr [CODE_ENTRY], 0x310007
    mov rbp, cr3
    mov cr3, rbp
    call rdi
    MIX rax
    dec r14d
    jnz again
    # What memory holds now.
    or byte ptr [HOLE_ENTRY], 1
    mov esi, HOLE
    mov ecx, 0x400
1:  lodsq
    MIX rax
    loop 1b
    mov eax, r15d
    REPORT64 eax
    shr r15, 32
    mov eax, r15d
    REPORT64 eax
    mov eax, [faults]
    REPORT64 eax
    mov eax, [errors]
    REPORT64 eax
    mov eax, [places]
    REPORT64 eax
    DONE

leaf:
    add r15, 3
    ret

missing:
    push rax
    inc dword ptr [faults]
    mov eax, [rsp + 8]
    add [errors], eax
    mov rax, cr2
    add [places], eax
    mov rax, [rsp + 16]
    rol r15, 3
    xor r15, rax
    or byte ptr [HOLE_ENTRY], 1
    pop rax
    add rsp, 8
    iretq

interrupted:
    push rax
    inc dword ptr [depth]
    cmp dword ptr [depth], 9
    jae 1f
    mov al, 0x21
    out 0xea, al
    sti
    nop
    add r15, 1
    cli
1:  rol r15, 1
    pop rax
    iretq

    .balign 8
depth: .long 0
faults: .long 0
errors: .long 0
places: .long 0
wide: .word 0
    .quad IDT
    STUBS64
    TABLES
