# Loops over memory whose page becomes another one behind an unchanged address, by invlpg, by a new CR3, and by walking
# on into the next page with operands that cross its edge.
# result: 88 88 88 110 198 88 1000 1000 7fd 0 1000 44
.include "common.inc"
.macro MAP entry, page
    mov dword ptr [PT + \entry * 8], \page + 7
.endm
# Eight times what is at 0x200000.
.macro SUM
    call sum
    REPORT64 ebx
.endm
    START32
    START64
    mov dword ptr [0x210000], 0x11
    mov dword ptr [0x211000], 0x22
    mov dword ptr [0x212000], 0x33
    MAP 0, 0x210000
    invlpg [0x200000]
    SUM                         # 88, each time
    SUM
    SUM
    MAP 0, 0x211000
    invlpg [0x200000]
    SUM                         # 110
    MAP 0, 0x212000
    mov rax, cr3
    mov cr3, rax
    SUM                         # 198
    MAP 0, 0x210000
    invlpg [0x200000]
    SUM                         # 88
    # Two pages that are no neighbours in memory: a word from 3 bytes before the first one's end on, 0x200 times.
    MAP 1, 0x214000
    invlpg [0x201000]
    call fill
    REPORT64 ebx                # 0x1000 times 1
    call fill
    REPORT64 ebx
    # The second one is another page now, which has been written nothing but zeroes.
    MAP 1, 0x215000
    invlpg [0x201000]
    mov rsi, 0x201000
    mov ecx, 0x200
1:  mov qword ptr [rsi], 0
    add rsi, 8
    dec ecx
    jnz 1b
    call count
    REPORT64 ebx                # those in the first one
    mov rsi, 0x201000
    mov ecx, 0x1000
    call counted
    REPORT64 ebx
    MAP 1, 0x214000
    invlpg [0x201000]
    call count
    REPORT64 ebx
    mov ebx, 0x44
    REPORT64 ebx
    DONE

sum:
    xor ebx, ebx
    mov ecx, 8
    mov rsi, 0x200000
1:  add ebx, [rsi]
    dec ecx
    jnz 1b
    ret
# Ones into 0x1000 bytes from 0x200803 on; how many there are.
fill:
    mov rsi, 0x200803
    mov ecx, 0x200
    mov rax, 0x0101010101010101
1:  mov [rsi], rax
    add rsi, 8
    dec ecx
    jnz 1b
    mov rsi, 0x200803
    mov ecx, 0x1000
    jmp counted
# The bytes of both pages.
count:
    mov rsi, 0x200800
    mov ecx, 0x1800
counted:
    xor ebx, ebx
1:  movzx eax, byte ptr [rsi]
    add ebx, eax
    inc rsi
    dec ecx
    jnz 1b
    ret
    STUBS64
    TABLES
