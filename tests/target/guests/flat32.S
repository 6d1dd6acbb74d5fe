# 32-bit code whose segments are flat, and then are not: what reaches over 4 GiB, over a limit, by way of FS and GS and of
# CS; code that changes itself; 16-bit addresses and operands.
# result: d 0  c 0  1111 2222 d 0  3333 d 0  4444 d 0 4444  d 0  3333  d 0  d 0  5555  d 0
# result: 1f4 c8 6666 7777 64 3e8 8
.include "common.inc"
    START32
    # Over 4 GiB: #GP by way of DS, #SS by way of SS.
    FAULTS mov eax, [0xfffffffe]
    mov ebp, 0xfffffffd
    FAULTS mov eax, [ebp]
    # GS with a base and no end below 4 GiB: forward, around 4 GiB, and over the end.
    mov dword ptr [0x200010], 0x1111
    mov dword ptr [0x1ffff0], 0x2222
    mov dword ptr [gdt + SPARE], 0x0000ffff
    mov dword ptr [gdt + SPARE + 4], 0x00cf9220
    mov ax, SPARE
    mov gs, ax
    mov edx, gs:[0x10]
    REPORT edx
    mov ecx, -16
    mov edx, gs:[ecx]
    REPORT edx
    mov ecx, -2
    FAULTS mov edx, gs:[ecx]
    # FS that ends at 1 MiB.
    mov dword ptr [gdt + SPARE + 8], 0x0000ffff
    mov dword ptr [gdt + SPARE + 12], 0x004f9200
    mov ax, SPARE + 8
    mov fs, ax
    mov dword ptr [0x30000], 0x3333
    mov edx, fs:[0x30000]
    REPORT edx
    FAULTS mov edx, fs:[0xffffd]
    # DS that ends: what is inside, what reaches over it.
    mov dword ptr [0x3fffc], 0x4444
    mov dword ptr [gdt + SPARE + 16], 0x0000ffff
    mov dword ptr [gdt + SPARE + 20], 0x00439200
    mov ax, SPARE + 16
    mov ecx, 3
1:  mov ds, ax
    mov edx, [0x3fffc]
    dec ecx
    jnz 1b
    REPORT edx
    FAULTS mov edx, [0x3fffd]
    mov edx, [0x3fffc]
    REPORT edx
    # DS that cannot be written, and none at all.
    mov dword ptr [gdt + SPARE + 24], 0x0000ffff
    mov dword ptr [gdt + SPARE + 28], 0x00cf9000
    mov dword ptr [resume], offset 2f
    mov [resumeSp], esp
    mov ax, SPARE + 24
    mov ds, ax
    mov dword ptr [0x30000], 0
2:  mov edx, [0x30000]
    REPORT edx
    mov dword ptr [resume], offset 2f
    xor eax, eax
    mov ds, ax
    mov edx, [0x30000]
2:  # By way of CS: to be read alone.
    FAULTS mov dword ptr cs:[0x30000], eax
    mov dword ptr [0x30000], 0x5555
    mov edx, cs:[0x30000]
    REPORT edx
    FAULTS lock add dword ptr cs:[0x30000], eax
    # A loop that counts in an immediate of its own, and one whose instructions become others.
    mov ecx, 500
3:  mov edx, 0
    inc dword ptr [3b + 1]
    loop 3b
    mov edx, [3b + 1]
    REPORT edx
    mov ecx, 400
    xor edx, edx
4:  add edx, 1
    xor byte ptr [4b + 1], 0xea ^ 0xc2      # sub edx, 1 and add in turn
    xor byte ptr [5f], 0x40 ^ 0x90          # inc eax and nop
    xor eax, eax
5:  nop
    add edx, eax
    dec ecx
    jnz 4b
    REPORT edx
    # Addresses and operands of 16 bits.
    mov dword ptr [0x4321], 0x6666
    mov ebx, 0xabcd4300
    mov esi, 0x12340021
    addr16 mov edx, [bx + si]
    REPORT edx
    mov eax, 0x7777
    push ax
    push ax
    xor eax, eax
    pop ax
    pop dx
    REPORT eax
    xor edx, edx
    mov ecx, 0x10064
6:  inc edx
    addr16 loop 6b
    REPORT edx
    mov ecx, 1000
    xor edx, edx
7:  inc edx
    call 8f
    dec ecx
    jecxz 9f
    jmp 7b
8:  push ebp
    mov ebp, esp
    pusha
    popa
    leave
    ret
9:  REPORT edx
    # A jump that the prefix cuts to 16 bits, which is where this code is.
    xor ebp, ebp
    .byte 0x66, 0xeb, 0x05
    .long 0x90909090
    nop
    mov ebp, 8
    REPORT ebp
    DONE
    STUBS32
    TABLES
