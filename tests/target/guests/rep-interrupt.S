# An interrupt that waits is taken between two elements of a repeated instruction, with the registers at the next one, and
# the return goes on with it; behind sti one element comes first, behind a plain instruction none.
# A byte to port 0xea asks for the interrupt with that vector.
# result: 1 1 100000 300000  1 0 100000 500000 0  21
.include "common.inc"
.set COUNT, 0x100000
    START32
    GATE32 0x21, interrupted, 0x8e00
    mov word ptr [idtr], 0x22 * 8 - 1
    lidt [idtr]
    mov al, 0x21
    out 0xea, al
    mov edi, 0x200000
    mov ecx, COUNT
    mov al, 0x5a
    sti
again:
    rep stosb
    cli
    # Stopped with some done and some left, at the instruction itself, and all of it done in the end.
    mov eax, [leftThen]
    cmp eax, COUNT
    setb bl
    movzx ebx, bl
    REPORT ebx
    test eax, eax
    setnz bl
    REPORT ebx
    mov eax, [addressThen]
    sub eax, 0x200000
    add eax, [leftThen]
    REPORT eax
    REPORT edi
    # With interrupts on before: taken before the first element.
    mov esi, 0x200000
    mov edi, 0x300000
    mov ecx, COUNT
    sti
    nop
    mov al, 0x21
    out 0xea, al
    rep movsb
    cli
    mov eax, [leftThen]
    cmp eax, COUNT
    sete bl
    REPORT ebx
    mov ebx, 0
    REPORT ebx
    mov eax, [leftThen]
    REPORT eax
    lea eax, [edi + 0x100000]
    REPORT eax
    REPORT ecx
    mov eax, 0x21
    REPORT eax
    DONE
interrupted:
    mov [leftThen], ecx
    mov [addressThen], edi
    iretd
leftThen: .long 0
addressThen: .long 0
    STUBS32
    TABLES
