# The way from the PVH entry (32-bit protected mode, no paging, EBX = start info) to main() in long mode: page tables
# that map the first 4 GiB to themselves, a 64-bit code segment, a stack, and the interrupt stubs.

        .section .note.pvh, "a", @note
        .long 4, 4, 18                  # name, description, XEN_ELFNOTE_PHYS32_ENTRY
        .asciz "Xen"
        .long entry32

        .text
        .code32
        .globl entry32
entry32:
        cld
        cli
        movl $stackTop, %esp
        movl %ebx, %ebp                 # start info
        movl $pml4, %edi
        movl $(pdpt + 3), (%edi)
        movl $pdpt, %edi
        movl $(directories + 3), %eax
        movl $4, %ecx
1:      movl %eax, (%edi)
        addl $4096, %eax
        addl $8, %edi
        loop 1b
        movl $directories, %edi
        movl $0x83, %eax                # present, writable, 2 MiB
        movl $2048, %ecx
2:      movl %eax, (%edi)
        addl $0x200000, %eax
        addl $8, %edi
        loop 2b
        movl $0x20, %eax                # PAE
        movl %eax, %cr4
        movl $pml4, %eax
        movl %eax, %cr3
        movl $0xc0000080, %ecx          # EFER.LME
        rdmsr
        orl $0x100, %eax
        wrmsr
        movl $0x80000011, %eax          # paging, protection
        movl %eax, %cr0
        lgdt gdtPointer
        ljmp $8, $entry64

        .code64
entry64:
        movl $16, %eax
        movl %eax, %ds
        movl %eax, %es
        movl %eax, %ss
        xorl %eax, %eax
        movl %eax, %fs
        movl %eax, %gs
        movl %ebp, %edi
        call guestMain
3:      hlt
        jmp 3b

# Vectors 32 to 63 push their number and go one way; exceptions 0 to 31 another, for good.
        .macro stub number
        .balign 16
        pushq $\number
        jmp common
        .endm
        .balign 16
        .globl stubs
stubs:
        .set number, 0
        .rept 64
        stub number
        .set number, number + 1
        .endr

common:
        pushq %rax
        pushq %rcx
        pushq %rdx
        pushq %rsi
        pushq %rdi
        pushq %r8
        pushq %r9
        pushq %r10
        pushq %r11
        movq 72(%rsp), %rdi
        leaq 80(%rsp), %rsi
        cld
        call guestInterrupt
        popq %r11
        popq %r10
        popq %r9
        popq %r8
        popq %rdi
        popq %rsi
        popq %rdx
        popq %rcx
        popq %rax
        addq $8, %rsp
        iretq

        .section .rodata
        .balign 8
gdt:    .quad 0
        .quad 0x00af9a000000ffff        # 64-bit code
        .quad 0x00cf92000000ffff        # data
gdtPointer:
        .word gdtPointer - gdt - 1
        .quad gdt

        .bss
        .balign 4096
pml4:   .skip 4096
pdpt:   .skip 4096
directories:
        .skip 4 * 4096
        .skip 32768
stackTop:
        .section .note.GNU-stack, "", @progbits
