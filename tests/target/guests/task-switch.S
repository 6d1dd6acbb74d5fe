# Hardware tasks: jmp and call through TSS descriptors, iret back by the link, a task gate for an exception.
# result: 11  4000  22  33  1  1  6  44
.include "common.inc"
.set OTHER, 0x2000      # TSS of the second task
.set THIRD, 0x2100      # and of the handler's
    START32
    # The second task.
    mov edi, OTHER
    mov ecx, 0x80
    xor eax, eax
    rep stosd
    mov dword ptr [OTHER + 0x20], offset second
    mov dword ptr [OTHER + 0x24], 2
    mov dword ptr [OTHER + 0x38], 0x6800
    mov dword ptr [OTHER + 0x48], DATA
    mov dword ptr [OTHER + 0x4c], CODE32
    mov dword ptr [OTHER + 0x50], DATA
    mov dword ptr [OTHER + 0x54], DATA
    mov dword ptr [OTHER + 0x28], 0x11
    mov dword ptr [gdt + SPARE], 0x20000067
    mov dword ptr [gdt + SPARE + 4], 0x00008900
    mov dword ptr [THIRD + 0x20], offset third
    mov dword ptr [THIRD + 0x24], 2
    mov dword ptr [THIRD + 0x38], 0x6600
    mov dword ptr [THIRD + 0x48], DATA
    mov dword ptr [THIRD + 0x4c], CODE32
    mov dword ptr [THIRD + 0x50], DATA
    mov dword ptr [THIRD + 0x54], DATA
    mov dword ptr [gdt + SPARE + 8], 0x21000067
    mov dword ptr [gdt + SPARE + 12], 0x00008900
    mov dword ptr [IDT + 6 * 8], (SPARE + 8) << 16
    mov dword ptr [IDT + 6 * 8 + 4], 0x8500
    mov ebx, 0x22
    .byte 0x9a                  # call SPARE:0
    .long 0
    .word SPARE
    # Back by iret: registers are as they were.
    REPORT ebx
    mov ebx, 0x33
    .byte 0x9a
    .long 0
    .word SPARE
    # The busy bits: ours is busy, the other is not.
    mov al, [gdt + TSS + 5]
    shr al, 1
    and eax, 1
    REPORT eax
    mov eax, cr0                # TS was set by the switch
    shr eax, 3
    and eax, 1
    REPORT eax
    clts
    mov ebx, 0x44
    ud2
    REPORT ebx
    DONE
second:
    REPORT eax
    pushfd
    pop ecx
    and ecx, 0x4000
    REPORT ecx
    iretd
    # The second time it goes on here.
    mov eax, 0x33
    REPORT eax
    iretd
third:
    # Takes the task that it interrupted past its ud2.
    mov eax, 6
    REPORT eax
    add dword ptr [TSSAT + 0x20], 2
    iretd
    STUBS32
    TABLES
