// Emitter: a small assembler for the host. Writes into a piece of memory that is also mapped elsewhere for execution;
// addresses are counted from the code cache's start.
#pragma once

#include "emu/base/base.h"

namespace rhea::x86::t1 {

enum HostRegister : std::uint8_t {
  kHostRax,
  kHostRcx,
  kHostRdx,
  kHostRbx,
  kHostRsp,
  kHostRbp,
  kHostRsi,
  kHostRdi,
  kHost8,
  kHost9,
  kHost10,
  kHost11,
  kHost12,
  kHost13,
  kHost14,
  kHost15,
  kNoRegister = 0xff,
};

// A memory operand of emitted code.
struct Mem {
  std::uint8_t base = kNoRegister, index = kNoRegister;
  std::uint8_t scale = 0;
  bool gs = false;
  std::int32_t disp = 0;

  static Mem at(std::uint8_t base, std::int32_t disp = 0) { return {base, kNoRegister, 0, false, disp}; }
  static Mem state(std::int32_t disp) { return {kNoRegister, kNoRegister, 0, true, disp}; }
  static Mem stateIndexed(std::uint8_t base, std::int32_t disp) { return {base, kNoRegister, 0, true, disp}; }
};

// Opcodes of the two-operand instructions: register first, memory or register second.
enum Op : std::uint16_t {
  kOpMovLoad = 0x8b,
  kOpMovStore = 0x89,
  kOpLea = 0x8d,
  kOpAdd = 0x03,
  kOpAnd = 0x23,
  kOpSub = 0x2b,
  kOpCmp = 0x3b,
  kOpXor = 0x33,
  kOpTest = 0x85,
  kOpMovzxByte = 0xfb6,
  kOpMovzxWord = 0xfb7,
};

class Emitter {
 public:
  // `start`: the place of `to` in the cache.
  Emitter(std::span<std::uint8_t> to, std::uint32_t start) : to_(to), start_(start) {}

  std::uint32_t here() const { return start_ + static_cast<std::uint32_t>(at_); }
  bool overflow() const { return at_ > to_.size(); }
  std::size_t size() const { return at_; }
  std::span<std::uint8_t> rest() { return to_.subspan(std::min(at_, to_.size())); }
  void advance(std::size_t bytes) { at_ += bytes; }

  void byte(unsigned value) {
    if (at_ < to_.size()) to_[at_] = static_cast<std::uint8_t>(value);
    ++at_;
  }
  void bytes(std::initializer_list<unsigned> values) {
    for (const unsigned value : values) byte(value);
  }
  void dword(std::uint32_t value) {
    for (unsigned n = 0; n < 4; ++n) byte(value >> (n * 8) & 0xff);
  }
  void qword(std::uint64_t value) {
    dword(static_cast<std::uint32_t>(value));
    dword(static_cast<std::uint32_t>(value >> 32));
  }

  // Any instruction with a ModRM byte; `opcode` above 0xff has the 0f escape in front.
  void op(unsigned opcode, unsigned reg, const Mem& mem, bool wide = true) {
    if (mem.gs) byte(0x65);
    prefixRex(wide, reg, mem.index, mem.base, false);
    opcodeBytes(opcode);
    modrm(reg, mem);
  }
  void op(unsigned opcode, unsigned reg, std::uint8_t rm, bool wide = true, bool forceRex = false) {
    prefixRex(wide, reg, kNoRegister, rm, forceRex);
    opcodeBytes(opcode);
    byte(0xc0 | (reg & 7) << 3 | (rm & 7));
  }
  void modrm(unsigned reg, const Mem& mem);

  void move(std::uint8_t to, std::uint8_t from) {
    if (to != from) op(kOpMovLoad, to, from);
  }
  void load(std::uint8_t to, const Mem& from) { op(kOpMovLoad, to, from); }
  void store(const Mem& to, std::uint8_t from) { op(kOpMovStore, from, to); }
  // The shortest way to a constant; leaves the flags.
  void constant(std::uint8_t to, std::uint64_t value);
  // Group 1 with an immediate: /digit.
  void arith(unsigned digit, std::uint8_t reg, std::int32_t value, bool wide = true) {
    const bool small = value == static_cast<std::int8_t>(value);
    op(small ? 0x83 : 0x81, digit, reg, wide);
    if (small)
      byte(static_cast<std::uint8_t>(value));
    else
      dword(static_cast<std::uint32_t>(value));
  }
  void shift(unsigned digit, std::uint8_t reg, unsigned count, bool wide = true) {
    op(0xc1, digit, reg, wide);
    byte(count);
  }

  // Jumps with a 32-bit distance. The answer is where that distance stands: patch() sets it.
  std::uint32_t jump() {
    byte(0xe9);
    dword(0);
    return here() - 4;
  }
  std::uint32_t jumpIf(unsigned condition) {
    byte(0x0f);
    byte(0x80 | condition);
    dword(0);
    return here() - 4;
  }
  void jumpTo(std::uint32_t target) { patch(jump(), target); }
  void patch(std::uint32_t place, std::uint32_t target) {
    const std::size_t offset = place - start_;
    const std::uint32_t distance = target - (place + 4);
    if (offset + 4 <= to_.size()) std::memcpy(&to_[offset], &distance, 4);
  }

 private:
  void prefixRex(bool wide, unsigned reg, std::uint8_t index, std::uint8_t base, bool force) {
    const unsigned rex = (wide ? 8U : 0U) | ((reg & 8) != 0 ? 4U : 0U) |
                         (index != kNoRegister && (index & 8) != 0 ? 2U : 0U) |
                         (base != kNoRegister && (base & 8) != 0 ? 1U : 0U);
    if (rex != 0 || force) byte(0x40 | rex);
  }
  void opcodeBytes(unsigned opcode) {
    if (opcode > 0xff) byte(opcode >> 8 == 0xf ? 0x0f : opcode >> 8);
    byte(opcode & 0xff);
  }

  std::span<std::uint8_t> to_;
  std::uint32_t start_;
  std::size_t at_ = 0;
};

}  // namespace rhea::x86::t1
