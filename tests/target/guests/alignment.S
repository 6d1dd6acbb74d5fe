# Alignment checks: with CR0.AM and EFLAGS.AC, at level 3 only; SSE's aligned moves give #GP whatever AC is; a word at an odd
# address, an eight-byte load, a push; the levels' own system accesses are never checked.
# result: 5  11 0  11 0  11 0  d 0  6 0  6
.include "common.inc"
.macro USER place
    push USERDATA
    push 0x5400
    push 0x40002                # AC
    push USER32
    push offset \place
    iretd
.endm
    START32
    mov eax, cr0
    or eax, 0x40000
    mov cr0, eax
    mov eax, cr4
    or eax, 0x600
    mov cr4, eax
    # Level 0 may, with AC as well.
    pushfd
    or dword ptr [esp], 0x40000
    popfd
    mov eax, [place + 1]
    mov ebx, 5
    REPORT ebx
    mov dword ptr [resumeSp], STACK
    mov dword ptr [resume], offset 1f
    USER asWord
asWord:
    mov bx, ss:[place + 1]
    hlt
1:  mov dword ptr [resume], offset 2f
    USER asQuad
asQuad:
    movq xmm0, ss:[place + 4]   # aligned by four
    hlt
2:  mov dword ptr [resume], offset 3f
    USER byPush
byPush:
    mov bx, ss:[place + 2]
    sub esp, 2
    push eax
    hlt
3:  mov dword ptr [resume], offset 4f
    USER byAligned
byAligned:
    mov ebx, ss:[place + 4]
    mov bl, ss:[place + 3]
    movaps xmm0, ss:[place + 8]
    hlt
4:  mov dword ptr [resume], offset 5f
    # Without AM AC means nothing.
    mov eax, cr0
    and eax, ~0x40000
    mov cr0, eax
    mov dword ptr [count], 0
    USER freely
freely:
    mov ebx, ss:[place + 1]
    mov ebx, 6
    mov ss:[count], ebx
    ud2
5:  REPORT [count]
    DONE
    .balign 16
place: .quad 0, 0, 0
count: .long 0
    STUBS32
    TABLES
