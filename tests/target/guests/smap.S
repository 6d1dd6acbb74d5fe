# SMEP, SMAP with AC, stac and clac, the processor's own reads of tables, UMIP at level 3; 64-bit mode.
# result: e 11 200000  77  e 1 201000  55  e 3 201000  e 1 201000  e 1 201000  e 1 201108  e 3 2010f0 e 1 201000  e 1 201000  e 1 201108  e 3 2010f0 e 1 201000  e 1 201000  e 1 201108  e 3 2010f0 e 1 201000  e 1 201000  e 1 201108  e 3 2010f0  6 0  d 0  d 0  6 0  e 1 200010  9
.include "common.inc"
    START32
    START64
    # The first 2 MiB become the supervisor's, the page table's pages stay the user's; the last of them is ours.
    mov dword ptr [PD], 0x83
    mov dword ptr [PT + 2 * 8], 0x202003
    mov rax, cr3
    mov cr3, rax
    mov byte ptr [0x200000], 0xc3
    mov dword ptr [0x201000], 0x77
    mov rax, cr4
    or eax, 0x100000            # SMEP
    mov cr4, rax
    mov ecx, 0x200000
    FAULTS64 call rcx
    mov eax, [0x201000]
    REPORT64 eax
    mov rax, cr4
    or eax, 0x200000            # SMAP
    mov cr4, rax
    FAULTS64 mov eax, [0x201000]
    stac
    mov dword ptr [0x201000], 0x55
    mov ebx, [0x201000]
    clac
    REPORT64 ebx
    FAULTS64 mov dword ptr [0x201000], 1
    # What loops and the stack have found there with AC is out of reach without it, for the same code. Page faults have a
    # stack of their own for that.
    mov byte ptr [IDT + 14 * 16 + 4], 1
    mov dword ptr [TSSAT + 0x24], 0x6800
    mov ebp, 4
2:  .irp function, sum, sum
    stac
    call \function
    clac
    FAULTS64 call \function
    clac
    .endr
    .irp does, pop, push
    mov r8, rsp
    mov esp, 0x201100
    stac
    \does rax
    clac
    FAULTS64 \does rax
    mov rsp, r8
    .endr
    dec ebp
    jnz 2b
    mov rax, cr4
    and eax, ~0x300000
    or eax, 0x800               # UMIP
    mov cr4, rax
    # At level 3 (its page is the user's): stac is #UD, sgdt and smsw #GP.
    lea rsi, [userCode]
    mov edi, 0x200100
    mov ecx, userEnd - userCode
    rep movsb
    .macro USER offset, place
    mov dword ptr [resume], offset \place
    mov qword ptr [resumeSp], STACK
    push USERDATA
    push 0x201800
    push 2
    push USER64
    push 0x200100 + \offset
    iretq
    .endm
    USER 0, 1f
1:  USER 3, 1f
1:  USER 11, 1f
1:  # Without UMIP they may.
    mov rax, cr4
    and eax, ~0x800
    mov cr4, rax
    USER 3, 1f
1:  mov rax, cr4
    or eax, 0x200000
    mov cr4, rax
    stac
    # A segment of an LDT that is in a user page: the processor reads as a supervisor, and AC does not help it.
    mov dword ptr [gdt + SPARE], 0x00000fff
    mov dword ptr [gdt + SPARE + 4], 0x00008220
    mov qword ptr [gdt + SPARE + 8], 0
    mov eax, SPARE
    lldt ax
    mov eax, 0x14               # LDT, index 2: at 0x200010
    FAULTS64 mov ds, eax
    clac
    mov eax, [0x202000]         # the supervisor's page
    mov ebx, 9
    REPORT64 ebx
    DONE
sum:
    mov ecx, 8
    mov esi, 0x201000
3:  add eax, [rsi]
    add esi, 4
    dec ecx
    jnz 3b
    ret
    .code64
userCode:
    stac                        # 0
    sgdt [0x201900]             # 3
    smsw eax                    # 11
    ud2                         # 14
userEnd:
    STUBS64
    TABLES
