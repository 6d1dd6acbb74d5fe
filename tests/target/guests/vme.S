# Virtual-8086 mode extensions: cli, sti, pushf, popf and iret act on VIF with IOPL 0, an interrupt by the redirection map
# stays inside, a pending one (VIP) faults at sti, one that is not redirected comes to the monitor.
# result: d 0 30023202  d 0 3202 b0002  d 0 3202  d 0 101  d 0 101
.include "common.inc"
.macro RUN
    mov dword ptr [resume], offset 1f
    mov [resumeSp], esp
    mov eax, 0x2000
    push eax
    push eax
    push eax
    push eax
    push 0x3000
    push 0x100
    push [vmflags]
    push 0x2000
    push 0x100
    iretd
1:
.endm
# Bytes at 2000:0100.
.macro CODE first, rest:vararg
    .set at, 0x20100
    .irp byte, \first, \rest
    mov byte ptr [at], \byte
    .set at, at + 1
    .endr
.endm
    START32
    # The TSS: redirection map (32 bytes of zero: every interrupt stays inside) below an empty I/O map.
    mov word ptr [TSSAT + 0x66], 0x88
    mov byte ptr [TSSAT + 0x88], 0xff
    mov word ptr [gdt + TSS], 0x88
    mov byte ptr [gdt + TSS + 5], 0x89
    mov ax, TSS
    ltr ax
    mov eax, cr4
    or al, 1
    mov cr4, eax
    mov dword ptr [vmflags], 0x20002
    # sti; pushf; pop cx; cli; pushf; pop dx; hlt. The stub keeps neither, so they go to memory: mov [0], cx; mov [2], dx.
    CODE 0xfb, 0x9c, 0x59, 0xfa, 0x9c, 0x5a, 0x89, 0x0e, 0, 0, 0x89, 0x16, 2, 0, 0xf4
    RUN
    REPORT [0x20000]
    # popf sets VIF by the image's IF and leaves IOPL alone: push 0x200; popf; pushf; pop [0]; hlt
    CODE 0x68, 0x00, 0x02, 0x9d, 0x9c, 0x8f, 0x06, 0, 0, 0xf4
    mov dword ptr [0x20000], 0
    RUN
    REPORT [0x20000]
    mov ecx, [INNER - 28]       # EFLAGS of the frame
    and ecx, 0xbffff
    REPORT ecx
    # int 0x21 stays inside: its handler at 2000:0180 stores the image of the flags and goes back by iret.
    mov dword ptr [0x21 * 4], 0x20000180
    mov byte ptr [0x20180], 0x89            # mov bp, sp
    mov byte ptr [0x20181], 0xe5
    mov byte ptr [0x20182], 0x8b            # mov cx, [bp+4]
    mov byte ptr [0x20183], 0x4e
    mov byte ptr [0x20184], 0x04
    mov byte ptr [0x20185], 0x89            # mov [0], cx
    mov byte ptr [0x20186], 0x0e
    mov byte ptr [0x20187], 0
    mov byte ptr [0x20188], 0
    mov byte ptr [0x20189], 0xcf            # iret
    mov dword ptr [0x20000], 0
    CODE 0xfb, 0xcd, 0x21, 0xf4
    RUN
    REPORT [0x20000]
    # Redirected to the monitor: bit 0x21 of the map. IOPL is 0: #GP.
    mov byte ptr [TSSAT + 0x68 + 4], 2
    RUN
    mov byte ptr [TSSAT + 0x68 + 4], 0
    mov ecx, [INNER - 36]       # its EIP: the int itself
    REPORT ecx
    # With VIP set sti faults; cli does not.
    mov dword ptr [vmflags], 0x120002
    CODE 0xfa, 0xfb, 0xf4
    RUN
    mov ecx, [INNER - 36]
    REPORT ecx
    DONE
    .balign 4
vmflags: .long 0
    STUBS32
    TABLES
