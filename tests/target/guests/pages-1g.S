# Pages of 1 GiB: what they map, accessed and dirty, read-only, not executable, reserved bits, PAT's bit that is none.
# result: 1234 a3 5678 e3  e 3 40210000  e 9 40210000  1234  e 11 40210010  77  e 0 40210000  1234
.include "common.inc"
.macro ENTRY low, high=0
    mov dword ptr [PDPT + 12], \high
    mov dword ptr [PDPT + 8], \low
    invlpg [0x40210000]
.endm
    START32
    START64
    # The first GiB a second time, from 0x40000000 on.
    ENTRY 0x83
    mov dword ptr [0x210000], 0x1234
    mov eax, [0x40210000]
    REPORT64 eax
    mov eax, [PDPT + 8]
    REPORT64 eax                # accessed
    mov dword ptr [0x40210004], 0x5678
    mov eax, [0x210004]
    REPORT64 eax
    mov eax, [PDPT + 8]
    REPORT64 eax                # dirty as well
    ENTRY 0x81
    FAULTS64 mov dword ptr [0x40210000], 1
    # Bits 13 to 29 are reserved, bit 12 is PAT's.
    ENTRY 0x2083
    FAULTS64 mov eax, [0x40210000]
    ENTRY 0x1083
    mov eax, [0x40210000]
    REPORT64 eax
    mov byte ptr [0x210010], 0xc3
    mov esi, 0x40210010
    ENTRY 0x83, 0x80000000
    FAULTS64 call rsi
    ENTRY 0x83
    call rsi
    mov eax, 0x77
    REPORT64 eax
    ENTRY 0x82
    FAULTS64 mov eax, [0x40210000]
    ENTRY 0x83
    mov eax, [0x40210000]
    REPORT64 eax
    DONE
    STUBS64
    TABLES
