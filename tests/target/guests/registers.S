# A page of device registers is where the tables say, and may be accessed by whom they let: behind invlpg, writes of CR3,
# another table, and for each level and kind of access of its own, however often it was accessed before. The test has
# registers at 0xf00000, which answer 0xa0000 more than they were accessed, and at 0xf01000 (0xb0000).
# result: a0003 b0001 a0004 b0002 b0003 1234 b0004 b0005 e 3 210000 b0006 e 5 210000 b0008 e 0 210000 b0009 a0008 b000c e 0 500000 77
.include "common.inc"
.macro MAP entry
    mov dword ptr [PT + 0x10 * 8], \entry
    mov dword ptr [PT + 0x10 * 8 + 4], 0
.endm
.macro DROP
    invlpg [0x210000]
.endm
.macro TELL address=0x210000
    mov eax, [\address]
    REPORT64 eax
.endm
    START32
    START64
    MAP 0xf00007
    DROP
    mov ecx, 3
1:  mov eax, [0x210000]
    loop 1b
    REPORT64 eax
    MAP 0xf01007
    DROP
    TELL
    MAP 0xf00007
    mov rax, cr3
    mov cr3, rax
    TELL
    MAP 0xf01007
    DROP
    TELL
    TELL
    # Memory, and back.
    MAP 0x211007
    DROP
    mov dword ptr [0x210000], 0x1234
    TELL
    MAP 0xf01007
    DROP
    TELL
    # Who may read may not write.
    MAP 0xf01005
    DROP
    TELL
    FAULTS64 mov dword ptr [0x210000], eax
    TELL
    # A supervisor's is not the user's.
    MAP 0xf01003
    DROP
    mov eax, [0x210000]
    mov dword ptr [0x210000], eax
    mov dword ptr [resume], offset 2f
    mov dword ptr [resume + 4], 0
    mov [resumeSp], rsp
    push USERDATA
    push INNER
    push 2
    push USER64
    lea rax, [rip + user]
    push rax
    iretq
2:  TELL
    # Gone.
    MAP 0xf01002
    DROP
    FAULTS64 mov eax, [0x210000]
    MAP 0xf01007
    DROP
    TELL
    # As pages of 2 MiB: dropping any address of it drops them all.
    mov dword ptr [PD + 16], 0xe00087
    invlpg [0x400000]
    mov ecx, 4
3:  mov eax, [0x500000]
    loop 3b
    REPORT64 eax
    mov eax, [0x501000]
    mov eax, [0x501000]
    mov eax, [0x501000]
    REPORT64 eax
    mov dword ptr [PD + 16], 0
    invlpg [0x5fe000]
    FAULTS64 mov eax, [0x500000]
    mov eax, 0x77
    REPORT64 eax
    DONE
user:
    mov eax, [0x210000]
    mov eax, 0xbad
    REPORT64 eax
    STUBS64
    TABLES
