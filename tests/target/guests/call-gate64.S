# The 64-bit call gate: from level 3 to 0 with a null SS and no parameters, back by a 64-bit far return; from 32-bit code;
# a gate whose target is not 64-bit code, one of 16 bytes that is cut off by the table's limit.
# result: 18 0 5fe0 43 5400 3b  33  d 8  d 58
.include "common.inc"
    START32
    START64
    mov eax, offset inner
    mov word ptr [gdt + SPARE], ax
    mov word ptr [gdt + SPARE + 2], CODE64
    mov word ptr [gdt + SPARE + 4], 0xec00
    shr eax, 16
    mov word ptr [gdt + SPARE + 6], ax
    mov qword ptr [gdt + SPARE + 8], 0
    push USERDATA
    push 0x5400
    push 2
    push USER64
    mov eax, offset user
    push rax
    iretq
user:
    rex.w lcall [pointer]
    # Once more from 32-bit code.
    push USER32
    mov eax, offset user32
    push rax
    rex.w lret
    .code32
user32:
    .byte 0x9a
    .long 0
    .word SPARE + 3
    hlt
    .code64
inner:
    inc dword ptr [count]
    cmp dword ptr [count], 2
    je second
    mov ax, cs
    movzx ebx, ax
    REPORT64 ebx
    mov ax, ss
    movzx ebx, ax
    REPORT64 ebx
    mov rbx, rsp
    REPORT64 ebx
    mov ecx, [rsp + 8]
    REPORT64 ecx
    mov ecx, [rsp + 16]
    REPORT64 ecx
    mov ecx, [rsp + 24]
    REPORT64 ecx
    rex.w lret
second:
    mov ecx, [rsp + 8]
    REPORT64 ecx
    mov rsp, STACK
    # Its code segment is 32-bit code.
    mov word ptr [gdt + SPARE + 2], CODE32
    FAULTS64 rex.w lcall [pointer]
    mov word ptr [gdt + SPARE + 2], CODE64
    mov eax, [gdtr]
    sub word ptr [gdtr], (gdtEnd - gdt) - SPARE - 8
    lgdt [gdtr]
    FAULTS64 rex.w lcall [pointer]
    DONE
    .balign 8
pointer: .quad 0
    .word SPARE + 3
    .balign 4
count: .long 0
    STUBS64
    TABLES
