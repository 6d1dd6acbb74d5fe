# Code behind a virtual page is what the tables say after invlpg, a write of CR3 of either kind, INVPCID, and a change of
# a table above the last one, however often jumps from another page have led there; without the right to execute it
# they fault.
# result: 55 aa 55 6a4 55 aa 66 a6 e 11 200000 77
.include "common.inc"
.set PTC, 0x54000
.macro MAP table, entry
    mov dword ptr [\table], \entry
    mov dword ptr [\table + 4], 0
.endm
# The sum of what five calls give, direct and indirect ones.
.macro CALLS
    call sum
    REPORT64 ebp
.endm
.macro CR3 value, pcid, keep=0
    mov rax, (\keep << 63) | \value | \pcid
    mov cr3, rax
.endm
    START32
    START64
    # Four pages with a function each: mov eax, number; ret.
    mov ecx, 0
1:  mov eax, ecx
    shl eax, 12
    mov byte ptr [rax + 0x210000], 0xb8
    imul edx, ecx, 0x11
    add edx, 0x11
    mov [rax + 0x210001], edx
    mov byte ptr [rax + 0x210005], 0xc3
    inc ecx
    cmp ecx, 4
    jne 1b
    mov rax, cr4
    or rax, 0x20080             # PCIDE, PGE
    mov cr4, rax
    MAP PT, 0x210007
    invlpg [0x200000]
    CALLS                       # 5 * 11
    MAP PT, 0x211007
    invlpg [0x200000]
    CALLS                       # 5 * 22
    MAP PT, 0x210007
    CR3 PML4, 0
    CALLS
    # Another space with a table of its own in which all but this page is the same; back and forth.
    mov esi, PML4
    mov edi, 0x50000
    mov ecx, 0x4000
    rep movsb
    mov dword ptr [0x50000], 0x51007
    mov dword ptr [0x51000], 0x52007
    mov dword ptr [0x52008], 0x53007
    MAP 0x53000, 0x212007
    xor ebx, ebx
    mov r12d, 4
2:  CR3 PML4, 1, 1
    call sum
    add ebx, ebp
    CR3 0x50000, 2, 1
    call sum
    add ebx, ebp
    CR3 PML4, 1                 # drops
    call sum
    add ebx, ebp
    dec r12d
    jnz 2b
    REPORT64 ebx                # 4 * 5 * (11 + 33 + 11)
    # INVPCID of this address, and of the whole space.
    MAP PT, 0x210007
    CR3 PML4, 1
    CALLS
    MAP PT, 0x211007
    mov qword ptr [descriptor], 1
    mov qword ptr [descriptor + 8], 0x200000
    xor eax, eax
    invpcid rax, [descriptor]
    CALLS
    MAP PT, 0x210107            # global from here on
    mov eax, 1
    invpcid rax, [descriptor]
    call 0x200000
    mov ebx, eax
    call sum
    add ebx, ebp
    REPORT64 ebx                # 6 * 11
    # The table above leads to another one.
    mov esi, PT
    mov edi, PTC
    mov ecx, 0x1000
    rep movsb
    MAP PTC, 0x211007
    mov dword ptr [PD + 8], PTC + 7
    invlpg [0x200000]
    call sum
    sub ebp, 4
    REPORT64 ebp                # 5 * 22 - 4
    mov dword ptr [PTC + 4], 0x80000000
    invlpg [0x200000]
    FAULTS64 call 0x200000
    mov ebx, 0x77
    REPORT64 ebx
    DONE
sum:
    xor ebp, ebp
    mov edi, 0x200000
    mov r13d, 2
3:  call 0x200000
    add ebp, eax
    call rdi
    add ebp, eax
    dec r13d
    jnz 3b
    call rdi
    add ebp, eax
    ret
    .balign 16
descriptor: .quad 0, 0
    STUBS64
    TABLES
