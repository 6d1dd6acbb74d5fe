# syscall and sysret, iretq to level 3, 32-bit code under a 64-bit system, rights of level 3.
# result: 8 18 2  d 0  d 0  34  e 5 200000  e 6 210000
.include "common.inc"
    START32
    START64
    # STAR: kernel 0x18 (CODE64), so that SS is 0x20; user base 0x30: sysretq gives 0x43 and 0x3b.
    mov ecx, 0xc0000081
    xor eax, eax
    mov edx, (0x33 << 16) | CODE64
    wrmsr
    mov ecx, 0xc0000082
    mov eax, offset entry
    xor edx, edx
    wrmsr
    mov ecx, 0xc0000084
    mov eax, 0x600
    wrmsr
    mov dword ptr [step], 0
    # To level 3 by iretq.
    push USERDATA
    push 0x5800
    push 0x202
    push USER64
    mov eax, offset user
    push rax
    iretq
entry:
    inc dword ptr [step]
    cmp dword ptr [step], 2
    je second
    mov esp, STACK
    mov eax, 8
    REPORT64 eax
    mov ax, cs
    movzx eax, ax
    REPORT64 eax
    pushfq
    pop rax
    and eax, 0x202          # IF is masked by SFMASK
    REPORT64 eax
    sysretq
second:
    mov esp, STACK
    mov [resumeSp], rsp
    # Level 3 again; its hlt is a fault.
    mov dword ptr [resume], offset afterHlt
    sysretq
user:
    syscall
    syscall
    hlt
afterHlt:
    # 32-bit code: back in level 0, go to it by iretq.
    push USERDATA
    push 0x5800
    push 0x2
    push USER32
    mov eax, offset user32
    push rax
    mov dword ptr [resume], offset after32
    mov [resumeSp], rsp
    iretq
    .code32
user32:
    mov ax, cs
    movzx eax, ax
    # inc eax is an instruction here, not a prefix.
    .byte 0x40
    cli
    .code64
after32:
    mov ebx, eax
    REPORT64 ebx
    # Level 3 has no business on a supervisor's page, nor on one that is not there.
    mov dword ptr [PT], 0x200003
    invlpg [0x200000]
    mov dword ptr [resume], offset 1f
    push USERDATA
    push 0x5800
    push 0x2
    push USER64
    mov eax, offset readSupervisor
    push rax
    iretq
readSupervisor:
    mov eax, [0x200000]
1:  mov rsp, STACK
    mov dword ptr [PT + 0x80], 0
    invlpg [0x210000]
    mov dword ptr [resume], offset 2f
    mov [resumeSp], rsp
    push USERDATA
    push 0x5800
    push 0x2
    push USER64
    mov eax, offset writeNothing
    push rax
    iretq
writeNothing:
    mov dword ptr [0x210000], 1
2:  DONE
    .balign 8
step: .long 0
    STUBS64
    TABLES
