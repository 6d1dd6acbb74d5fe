// The guest's vector and x87 state in the host's registers: whether it may be there, and its way in and out. Vectors
// are moved by the gates alone.
#include "target/x86/fpu/native.h"
#include "target/x86/fpu/pending.h"
#include "target/x86/t1/engine.h"
#include "target/x86/t1/translator.h"

namespace rhea::x86::t1 {

namespace {

constexpr std::uint32_t kSimdMasks = 0x1f80;
constexpr std::uint16_t kX87Masks = 0x3f;

}  // namespace

bool Engine::x87OnHost() const {
  const Fpu& fpu = cpu_.st.fpu;
  return (fpu.control & kX87Masks) == kX87Masks && (fpu.status & fpu::kStatusSummary) == 0;
}

bool Engine::hostRuns(const Native& native) const {
  if (native.vector && (cpu_.st.mxcsr & kSimdMasks) != kSimdMasks) return false;
  return !native.x87 || x87OnHost();
}

void Engine::x87ToState() {
  fpu::Image image;
  std::memcpy(&image, cpu_.area.x87.data(), sizeof image);
  Fpu& fpu = cpu_.st.fpu;
  fpu.control = static_cast<std::uint16_t>(image.control);
  fpu.status = static_cast<std::uint16_t>(image.status & ~std::uint32_t{fpu::kStatusSummary | fpu::kStatusBusy});
  fpu.tags = 0;
  const unsigned top = fpu.top();
  for (unsigned n = 0; n < 8; ++n) {
    if ((image.tag >> (2 * n) & 3) != 3) fpu.tags |= static_cast<std::uint8_t>(1U << n);
    Float80& to = fpu.registers[(top + n) & 7];
    std::memcpy(&to.mantissa, image.stack[n].data(), 8);
    std::memcpy(&to.signExponent, image.stack[n].data() + 8, 2);
  }
  cpu_.area.x87Live = 0;
}

void Engine::x87FromState() {
  const Fpu& fpu = cpu_.st.fpu;
  fpu::Image image{};
  image.control = fpu.control;
  image.status = fpu.status;
  for (unsigned n = 0; n < 8; ++n) {
    if ((fpu.tags >> n & 1) == 0) image.tag |= 3U << (2 * n);
  }
  const unsigned top = fpu.top();
  for (unsigned n = 0; n < 8; ++n) {
    const Float80& from = fpu.registers[(top + n) & 7];
    std::memcpy(image.stack[n].data(), &from.mantissa, 8);
    std::memcpy(image.stack[n].data() + 8, &from.signExponent, 2);
  }
  std::memcpy(cpu_.area.x87.data(), &image, sizeof image);
  cpu_.area.x87Live = 1;
}

std::uint64_t Engine::x87FromStateFromCode(Engine* engine) {
  if (!engine->x87OnHost()) return 0;
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
