# What follows an instruction that ends its block is what is there now: the code's own page is mapped elsewhere by
# invlpg, a write of CR3, of CR4 and of EFER, and back; it lost the right to be executed; another table of gates, and
# CR0.TS, count at once. Each has been passed before when nothing had changed.
# result: b c c b b c c b b c c b b c c b b c c b b c c b b c c b b c c b b c c b b c c b e 11 20100b 7 0
.include "common.inc"
.set VIRTUAL, 0x201000
.set SLOT, PT + 8
    START32
    START64
    # Three functions behind the same page, by turns: store rsi in the table, do it, tell which page this is.
    .macro BOTH function, end
    mov r14d, offset \function
    mov r15d, offset \end
    sub r15d, r14d
    call place
    call turns
    .endm
    BOTH byPage, byPageEnd
    BOTH byCr3, byCr3End
    BOTH byCr4, byCr4End
    BOTH byEfer, byEferEnd
    BOTH byPage, byPageEnd
    # No right to execute what follows.
    mov rsi, 0x202007
    mov rdi, SLOT
    mov [rdi], rsi
    invlpg [VIRTUAL]
    mov ebp, 5
1:  call VIRTUAL
    dec ebp
    jnz 1b
    mov rsi, 0x8000000000202007
    FAULTS64 call VIRTUAL
    # TS at once: #NM, and not any more behind clts.
    fninit
    mov ebp, 5
2:  mov rax, cr0
    and rax, ~8
    cmp ebp, 2
    jne 3f
    or rax, 8
3:  FAULTS64 call setTs
    clts
    fld1
    fstp st(0)
    dec ebp
    jnz 2b
    DONE
setTs:
    mov cr0, rax
    fld1
    fstp st(0)
    ret
# Function r14, of r15 bytes, to both pages; what is behind it says which it is.
place:
    mov qword ptr [PT + 16], 0x202007
    mov qword ptr [PT + 24], 0x203007
    mov edx, 0x202000
    mov ebx, 0xb
4:  mov esi, r14d
    mov edi, edx
    mov ecx, r15d
    rep movsb
    mov byte ptr [rdi], 0xb8    # mov eax, number; ret
    mov [rdi + 1], ebx
    mov byte ptr [rdi + 5], 0xc3
    inc ebx
    add edx, 0x1000
    cmp edx, 0x204000
    jne 4b
    ret
# Five times to stay, then there and back, and both again.
turns:
    mov rdi, SLOT
    mov qword ptr [rdi], 0x202007
    mov rax, cr3
    mov cr3, rax
    mov r13d, 2
5:  mov ebp, 5
6:  mov esi, 0x202007
    call do
    dec ebp
    jnz 6b
    REPORT64 eax
    mov esi, 0x203007
    call do
    REPORT64 eax
    mov ebp, 5
7:  mov esi, 0x203007
    call do
    dec ebp
    jnz 7b
    REPORT64 eax
    mov esi, 0x202007
    call do
    REPORT64 eax
    dec r13d
    jnz 5b
    ret
do: mov r9, cr4
    mov r10, r9
    xor r10, 0x80
    mov ecx, VIRTUAL
    call rcx
    ret
byPage:
    mov [rdi], rsi
    invlpg [VIRTUAL]
byPageEnd:
byCr3:
    mov rax, cr3
    mov [rdi], rsi
    mov cr3, rax
byCr3End:
byCr4:
    mov [rdi], rsi
    mov cr4, r10
byCr4End:
byEfer:
    mov ecx, 0xc0000080
    rdmsr
    xor eax, 0x800
    mov [rdi], rsi
    wrmsr
byEferEnd:
    STUBS64
    TABLES
