# 32-bit code under a 64-bit supervisor: called and returned from in a loop, entered by iretq and left by an interrupt, and
# a page fault in it. What 64-bit registers hold stays.
# result: 4e20 1 9abcdef0 12345678 5050 3e8 ffffffff e 4 900000 2b67
.include "common.inc"
    START32
    START64
    # Calls at the same level.
    movabs r10, 0x123456789abcdef0
    mov ebp, 10000
    xor edi, edi
    movabs rbx, 0x700000000
1:  lcall [far32]
    add edi, eax
    dec ebp
    jnz 1b
    REPORT64 edi
    # A 32-bit result has no upper half.
    mov rcx, rbx
    shr rcx, 32
    sete al
    movzx eax, al
    REPORT64 eax
    mov rcx, r10
    REPORT64 ecx
    shr rcx, 32
    REPORT64 ecx
    # To level 3 and back.
    mov eax, offset onCall
    mov ecx, 0x20 * 16
    mov word ptr [IDT + 31 * 16], ax
    mov word ptr [IDT + 31 * 16 + 2], CODE64
    mov word ptr [IDT + 31 * 16 + 4], 0xee00
    shr eax, 16
    mov dword ptr [IDT + 31 * 16 + 6], eax
    mov dword ptr [IDT + 31 * 16 + 10], 0
    mov dword ptr [resume], offset done
    mov dword ptr [resume + 4], 0
    mov qword ptr [resumeSp], STACK
    push USERDATA
    push 0x5400
    push 2
    push USER32
    mov eax, offset user32
    push rax
    iretq
onCall:
    # The number is in eax: 0 counts, 1 and 2 report edx.
    test eax, eax
    jz 2f
    push rbx
    mov ebx, edx
    REPORT64 ebx
    pop rbx
    iretq
2:  inc dword ptr [count]
    mov r11, -1
    iretq
done:
    mov edx, [count]
    REPORT64 edx
    DONE
    .code32
called:
    inc ebx
    mov eax, [two]
    push eax
    push 0
    pop ecx
    pop eax
    lret
user32:
    mov ax, USERDATA
    mov ds, ax
    mov es, ax
    mov ecx, 1000
    xor edx, edx
3:  xor eax, eax
    int 31
    add edx, ecx
    movzx edx, dx
    dec ecx
    jnz 3b
    mov eax, 1
    lea edx, [edx + 0]
    sub edx, 0xa314 - 0x5050
    int 31
    mov edx, [count]
    int 31
    add dword ptr [count], 0x277f
    mov edx, -1
    mov eax, 2
    int 31
    mov eax, [0x900000]
    hlt
    .balign 8
far32: .long called
    .word CODE32
    .balign 4
two: .long 2
count: .long 0
    .code64
    STUBS64
    TABLES
