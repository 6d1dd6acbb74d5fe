# Single steps over syscall and sysret: TF is looked at behind them, so a mask that clears it keeps the entry free of
# traps, and the return gives the one that belongs to the syscall.
# result: 1 2 3 d 0  1 5 2 3 d 0
.include "common.inc"
    START32
    START64
    mov eax, offset step
    mov word ptr [IDT + 16], ax
    shr eax, 16
    mov word ptr [IDT + 22], ax
    mov ecx, 0xc0000081
    xor eax, eax
    mov edx, (0x33 << 16) | CODE64
    wrmsr
    mov ecx, 0xc0000082
    mov eax, offset entry
    xor edx, edx
    wrmsr
    mov r15d, 0x700
    mov dword ptr [gdt + CODE16 + 4], 0x00cf9200     # SS of the entry, which iretq is going to load
    push USERDATA
    push 0x5800
    push 0x302                  # TF
    push USER64
    mov eax, offset user
    push rax
    mov dword ptr [resume], offset again
    mov qword ptr [resumeSp], STACK
    mov ecx, 0xc0000084
    mov eax, r15d
    xor edx, edx
    wrmsr
    iretq
user:
    nop                         # trap behind it: 1
    syscall
back:
    nop
afterNop:
    hlt                         # #GP: the end of this round
again:
    # Without TF in the mask: a trap at the entry's first instruction, too.
    mov rsp, STACK
    push USERDATA
    push 0x5800
    push 0x302
    push USER64
    mov eax, offset user
    push rax
    mov ecx, 0xc0000084
    mov eax, 0x600
    xor edx, edx
    wrmsr
    mov dword ptr [resume], offset finish
    iretq
finish:
    DONE
entry:
    sysretq
# Tells where: 1 behind user's first nop, 2 at back, 3 behind its nop, 5 at the entry, 4 elsewhere in it.
step:
    push rax
    push rbx
    push rcx
    mov eax, 4
    mov ebx, [rsp + 24]
    cmp ebx, offset user + 1
    mov ecx, 1
    cmove eax, ecx
    cmp ebx, offset back
    mov ecx, 2
    cmove eax, ecx
    cmp ebx, offset afterNop
    mov ecx, 3
    cmove eax, ecx
    cmp ebx, offset entry
    mov ecx, 5
    cmove eax, ecx
    REPORT64 eax
    cmp eax, 5
    jne 1f
    and dword ptr [rsp + 40], ~0x100    # once is enough in there
1:  pop rcx
    pop rbx
    pop rax
    iretq
    STUBS64
    TABLES
