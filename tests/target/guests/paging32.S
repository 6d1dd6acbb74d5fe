# Two-level paging: error codes, write protection with and without CR0.WP, accessed and dirty bits, 4 MiB pages, accesses
# that cross into a page that is not there.
# result: e 0 50000  e 2 50000  e 3 51000  12345678  e 0 52000  1  20 60  e 5 7c00  77  e 2 50000 5a5a5a5a
.include "common.inc"
    START32
    mov dword ptr [0x30000], 0x31007
    xor ecx, ecx
1:  mov eax, ecx
    shl eax, 12
    or eax, 3
    mov [0x31000 + ecx * 4], eax
    inc ecx
    cmp ecx, 1024
    jne 1b
    mov dword ptr [0x31000 + 0x50 * 4], 0       # not there
    mov dword ptr [0x31000 + 0x51 * 4], 0x51001 # read only
    mov dword ptr [0x31000 + 0x52 * 4], 0
    # The second 4 MiB: one large page at 0.
    mov eax, cr4
    or al, 0x10
    mov cr4, eax
    mov dword ptr [0x30004], 0x83
    mov eax, 0x30000
    mov cr3, eax
    mov eax, cr0
    or eax, 0x80000000
    mov cr0, eax
    FAULTS mov eax, [0x50000]
    FAULTS mov dword ptr [0x50000], 1
    # A supervisor may write a read-only page until CR0.WP is set.
    mov dword ptr [0x51000], 0x12345678
    mov eax, cr0
    or eax, 0x10000
    mov cr0, eax
    FAULTS mov dword ptr [0x51000], 1
    mov eax, [0x51000]
    REPORT eax
    # A read across the end of a page into nothing: CR2 is the second page's first byte.
    FAULTS mov eax, [0x51ffe]
    mov dword ptr [0x53000], 0
    FAULTS mov ebx, 1
    REPORT ebx
    # Accessed by a read, dirty by a write.
    mov eax, [0x54000]
    mov eax, [0x31000 + 0x54 * 4]
    and eax, 0x60
    REPORT eax
    mov dword ptr [0x55000], 1
    mov eax, [0x31000 + 0x55 * 4]
    and eax, 0x60
    REPORT eax
    # A user program may not fetch from a supervisor's page.
    mov dword ptr [resume], offset 2f
    mov dword ptr [resumeSp], esp
    push USERDATA
    push 0x58000
    push 2
    push USER32
    push 0x7c00
    iretd
2:  # 4 MiB page: 0x400000 is 0.
    mov dword ptr [0x5a000], 0x77
    mov eax, [0x45a000]
    REPORT eax
    # A store across a page's end that faults leaves the first part alone.
    mov dword ptr [0x4fffc], 0x5a5a5a5a
    FAULTS mov dword ptr [0x4fffe], 0
    mov eax, [0x4fffc]
    REPORT eax
    DONE
    STUBS32
    TABLES
