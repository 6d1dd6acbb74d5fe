# Segment registers read into registers and memory, null selectors loaded in 64-bit code, bases of FS and GS written by
# wrmsr, control registers read: all of it three times, so that translated code does it.
# result: ffff003b 8 18 ffffff00 ffffff00 10 e 2 301000 12345678 7fff d 0 12345678 7fff d 0 12345678 7fff d 0 ffffffff 3 3 0 0 0 0 12345678 7fff d fff8 d 18 40000 620 301000 400 0 ffff003b 8 18 ffffff00 ffffff00 10 e 2 301000 12345678 7fff d 0 12345678 7fff d 0 12345678 7fff d 0 ffffffff 3 3 0 0 0 0 12345678 7fff d fff8 d 18 40000 620 301000 400 0 ffff003b 8 18 ffffff00 ffffff00 10 e 2 301000 12345678 7fff d 0 12345678 7fff d 0 12345678 7fff d 0 ffffffff 3 3 0 0 0 0 12345678 7fff d fff8 d 18 40000 620 301000 400 0
.include "common.inc"
    START32
    START64
    mov ebp, 3
again:
    mov eax, USERDATA
    mov fs, eax
    mov gs, eax
    mov eax, DATA
    mov ds, eax
    mov es, eax
    mov rax, -1
    mov [at], rax
    mov [at], fs
    mov rax, [at]
    REPORT64 eax
    mov r10, -1
    mov r10, ds
    shr r10, 1
    REPORT64 r10d
    mov r11d, cs
    REPORT64 r11d
    mov rax, -1
    mov ax, gs
    shr rax, 8
    REPORT64 eax
    mov r15, -1
    mov r15w, es
    shr r15, 8
    REPORT64 r15d
    # In two pages, and where there is none.
    mov [0x2fffff], ss
    movzx eax, word ptr [0x2fffff]
    REPORT64 eax
    mov dword ptr [PT + 0x101 * 8], 0
    invlpg [0x301000]
    mov ebx, 0x300fff
    FAULTS64 mov [rbx], ds
    mov dword ptr [PT + 0x101 * 8], 0x301007
    invlpg [0x301000]
    # A base stays until a selector is loaded, be it a null one.
    .irp register, 0xc0000100, 0xc0000101, 0xc0000102
    mov ecx, \register
    mov eax, 0x12345678
    mov edx, 0x7fff
    wrmsr
    xor eax, eax
    rdmsr
    REPORT64 eax
    REPORT64 edx
    FAULTS64 call notCanonical
    .endr
    stc
    mov eax, 3
    mov fs, eax
    mov r11d, 0
    mov gs, r11d
    mov es, r11d
    mov ds, eax
    sbb eax, eax
    REPORT64 eax
    mov eax, fs
    REPORT64 eax
    mov eax, ds
    REPORT64 eax
    .irp register, 0xc0000100, 0xc0000101, 0xc0000102
    mov ecx, \register
    rdmsr
    REPORT64 eax
    REPORT64 edx
    .endr
    mov eax, 0xfff8
    FAULTS64 mov fs, eax
    mov eax, CODE64 + 3
    FAULTS64 mov ds, eax
    mov rax, cr3
    REPORT64 eax
    mov r10, cr4
    REPORT64 r10d
    mov rax, cr2
    REPORT64 eax
    std
    pushfq
    pop rax
    cld
    pushfq
    pop rbx
    and eax, 0x400
    and ebx, 0x400
    REPORT64 eax
    REPORT64 ebx
    dec ebp
    jnz again
    DONE
notCanonical:
    mov edx, 0x8000
    wrmsr
    ret
    .balign 8
at: .quad 0
    STUBS64
    TABLES
