# Code that writes code: the next instruction, its own block, another page, an instruction across two pages, through rep
# stos, and a page that is remapped.
# result: 2  7  9  33  44  1  5
.include "common.inc"
    START32
    # The immediate of the next instruction.
    mov byte ptr [1f + 1], 2
1:  mov eax, 1
    REPORT eax
    # A loop that changes its own addend: 1 + 2 + 4.
    xor eax, eax
    mov ecx, 3
    mov byte ptr [2f + 2], 1
2:  add eax, 1
    shl byte ptr [2b + 2], 1
    loop 2b
    REPORT eax
    # A function elsewhere, called before and after.
    mov edi, 0x20000
    mov byte ptr [edi], 0xb8
    mov dword ptr [edi + 1], 4
    mov byte ptr [edi + 5], 0xc3
    call edi
    mov ebx, eax
    mov dword ptr [edi + 1], 5
    call edi
    add eax, ebx
    REPORT eax
    # mov eax, imm32 across a page's end: the immediate's upper bytes are on the second page.
    mov edi, 0x21ffe
    mov byte ptr [edi], 0xb8
    mov dword ptr [edi + 1], 0x22
    mov byte ptr [edi + 5], 0xc3
    call edi
    mov dword ptr [edi + 1], 0x33
    call edi
    REPORT eax
    # rep stosb over what comes next: inc eax (0x40) becomes nop (0x90).
    mov edx, 0x44
    mov edi, offset 3f
    mov ecx, 8
    mov al, 0x90
    rep stosb
3:  .fill 8, 1, 0x42
    REPORT edx
    # Paging: two pages with different code, the mapping of one address changed with and without invlpg.
    mov byte ptr [0x24000], 0xb8
    mov dword ptr [0x24001], 1
    mov byte ptr [0x24005], 0xc3
    mov byte ptr [0x25000], 0xb8
    mov dword ptr [0x25001], 5
    mov byte ptr [0x25005], 0xc3
    mov dword ptr [0x30000], 0x31003
    xor ecx, ecx
4:  mov eax, ecx
    shl eax, 12
    or eax, 3
    mov [0x31000 + ecx * 4], eax
    inc ecx
    cmp ecx, 1024
    jne 4b
    mov eax, 0x30000
    mov cr3, eax
    mov eax, cr0
    or eax, 0x80000000
    mov cr0, eax
    mov edi, 0x24000
    call edi
    REPORT eax
    mov dword ptr [0x31000 + 0x24 * 4], 0x25003
    invlpg [0x24000]
    call edi
    REPORT eax
    DONE
    STUBS32
    TABLES
