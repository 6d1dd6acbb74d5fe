// The guest's vector and x87 state in the host's registers: whether it may be there, and its way in and out. Vectors
// are moved by the gates alone.
#include "target/x86/fpu/native.h"
#include "target/x86/simd/mxcsr.h"
#include "target/x86/t1/engine.h"
#include "target/x86/t1/translator.h"

namespace rhea::x86::t1 {

bool Engine::hostRuns(const Native& native) const {
  if (raises_) return true;
  if (native.vector && (cpu_.st.mxcsr & simd::kMxcsrMasks) != simd::kMxcsrMasks) return false;
  return !native.x87 || fpu::fitsHost(cpu_.st.fpu);
}

void Engine::x87ToState() {
  fpu::storeFromHost(cpu_.st.fpu);
  cpu_.area.x87Live = 0;
}

void Engine::x87FromState() {
  fpu::loadToHost(cpu_.st.fpu);
  cpu_.area.x87Live = 1;
}

std::uint64_t Engine::x87FromStateFromCode(Engine* engine) {
  if (!engine->raises_ && !fpu::fitsHost(engine->cpu_.st.fpu)) return 0;
  engine->x87FromState();
  return 1;
}

// A block notes the instruction behind the last of them only.
void Engine::noteX87(const Site& site) {
  const Block& block = *site.native->block;
  State& st = cpu_.st;
  bool found = false;
  for (unsigned n = site.index; n-- > 0;) {
    const Insn& insn = block.insns[n];
    if (changesX87Notes(insn)) return;
    if (!computesX87(insn)) continue;
    if (!found) {
      found = true;
      st.fpu.opcode = x87Opcode(insn);
      st.fpu.ip = site.native->rip + insn.end - insn.length;
      st.fpu.ipSelector = st.segments[kCs].selector;
    }
    if (!insn.memory()) continue;
    st.fpu.dpSelector = st.segments[insn.segment()].selector;
    return;
  }
}

}  // namespace rhea::x86::t1
