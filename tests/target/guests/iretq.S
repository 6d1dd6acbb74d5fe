# iretq to level 3 and within level 0, each of the same instruction three times: what translated code does by itself, and
# in between all that it must not: odd flags, selectors, descriptors and targets, frames in two pages.
# Of each: vector and error code (and CR2) of what ends it, CS and SS, flags and stack pointer as they were there.
# result: d 0 43003b 10002 5800 d 0 43003b 108d7 5800 d 0 43003b 10602 5800 d 0 43003b 210202 5800 6 0 180010 10002 6800 6 0 180010 108d7 6800 6 0 180010 210602 6800 6 0 180010 10002 6800 d 0 43003b 10002 5800 d 0 43003b 10102 5800 d 0 43003b 50002 5800 d 0 43003b 10002 5800 d 0 43003b 13002 5800 d 0 43003b 10002 5800 d 0 43003b 14002 5800 d 0 43003b 190002 5800 d 0 43003b 10002 5800 d 0 180000 14046 6fd8 d 0 43003b 10002 5800 6 0 180010 10102 6800 6 0 180010 50002 6800 6 0 180010 10002 6800 d 0 180010 10046 6fd8 d 0 180010 10046 6fd8 d 0 180010 10046 6fd8 d 0 180010 10046 6fd8 d 0 43003b 10002 5800 d 0 180000 10046 6fd8 d 0 180000 10046 6fd8 d 10 180000 10046 6fd8 d fff8 180000 10046 6fd8 d fffc 180000 10046 6fd8 d 18 180000 10046 6fd8 d 40 180000 10046 6fd8 d 40 180000 10046 6fd8 d 0 43003b 10002 5800 d 0 180000 10046 6fd8 d 0 180000 10046 6fd8 d 10 180000 10046 6fd8 d 40 180000 10046 6fd8 d 38 180000 10046 6fd8 d fff8 180000 10046 6fd8 d 0 43003b 10002 5800 6 0 180000 10002 6808 6 0 180010 10002 6809 d 0 33003b 10002 5800 d 0 43003b 10002 5800 6 0 180010 10002 6800 b 40 180010 10006 6fd8 d 0 43003b 10002 5800 d 0 43003b 10002 5800 d 38 180000 10046 6fd8 d 0 43003b 10002 5800 d 0 43003b 10002 5800 d 40 180000 10046 6fd8 d 0 43003b 10002 5800 d 0 43003b 10002 5800 d 0 43003b 10002 5800 d 0 43003b 10002 5800 d 0 43003b 10002 5800 d 0 43003b 10002 5800 d 0 43003b 10002 5800 6 0 180010 10002 6800 e 0 301000 180010 10046 300ff0 d 0 43003b 10002 5800 d 0 43003b 10002 5800 d 0 43003b 10002 5800 d 0 43003b 10002 5800 d 0 43003b 108d7 5800 d 0 43003b 10602 5800 d 0 43003b 210202 5800 6 0 180010 10002 6800 6 0 180010 108d7 6800 6 0 180010 210602 6800 6 0 180010 10002 6800 d 0 43003b 10002 5800 d 0 43003b 10102 5800 d 0 43003b 50002 5800 d 0 43003b 10002 5800 d 0 43003b 13002 5800 d 0 43003b 10002 5800 d 0 43003b 14002 5800 d 0 43003b 190002 5800 d 0 43003b 10002 5800 d 0 180000 14046 6fd8 d 0 43003b 10002 5800 6 0 180010 10102 6800 6 0 180010 50002 6800 6 0 180010 10002 6800 d 0 180010 10046 6fd8 d 0 180010 10046 6fd8 d 0 180010 10046 6fd8 d 0 180010 10046 6fd8 d 0 43003b 10002 5800 d 0 180000 10046 6fd8 d 0 180000 10046 6fd8 d 10 180000 10046 6fd8 d fff8 180000 10046 6fd8 d fffc 180000 10046 6fd8 d 18 180000 10046 6fd8 d 40 180000 10046 6fd8 d 40 180000 10046 6fd8 d 0 43003b 10002 5800 d 0 180000 10046 6fd8 d 0 180000 10046 6fd8 d 10 180000 10046 6fd8 d 40 180000 10046 6fd8 d 38 180000 10046 6fd8 d fff8 180000 10046 6fd8 d 0 43003b 10002 5800 6 0 180000 10002 6808 6 0 180010 10002 6809 d 0 33003b 10002 5800 d 0 43003b 10002 5800 6 0 180010 10002 6800 b 40 180010 10006 6fd8 d 0 43003b 10002 5800 d 0 43003b 10002 5800 d 38 180000 10046 6fd8 d 0 43003b 10002 5800 d 0 43003b 10002 5800 d 40 180000 10046 6fd8 d 0 43003b 10002 5800 d 0 43003b 10002 5800 d 0 43003b 10002 5800 d 0 43003b 10002 5800 d 0 43003b 10002 5800 d 0 43003b 10002 5800 d 0 43003b 10002 5800 6 0 180010 10002 6800 e 0 301000 180010 10046 300ff0 d 0 43003b 10002 5800 d 0 43003b 10002 5800 d 0 43003b 10002 5800 d 0 43003b 10002 5800 d 0 43003b 108d7 5800 d 0 43003b 10602 5800 d 0 43003b 210202 5800 6 0 180010 10002 6800 6 0 180010 108d7 6800 6 0 180010 210602 6800 6 0 180010 10002 6800 d 0 43003b 10002 5800 d 0 43003b 10102 5800 d 0 43003b 50002 5800 d 0 43003b 10002 5800 d 0 43003b 13002 5800 d 0 43003b 10002 5800 d 0 43003b 14002 5800 d 0 43003b 190002 5800 d 0 43003b 10002 5800 d 0 180000 14046 6fd8 d 0 43003b 10002 5800 6 0 180010 10102 6800 6 0 180010 50002 6800 6 0 180010 10002 6800 d 0 180010 10046 6fd8 d 0 180010 10046 6fd8 d 0 180010 10046 6fd8 d 0 180010 10046 6fd8 d 0 43003b 10002 5800 d 0 180000 10046 6fd8 d 0 180000 10046 6fd8 d 10 180000 10046 6fd8 d fff8 180000 10046 6fd8 d fffc 180000 10046 6fd8 d 18 180000 10046 6fd8 d 40 180000 10046 6fd8 d 40 180000 10046 6fd8 d 0 43003b 10002 5800 d 0 180000 10046 6fd8 d 0 180000 10046 6fd8 d 10 180000 10046 6fd8 d 40 180000 10046 6fd8 d 38 180000 10046 6fd8 d fff8 180000 10046 6fd8 d 0 43003b 10002 5800 6 0 180000 10002 6808 6 0 180010 10002 6809 d 0 33003b 10002 5800 d 0 43003b 10002 5800 6 0 180010 10002 6800 b 40 180010 10006 6fd8 d 0 43003b 10002 5800 d 0 43003b 10002 5800 d 38 180000 10046 6fd8 d 0 43003b 10002 5800 d 0 43003b 10002 5800 d 40 180000 10046 6fd8 d 0 43003b 10002 5800 d 0 43003b 10002 5800 d 0 43003b 10002 5800 d 0 43003b 10002 5800 d 0 43003b 10002 5800 d 0 43003b 10002 5800 d 0 43003b 10002 5800 6 0 180010 10002 6800 e 0 301000 180010 10046 300ff0 d 0 43003b 10002 5800 d 0 43003b 10002 5800 d 0 43003b 10002 5800
.include "common.inc"
    START32
    START64
    mov dword ptr [passes], 3
pass:
    mov dword ptr [step], 0
next:
    mov eax, [step]
    inc dword ptr [step]
    cmp eax, (casesEnd - cases) / 56
    je passed
    imul eax, eax, 56
    cmp eax, eax                        # what imul leaves of ZF and PF depends on the CPU
    lea rsi, [rax + cases]
    mov qword ptr [resume], offset back
    mov qword ptr [resumeSp], STACK
    mov rsp, [rsi + 48]
    push [rsi + 32]
    push [rsi + 24]
    push [rsi + 16]
    push [rsi + 8]
    push [rsi]
    jmp [rsi + 40]
go: iretq
    hlt
passed:
    dec dword ptr [passes]
    jnz pass
    DONE

inUser:
    hlt
inKernel:
    ud2
back:
    mov rdi, [handlerSp]
    mov ebx, [rdi + 24]
    shl ebx, 16
    or ebx, [rdi + 48]
    REPORT64 ebx
    REPORT64 [rdi + 32]
    REPORT64 [rdi + 40]
    jmp next

# What happens between the pushes and the iretq.
withNt:
    pushfq
    or dword ptr [rsp], 0x4000
    popfq
    jmp go
notPresent:
    and byte ptr [gdt + USER64 + 2], 0x7f
    jmp go
notAccessed:
    mov byte ptr [gdt + USER64 + 2], 0xfa
    jmp go
readOnlyStack:
    mov byte ptr [gdt + USERDATA + 2], 0xf0
    jmp go
writableStack:
    mov byte ptr [gdt + USERDATA + 2], 0xf2
    jmp go
shortTable:
    mov word ptr [gdtr], USER64 - 3 + 6
    lgdt [gdtr]
    jmp go
wholeTable:
    mov word ptr [gdtr], gdtEnd - gdt - 1
    lgdt [gdtr]
    jmp go
withData:
    mov eax, DATA
    mov ds, eax
    mov es, eax
    jmp go
withUserData:
    mov eax, USERDATA
    mov fs, eax
    jmp go
secondAbsent:
    mov dword ptr [PT + 0x101 * 8], 0
    invlpg [0x301000]
    jmp go
secondPresent:
    mov dword ptr [PT + 0x101 * 8], 0x301007
    invlpg [0x301000]
    jmp go

.macro CASE target, cs, flags, sp=0x5800, ss=USERDATA, hook=go, frame=STACK
    .quad \target, \cs, \flags, \sp, \ss, \hook, \frame
.endm
.macro USER flags=2, hook=go, frame=STACK
    CASE inUser, USER64, \flags, 0x5800, USERDATA, \hook, \frame
.endm
.macro KERNEL flags=2, hook=go, frame=STACK
    CASE inKernel, CODE64, \flags, 0x6800, DATA, \hook, \frame
.endm
    .balign 8
cases:
    USER
    USER 0x8d7
    USER 0x602
    USER 0xffffffff00200202
    KERNEL
    KERNEL 0x8d7
    KERNEL 0x200602
    KERNEL 0x10002
    USER 0x10002
    USER 0x102
    USER 0x40002
    USER
    USER 0x3002
    USER
    USER 0x4002
    USER 0x180002
    USER 0x20002
    USER 2, withNt
    USER
    KERNEL 0x102
    KERNEL 0x40002
    KERNEL
    CASE 0x800000000000, USER64, 2
    CASE inUser+0x1000000000000, USER64, 2
    CASE inUser+0xff00000000000000, USER64, 2
    CASE 0xffff7fffffffffff, CODE64, 2, 0x6800, DATA
    USER
    CASE inUser, 0, 2
    CASE inUser, 3, 2
    CASE inUser, DATA, 2
    CASE inUser, 0xfffb, 2
    CASE inUser, 0xffff, 2
    CASE inUser, CODE64+3, 2
    CASE inUser, USER64-3, 2
    CASE inUser, USER64-1, 2
    CASE inUser, USER64+0xabcd0000, 2
    CASE inUser, USER64, 2, 0x5800, 0
    CASE inUser, USER64, 2, 0x5800, 3
    CASE inUser, USER64, 2, 0x5800, DATA
    CASE inUser, USER64, 2, 0x5800, USER64
    CASE inUser, USER64, 2, 0x5800, USERDATA-3
    CASE inUser, USER64, 2, 0x5800, 0xfffb
    CASE inUser, USER64, 2, 0x800000005800, USERDATA
    CASE inKernel, CODE64, 2, 0x6808, 0
    CASE inKernel, CODE64, 2, 0x6809, DATA
    CASE inUser, USER32, 2
    USER
    KERNEL
    USER 2, notPresent
    USER 2, notAccessed
    USER
    USER 2, readOnlyStack
    USER 2, writableStack
    USER
    USER 2, shortTable
    USER 2, wholeTable
    USER
    USER 2, withData
    USER 2, withUserData
    USER
    USER 2, go, 0x5010
    USER 2, go, 0x6803
    KERNEL 2, go, 0x5010
    USER 2, secondAbsent, 0x301018
    USER 2, secondPresent
    USER 2, go, 0x301018
    USER
casesEnd:
passes: .long 0
step: .long 0
    STUBS64
    TABLES
