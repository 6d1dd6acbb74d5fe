# PAE paging without long mode: three levels, the four directory pointers loaded with CR3 and not looked at again, 2 MiB
# pages, the NX bit, reserved bits, a pointer with reserved bits.
# result: 77  e 0 40201000  e 3 203000  e 11 205000  e 9 206000  88  99  e 0 40202000  d 0  1
.include "common.inc"
.set PTRS, 0x20000
.set DIR0, 0x21000
.set DIR1, 0x22000
.set TAB, 0x23000
    START32
    mov edi, 0x20000
    mov ecx, 0x2000
    xor eax, eax
    rep stosd
    mov dword ptr [PTRS], DIR0 + 1
    mov dword ptr [PTRS + 8], DIR1 + 1
    mov dword ptr [DIR0], 0x83              # 2 MiB at 0
    mov dword ptr [DIR0 + 8], TAB + 7       # 0x200000: a table
    mov dword ptr [DIR1 + 8], TAB + 3       # 0x40200000: the same one
    mov ebx, 0x200
1:  mov eax, 0x200
    sub eax, ebx
    shl eax, 12
    or eax, 0x200003
    mov ecx, 0x200
    sub ecx, ebx
    mov [TAB + ecx * 8], eax
    dec ebx
    jnz 1b
    mov dword ptr [TAB + 1 * 8], 0
    mov dword ptr [TAB + 3 * 8], 0x203001   # read only
    mov dword ptr [TAB + 5 * 8 + 4], 0x80000000
    mov dword ptr [TAB + 6 * 8 + 4], 0x00100000
    mov eax, cr4
    or eax, 0x20
    mov cr4, eax
    mov eax, PTRS
    mov cr3, eax
    mov ecx, 0xc0000080
    rdmsr
    or eax, 0x800
    wrmsr
    mov eax, cr0
    or eax, 0x80010000
    mov cr0, eax
    mov dword ptr [0x200010], 0x77
    mov eax, [0x40200010]
    REPORT eax
    FAULTS mov eax, [0x40201000]
    FAULTS mov dword ptr [0x203000], 1
    # Nothing is executed from an NX page.
    mov byte ptr [0x205000], 0xc3
    mov dword ptr [resume], offset 2f
    mov [resumeSp], esp
    mov eax, 0x205000
    call eax
2:  FAULTS mov eax, [0x206000]              # a reserved bit
    # The pointers are those of the last CR3: a change in memory is not seen until CR3 is written.
    mov dword ptr [PTRS + 8], 0
    mov dword ptr [0x202000], 0x88
    mov eax, [0x40202000]
    REPORT eax
    mov eax, cr4                            # nor does a CR4 write without a change of paging bits
    mov cr4, eax
    mov dword ptr [0x202000], 0x99
    mov eax, [0x40202000]
    REPORT eax
    mov eax, cr3
    mov cr3, eax
    FAULTS mov eax, [0x40202000]
    # Reserved bits in a pointer: #GP at the write, and nothing changes.
    mov dword ptr [PTRS + 16], 0x21003
    mov eax, PTRS
    FAULTS mov cr3, eax
    mov ebx, 1
    REPORT ebx
    DONE
    STUBS32
    TABLES
