# fxsave and fxrstor in blocks that do not compute with the x87 unit, as a kernel's switch of tasks: what one task left
# comes back behind what another one did, and an exception that waits in what is restored is raised by the next x87
# instruction, not before.
# result: 3 1 0 0 10 0 3 1 0 0 10 0 3 1 0 0 10 0 3 1 0 0 10 0 3 1 0 0 10 0 3 1 0 0 10 0
.include "common.inc"
# Far from code.
.set first, 0x210000
.set second, 0x210200
.set numbers, 0x210400
    START32
    START64
    mov rax, cr0
    or rax, 0x20                # NE
    mov cr0, rax
    fninit
    mov ebp, 6
again:
    fld1
    fldpi
    jmp 1f
1:  mov eax, ebp
    fxsave [first]
    jmp 2f
2:  fninit
    fldz
    fadd st(0), st(0)
    jmp 3f
3:  fxsave [second]
    fxrstor [first]
    mov ebx, ebp
    jmp 4f
4:  fistp dword ptr [numbers]
    fistp dword ptr [numbers + 4]
    REPORT64 [numbers]
    REPORT64 [numbers + 4]
    fxrstor [second]
    jmp 5f
5:  fistp dword ptr [numbers]
    fnstsw ax
    movzx eax, ax
    REPORT64 eax
    REPORT64 [numbers]
    # Division by zero, unmasked, waits.
    mov ax, [first]
    and word ptr [first], ~4
    or word ptr [first + 2], 0x8084
    fldz
    jmp 6f
6:  fxrstor [first]
    mov ecx, 1
    jmp 7f
7:  FAULTS64 fld1
    fnclex
    fninit
    dec ebp
    jnz again
    DONE
    STUBS64
    TABLES
