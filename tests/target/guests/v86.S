# A virtual-8086 program: its segments, its interrupts and privileged instructions that come to the monitor, its ports.
# result: d 0  33002  1234  d 0  d 0  5678
.include "common.inc"
    START32
    # Code at 0x20000 (segment 0x2000): mov ax, [0]; hlt
    mov dword ptr [0x20100], 0x0000a12e         # mov ax, cs:[0]
    mov byte ptr [0x20103], 0
    mov byte ptr [0x20104], 0xf4
    mov dword ptr [0x20104], 0x90f4
    mov word ptr [0x20000], 0x1234
    mov dword ptr [resume], offset first
    mov [resumeSp], esp
    mov eax, 0x2000
    push eax            # gs
    push eax            # fs
    push eax            # ds
    push eax            # es
    push 0x3000         # ss
    push 0x100          # esp
    push 0x23002        # VM, IOPL 3
    push 0x2000         # cs
    push 0x100          # eip
    iretd
first:
    # hlt: #GP(0), reported by the stub. The frame that it pushed on the inner stack shows VM, and RF as of every fault.
    mov ecx, [INNER - 28]
    REPORT ecx
    and eax, 0xffff
    movzx ecx, word ptr [0x20000]
    REPORT ecx
    # With IOPL 0 int comes to the monitor as #GP, and so does cli.
    mov word ptr [0x20100], 0x21cd
    call again
    mov word ptr [0x20100], 0xfa90
    call again
    mov ebx, 0x5678
    REPORT ebx
    DONE
again:
    mov dword ptr [resume], offset 1f
    mov [resumeSp], esp
    mov eax, 0x2000
    push eax
    push eax
    push eax
    push eax
    push 0x3000
    push 0x100
    push 0x20002
    push 0x2000
    push 0x100
    iretd
1:  ret
    STUBS32
    TABLES
