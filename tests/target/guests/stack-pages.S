# Stacks that go from page to page: deep recursion, two stacks in turn, operands across a page's edge, pages that become
# others between a push and its pop, and 16 bytes at a time counted from RSP.
# result: 112d76 112d76 112d76 112d76 112d76 112d76 112d76 112d76 112d76 112d76 112d76 112d76 b76150 2328 112d76 5dc 2904 5dc 225aec 112d76 44
.include "common.inc"
.set COUNT, 1500                # rounds; 0x112d76 is the sum of the numbers to that
.macro MAP entry, page
    mov dword ptr [PT + \entry * 8], \page + 7
.endm
    START32
    START64
    # Frames of 40 bytes, 1500 deep.
    mov r12d, 12
1:  mov rsp, 0x23fff0
    mov edi, COUNT
    xor eax, eax
    call deep
    mov rsp, STACK
    REPORT64 eax
    dec r12d
    jnz 1b
    # Two stacks in turn, pushes and pops of each by the same instructions: 6 * (2 + 3 + ... + 2001).
    mov r8, 0x240800
    mov r9, 0x248800
    mov ecx, 2000
    xor ebx, ebx
1:  mov r10d, 6
2:  mov rsp, r8
    xchg r8, r9
    push rcx
    push 1
    call leaf
    pop rax
    pop rdx
    add rbx, rax
    add rbx, rdx
    dec r10d
    jnz 2b
    dec ecx
    jnz 1b
    mov rsp, STACK
    REPORT64 ebx
    # Pushes across the edge of two pages that are no neighbours in memory.
    MAP 0x41, 0x253000
    invlpg [0x241000]
    mov ecx, COUNT
    xor ebx, ebx
    mov rsp, 0x241004
1:  push 6
    push rcx
    pop rdx
    pop rax
    add ebx, eax
    dec ecx
    jnz 1b
    mov rsp, STACK
    REPORT64 ebx
    # A pop from another page than the push before it.
    mov ecx, COUNT
    xor ebx, ebx
    xor esi, esi
    MAP 0x42, 0x254000
    invlpg [0x242000]
    mov qword ptr [0x2427f8], 7
1:  MAP 0x42, 0x255000
    invlpg [0x242000]
    mov rsp, 0x242800
    push rcx
    pop rdx
    push rdx
    MAP 0x42, 0x254000
    mov rax, cr3
    test cl, 1
    jz 2f
    mov cr3, rax
    jmp 3f
2:  invlpg [0x242000]
3:  pop rax
    add esi, eax
    MAP 0x42, 0x255000
    invlpg [0x242000]
    add ebx, [rsp - 8]
    dec ecx
    jnz 1b
    mov rsp, STACK
    REPORT64 ebx
    mov ebx, COUNT
    REPORT64 ebx
    REPORT64 esi                # seven times
    REPORT64 ebx
    # Vectors: aligned ones, and one across an edge.
    mov rax, cr4
    or eax, 0x600
    mov cr4, rax
    mov rsp, 0x243fe0
    mov ecx, COUNT
    pxor xmm0, xmm0
    pxor xmm3, xmm3
    movups [rsp + 0x18], xmm0
1:  movq xmm1, rcx
    movaps [rsp + 0x10], xmm1
    paddq xmm0, [rsp + 0x10]
    movups [rsp + 0x18], xmm1
    movups xmm2, [rsp + 0x18]
    paddq xmm3, xmm2
    paddq xmm3, [rsp]
    movaps [rsp], xmm1
    psubq xmm3, [rsp]
    paddq xmm0, xmm1
    dec ecx
    jnz 1b
    mov rsp, STACK
    movq rbx, xmm0
    REPORT64 ebx
    movq rbx, xmm3
    add ebx, 1
    REPORT64 ebx
    mov ebx, 0x44
    REPORT64 ebx
    DONE

# The sum of the numbers to RDI in RAX.
deep:
    push rbp
    lea rbp, [rsp + 8]
    sub rsp, 16
    mov [rsp + 8], rdi
    dec rdi
    jz 1f
    call deep
1:  add rax, [rsp + 8]
    add rsp, 16
    pop rbp
    ret
leaf:
    ret
    TABLES
    STUBS64
