# PCIDs: a CR3 write with bit 63 keeps what its address space has looked up, without it drops that; global pages stay;
# INVPCID's four kinds and its faults; PCIDE's own conditions.
# result: d 0  11 22 33 22 44 55 11 22 33  33 33 44 55 11  d 0  d 0  d 0  d 0  d 0  66
.include "common.inc"
.set PML4B, 0x50000
.set PDPTB, 0x51000
.set PDB, 0x52000
.set PTB, 0x53000
.set KEEP, 1 << 63
# The table's entry for the page at 0x200000, of either space, and a read of that page.
.macro MAP table, page
    mov dword ptr [\table], \page + 7
.endm
.macro SHOW
    mov eax, [0x200000]
    REPORT64 eax
.endm
.macro CR3 value, pcid, keep=0
    mov rax, (\keep << 63) | \value | \pcid
    mov cr3, rax
.endm
    START32
    START64
    # The second space: the same, with a table of its own.
    mov esi, PML4
    mov edi, PML4B
    mov ecx, 0x1000
    rep movsd
    mov dword ptr [PML4B], PDPTB + 7
    mov dword ptr [PDPTB], PDB + 7
    mov dword ptr [PDB + 8], PTB + 7
    mov dword ptr [0x210000], 0x11
    mov dword ptr [0x211000], 0x22
    mov dword ptr [0x212000], 0x33
    mov dword ptr [0x213000], 0x44
    mov dword ptr [0x214000], 0x55
    # PCIDE may not come on while CR3 has a PCID.
    mov rax, PML4 + 8
    mov cr3, rax
    mov rax, cr4
    or rax, 0x20080             # PCIDE, PGE
    FAULTS64 mov cr4, rax
    mov rax, PML4
    mov cr3, rax
    mov rax, cr4
    or rax, 0x20080
    mov cr4, rax
    MAP PT, 0x210000
    MAP PTB, 0x211000
    CR3 PML4, 1
    SHOW                        # 11, in space 1
    CR3 PML4B, 2
    SHOW                        # 22, in space 2
    # Space 1's table changes; space 2 sees nothing of it, and a return that drops sees the new one.
    MAP PT, 0x212000
    CR3 PML4, 1
    SHOW                        # 33
    CR3 PML4B, 2, 1
    SHOW                        # 22
    # INVPCID 0: one address of another space.
    MAP PTB, 0x213000
    CR3 PML4, 1, 1
    mov qword ptr [descriptor], 2
    mov qword ptr [descriptor + 8], 0x200000
    xor eax, eax
    invpcid rax, [descriptor]
    CR3 PML4B, 2, 1
    SHOW                        # 44
    # 1: one whole space, this one.
    MAP PTB, 0x214000
    mov eax, 1
    invpcid rax, [descriptor]
    SHOW                        # 55
    # 3: all spaces but what is global. 2: everything.
    MAP PTB, 0x210000
    mov eax, 3
    invpcid rax, [descriptor]
    SHOW                        # 11
    mov dword ptr [PTB], 0x211107
    invlpg [0x200000]
    SHOW                        # 22, global
    MAP PTB, 0x212000
    mov eax, 2
    invpcid rax, [descriptor]
    SHOW                        # 33
    # invlpg in the other space: this one keeps what is not global there.
    CR3 PML4, 1, 1
    MAP PTB, 0x213000
    SHOW                        # 33
    invlpg [0x200000]
    CR3 PML4B, 2, 1
    SHOW                        # 33
    invlpg [0x200000]
    SHOW                        # 44
    mov dword ptr [PTB], 0x214107
    invlpg [0x200000]
    SHOW                        # 55, global
    CR3 PML4, 1, 1
    MAP PTB, 0x210000
    invlpg [0x200000]
    CR3 PML4B, 2, 1
    SHOW                        # 11
    # Its faults: a kind that there is not, a PCID with more than 12 bits, an address that is not canonical.
    mov eax, 4
    FAULTS64 invpcid rax, [descriptor]
    mov qword ptr [descriptor], 0x1002
    mov eax, 1
    FAULTS64 invpcid rax, [descriptor]
    mov qword ptr [descriptor], 2
    mov rcx, 1 << 63
    mov [descriptor + 8], rcx
    xor eax, eax
    FAULTS64 invpcid rax, [descriptor]
    # Without PCIDE the descriptor names PCID 0 or nothing.
    mov qword ptr [descriptor + 8], 0
    CR3 PML4B, 0
    mov rax, cr4
    and rax, ~0x20000
    mov cr4, rax
    xor eax, eax
    FAULTS64 invpcid rax, [descriptor]
    # Bit 63 is a reserved one then.
    mov rax, KEEP | PML4B
    FAULTS64 mov cr3, rax
    mov ebx, 0x66
    REPORT64 ebx
    DONE
    .balign 16
descriptor: .quad 0, 0
    STUBS64
    TABLES
