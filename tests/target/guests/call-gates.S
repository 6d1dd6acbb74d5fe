# Call gates of 32 and 16 bits: to an inner level by the stack of the TSS with parameters copied, far returns that drop
# them on both stacks, a gate to the same level, the gate's rights and presence, targets that are no code.
# result: 10 5fe8 33 53f8 3b 1111 2222  5400  5ff6 33 53fe 3b 5555  d 1a 5400  4444 6ffc  d 58  b 58  d 0  d 10
.include "common.inc"
.set GATE32BIT, SPARE + 3   # RPL 3
.set GATE16BIT, SPARE + 8 + 3
.set GATESAME, SPARE + 16
.macro CALL selector
    .byte 0x9a
    .long 0
    .word \selector
.endm
.macro GATE at, target, attributes
    mov eax, offset \target
    mov word ptr [gdt + \at], ax
    mov word ptr [gdt + \at + 2], CODE32
    mov word ptr [gdt + \at + 4], \attributes
    shr eax, 16
    mov word ptr [gdt + \at + 6], ax
.endm
# At level 3, to go on at \place at level 0 with a fault.
.macro USER place
    push USERDATA
    push 0x5400
    push 2
    push USER32
    push offset \place
    iretd
.endm
    START32
    GATE SPARE, inner, 0xec02
    GATE SPARE + 8, inner16, 0xe401
    GATE SPARE + 16, same, 0x8c02
    USER user
user:
    push 0x2222
    push 0x1111
    CALL GATE32BIT
    mov ecx, esp                # as before the parameters
    sub esp, 2
    mov word ptr [esp], 0x5555
    CALL GATE16BIT
    mov edx, esp
    mov dword ptr ss:[resume], offset level0
    mov dword ptr ss:[resumeSp], STACK
    int3                        # its gate has level 0: #GP, and level 0 again
inner:
    mov ebx, esp
    mov ax, DATA
    mov ds, ax
    mov ax, ss
    movzx eax, ax
    REPORT eax
    REPORT ebx
    mov eax, [ebx + 4]
    REPORT eax
    mov eax, [ebx + 16]
    REPORT eax
    mov eax, [ebx + 20]
    REPORT eax
    mov eax, [ebx + 8]
    REPORT eax
    mov eax, [ebx + 12]
    REPORT eax
    retf 8
inner16:
    mov ax, DATA
    mov ds, ax
    REPORT ecx
    mov ebx, esp
    REPORT ebx
    movzx eax, word ptr [ebx + 2]
    REPORT eax
    movzx eax, word ptr [ebx + 6]
    REPORT eax
    movzx eax, word ptr [ebx + 8]
    REPORT eax
    movzx eax, word ptr [ebx + 4]
    REPORT eax
    .byte 0x66                  # the frame has words
    retf 2
level0:
    REPORT edx
    CALL GATESAME
    REPORT esp
    # The gate's own rights, its presence, its code segment, the stack of the inner level.
    mov dword ptr [resume], offset 1f
    mov byte ptr [gdt + SPARE + 5], 0x8c
    USER callIt
1:  mov dword ptr [resume], offset 2f
    mov byte ptr [gdt + SPARE + 5], 0x6c
    USER callIt
2:  mov dword ptr [resume], offset 3f
    mov byte ptr [gdt + SPARE + 5], 0xec
    mov word ptr [gdt + SPARE + 2], 0
    USER callIt
3:  mov dword ptr [resume], offset 4f
    mov word ptr [gdt + SPARE + 2], CODE32
    mov word ptr [gdt + SPARE + 2], DATA
    USER callIt
4:  DONE
callIt:
    CALL GATE32BIT
same:
    mov eax, 0x4444
    REPORT eax
    retf
    STUBS32
    TABLES
