// The x87 instructions that compute, load and store: one function for each first byte, the host does the rest.
#include "target/x86/fpu/native.h"
#include "target/x86/fpu/pending.h"

namespace rhea::x86 {
namespace {

using namespace fpu;

struct MemoryForm {
  std::uint8_t size;
  bool store;
};
// By first byte and ModRM.reg; the control instructions among them (size 0) are in fpu/control.cc.
constexpr MemoryForm kMemoryForms[8][8] = {
    {{4, 0}, {4, 0}, {4, 0}, {4, 0}, {4, 0}, {4, 0}, {4, 0}, {4, 0}},
    {{4, 0}, {0, 0}, {4, 1}, {4, 1}, {0, 0}, {0, 0}, {0, 0}, {0, 0}},
    {{4, 0}, {4, 0}, {4, 0}, {4, 0}, {4, 0}, {4, 0}, {4, 0}, {4, 0}},
    {{4, 0}, {4, 1}, {4, 1}, {4, 1}, {0, 0}, {10, 0}, {0, 0}, {10, 1}},
    {{8, 0}, {8, 0}, {8, 0}, {8, 0}, {8, 0}, {8, 0}, {8, 0}, {8, 0}},
    {{8, 0}, {8, 1}, {8, 1}, {8, 1}, {0, 0}, {0, 0}, {0, 0}, {0, 0}},
    {{2, 0}, {2, 0}, {2, 0}, {2, 0}, {2, 0}, {2, 0}, {2, 0}, {2, 0}},
    {{2, 0}, {2, 1}, {2, 1}, {2, 1}, {10, 0}, {8, 0}, {10, 1}, {8, 1}},
};

// Where an exception handler finds the last instruction that computed. FOP: the first byte's lower three bits, ModRM.
void noteInstruction(Cpu& cpu, const Insn& i, Fpu& fpu, unsigned opcode, unsigned modrm) {
  fpu.opcode = static_cast<std::uint16_t>((opcode & 7) << 8 | modrm);
  fpu.ip = cpu.rip(i);
  fpu.ipSelector = cpu.st.segments[kCs].selector;
}
void noteOperand(Cpu& cpu, const Insn& i, Fpu& fpu) {
  fpu.dp = i.slowAddress() ? cpu.effectiveMasked(i) : cpu.effective(i);
  fpu.dpSelector = cpu.st.segments[i.segment()].selector;
}

Outcome onMemory(Cpu& cpu, const Insn& i, unsigned opcode) {
  const MemoryForm form = kMemoryForms[opcode - 0xd8][i.reg];
  alignas(16) std::array<std::uint8_t, 16> operand{};
  std::uint64_t address;
  if (!cpu.linear(i, form.size, form.store ? AccessKind::kWrite : AccessKind::kRead, address)) return Outcome::kFault;
  if (!form.store && !cpu.loadBytes(address, operand.data(), form.size, i.segment())) return Outcome::kFault;
  NativeResult result = execute(cpu.st.fpu, opcode, i.reg, operand.data(), 0);
  if (form.store) {
    // A page fault comes first, also where an unmasked exception keeps the operand from being written.
    std::uint8_t* host = nullptr;
    const bool done = result.completed ? cpu.storeBytes(address, operand.data(), form.size, i.segment())
                                       : cpu.writable(address, form.size, i.segment(), host);
    if (!done) return Outcome::kFault;
  }
  noteInstruction(cpu, i, result.state, opcode, i.rm);
  noteOperand(cpu, i, result.state);
  cpu.st.fpu = result.state;
  return Outcome::kNext;
}

Outcome onRegisters(Cpu& cpu, const Insn& i, unsigned opcode) {
  const unsigned modrm = 0xc0u | static_cast<unsigned>(i.reg << 3) | (i.rm & 7u);
  NativeResult result = execute(cpu.st.fpu, opcode, modrm, nullptr, cpu.st.arithmeticFlags());
  noteInstruction(cpu, i, result.state, opcode, modrm);
  cpu.st.fpu = result.state;
  // fcomi, fucomi, fcomip, fucomip
  if ((opcode == 0xdb || opcode == 0xdf) && (i.reg == 5 || i.reg == 6)) cpu.st.setArithmetic(result.flags);
  return Outcome::kNext;
}

template <unsigned kOpcode>
Outcome compute(Cpu& cpu, const Insn& i) {
  if (exceptionPending(cpu)) return Outcome::kFault;
  return i.memory() ? onMemory(cpu, i, kOpcode) : onRegisters(cpu, i, kOpcode);
}

}  // namespace

RHEA_EXEC_BODY(fpu_d8, &compute<0xd8>)
RHEA_EXEC_BODY(fpu_d9, &compute<0xd9>)
RHEA_EXEC_BODY(fpu_da, &compute<0xda>)
RHEA_EXEC_BODY(fpu_db, &compute<0xdb>)
RHEA_EXEC_BODY(fpu_dc, &compute<0xdc>)
RHEA_EXEC_BODY(fpu_dd, &compute<0xdd>)
RHEA_EXEC_BODY(fpu_de, &compute<0xde>)
RHEA_EXEC_BODY(fpu_df, &compute<0xdf>)

}  // namespace rhea::x86
