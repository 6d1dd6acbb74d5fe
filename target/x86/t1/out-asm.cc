// -d out_asm.
#include "target/x86/decode.h"
#include "target/x86/t1/engine.h"
#include "target/x86/t1/transcribe.h"

namespace rhea::x86::t1 {

// What the program was built for and the host's CPU has, in the text of our own disassembler.
std::string listingOfHostCode(std::span<const std::uint8_t> code, std::uint64_t address) {
  static const RowSet rows(hostModel());
  constexpr std::uint32_t kMode64 = 2 | kModeOsfxsr | kModeAvx | kModeCpl0;
  return listing(code, address, kMode64, rows);
}

std::string Engine::listing(std::uint64_t first, std::uint64_t last) const {
  std::string text;
  for (const Generation& generation : generations_) {
    for (const Native& native : generation.natives) {
      if (native.block == nullptr || native.rip < first || native.rip > last) continue;
      const std::span<const std::uint8_t> code(cache_->writable(native.arrival), native.bytes);
      text += fmt::format("block at {:#x}, {} guest bytes\n", native.rip - first, native.block->bytes);
      text += listingOfHostCode(code, 0);
    }
  }
  return text;
}

void Engine::traceMade(const Native& made) const {
  if (!cpu_.environment().trace->wants(cpu::TraceLog::kOutAsm, made.rip)) return;
  const std::span<const std::uint8_t> code(cache_->writable(made.arrival), made.bytes);
  cpu_.environment().trace->write(fmt::format("OUT: CPU {}, of {:#x}, {} bytes\n{}\n", cpu_.index(), made.rip,
                                              made.bytes, listingOfHostCode(code, cache_->address(made.arrival))));
}

}  // namespace rhea::x86::t1
