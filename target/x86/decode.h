// Decoder: bytes to one Insn, by the instruction table.
#pragma once

#include "target/x86/insn.h"
#include "target/x86/model.h"

namespace rhea::x86 {

// What decoding depends on besides the bytes; part of a block's key.
enum ModeBit : std::uint32_t {
  kModeSize = 3,      // 0: 16-bit code, 1: 32-bit, 2: 64-bit
  kModeNoTables = 4,  // real or virtual-8086 mode
  kModeTs = 8,        // CR0.TS
  kModeEm = 16,       // CR0.EM
  kModeMp = 32,       // CR0.MP
  kModeOsfxsr = 64,   // CR4.OSFXSR
  kModeAvx = 128,     // CR4.OSXSAVE, XCR0.SSE and XCR0.AVX
  kModeCpl0 = 256,
  kModeUser = 512,    // CPL 3: what it may execute, the supervisor's levels may not, and the reverse
  kModeLimit = 1024,  // a code segment that ends below 4 GiB: its blocks are not linked
  // For translated code, in 32-bit code alone. CS, SS, DS and ES begin at 0, end at 4 GiB and allow everything but
  // writes by way of CS; SS is a 32-bit one. FS, GS: any base, to be read and written up to 4 GiB.
  kModeFlat = 2048,
  kModeFs = 4096,
  kModeGs = 8192,
};

// Whether T1 may translate code of this mode: addresses are the linear ones.
constexpr bool isFlatCode(std::uint32_t mode) {
  return (mode & kModeSize) == 2 || (mode & (kModeSize | kModeFlat)) == (1 | kModeFlat);
}

enum class DecodeResult : std::uint8_t {
  kGood,
  kShort,    // the bytes ended before the instruction
  kInvalid,  // #UD
  kTooLong,  // more than 15 bytes: #GP(0)
};

// Which rows a model has.
class RowSet {
 public:
  explicit RowSet(const Model& model);
  bool has(std::uint16_t row) const { return present_[row]; }

 private:
  std::vector<bool> present_;
};

constexpr std::size_t kLongestInsn = 15;

// `offset` is the instruction's distance from its block's start. An instruction that raises #UD, #NM or #GP whatever
// its operands are decodes as kGood with a function that raises it; where nothing is known of the bytes: kInvalid.
DecodeResult decode(std::span<const std::uint8_t> bytes, std::uint32_t mode, unsigned offset, const RowSet& rowSet,
                    Insn& to);

// Assembler text (Intel order), for logs and x/i. `address` is the instruction's own.
std::string disassemble(const Insn& insn, std::uint64_t address);
// A line for each of `most` instructions at the most: address, bytes, text; "(bad)" for a byte that begins none.
std::string listing(std::span<const std::uint8_t> bytes, std::uint64_t address, std::uint32_t mode,
                    const RowSet& rowSet, std::size_t most = SIZE_MAX);

// Functions that are no instruction of the table.
Outcome execInvalid(Cpu& cpu, const Insn* insn);     // #UD
Outcome execTooLong(Cpu& cpu, const Insn* insn);     // #GP(0)
Outcome execPrivileged(Cpu& cpu, const Insn* insn);  // #GP(0): CPL
Outcome execNoDevice(Cpu& cpu, const Insn* insn);    // #NM
Outcome execEndOfBlock(Cpu& cpu, const Insn* insn);  // plain end: rip is this (empty) instruction's place
Outcome execStop(Cpu& cpu, const Insn* insn);        // written over the rest of a block that has become stale

}  // namespace rhea::x86
