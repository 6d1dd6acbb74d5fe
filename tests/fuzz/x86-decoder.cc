// The x86 decoder on any bytes in any mode: it ends, says how long the instruction is, and can print what it accepts.
#include "emu/base/bug.h"
#include "target/x86/decode.h"

using namespace rhea;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const x86::Model model = *x86::findModel("max");
  static const x86::RowSet rowSet(model);
  if (size < 3) return 0;
  const std::uint32_t mode = (data[0] | (static_cast<std::uint32_t>(data[1]) << 8)) & 0x1ff;
  if ((mode & x86::kModeSize) == 3) return 0;
  const unsigned offset = data[2] % 225;
  const std::span<const std::uint8_t> bytes(data + 3, size - 3);
  x86::Insn insn;
  const x86::DecodeResult result = decode(bytes, mode, offset, rowSet, insn);
  if (result != x86::DecodeResult::kGood) return 0;
  if (insn.length == 0 || insn.length > x86::kLongestInsn || insn.length > bytes.size()) bug("a length that cannot be");
  if (insn.exec == nullptr) bug("an instruction without a function");
  if (insn.base > x86::kRipRegister || insn.index > x86::kRipRegister) bug("an address register that is none");
  if (disassemble(insn, 0x1000).empty()) bug("an instruction without a text");
  // The same bytes and nothing behind them: the same instruction.
  x86::Insn again;
  if (decode(bytes.first(insn.length), mode, offset, rowSet, again) != x86::DecodeResult::kGood ||
      again.length != insn.length) {
    bug("the bytes behind an instruction changed it");
  }
  return 0;
}
