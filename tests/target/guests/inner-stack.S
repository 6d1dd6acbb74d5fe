# What an exception's delivery has written for the supervisor's stack is not the user's to reach.
# result: 6 0  e 7 220f00  e 5 220f00  55
.include "common.inc"
.macro TOUSER where
    mov [resumeSp], rsp
    push USERDATA
    push 0x5800
    push 0x2
    push USER64
    mov eax, offset \where
    push rax
    iretq
.endm
    START32
    START64
    mov dword ptr [PT + 0x100], 0x220003
    invlpg [0x220000]
    mov dword ptr [TSSAT + 4], 0x220ff0
    mov dword ptr [resume], offset 1f
    TOUSER trap
1:  mov dword ptr [resume], offset 2f
    TOUSER store
2:  mov dword ptr [resume], offset 3f
    TOUSER load
3:  mov ebx, 0x55
    REPORT64 ebx
    DONE
trap:
    ud2
store:
    mov dword ptr [0x220f00], 1
load:
    mov eax, [0x220f00]
    .balign 16
    STUBS64
    TABLES
