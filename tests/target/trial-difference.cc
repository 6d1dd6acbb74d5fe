#include "tests/target/trial-difference.h"

#include <cstring>

namespace rhea::x86::test {
namespace {

constexpr std::uint64_t kComparedFlags = kArithmeticFlags | kDf;

template <class Bytes>
std::string hex(const Bytes& bytes, std::size_t from, std::size_t size) {
  std::string text;
  for (std::size_t n = size; n-- > 0;) text += fmt::format("{:02x}", bytes[from + n]);
  return text;
}

class Comparison {
 public:
  Comparison(const Row& row, const Trial& host, const Trial& guest, std::uint64_t undefined)
      : row_(row), host_(host), guest_(guest), undefined_(undefined) {}

  // Empty: the same.
  std::string differences() {
    if (!__builtin_cpu_is("amd") && leftHalfDone()) return text_;
    if (host_.trap != guest_.trap && !leftByBranch()) note("trap", host_.trap, guest_.trap);
    if (text_.empty() && host_.trap != kNoTrap && !leftByBranch()) {
      note("error code", host_.errorCode, guest_.errorCode);
      note("fault address", host_.faultAddress, guest_.faultAddress);
    }
    note("rip", host_.out.rip, guest_.out.rip);
    for (std::size_t n = 0; n < 16; ++n) note(fmt::format("gpr[{}]", n), host_.out.gpr[n], guest_.out.gpr[n]);
    const std::uint64_t flags = kComparedFlags & ~(host_.trap == kNoTrap ? undefined_ : 0);
    note("flags", host_.out.rflags & flags, guest_.out.rflags & flags);
    for (std::size_t n = 0; n < 16; ++n) {
      if (host_.out.ymm[n] == guest_.out.ymm[n]) continue;
      add(fmt::format("ymm{}", n), hex(host_.out.ymm[n], 0, 32), hex(guest_.out.ymm[n], 0, 32));
    }
    const auto field = [&](const char* name, std::size_t at, std::size_t size) {
      const std::string host = hex(host_.out.fx, at, size);
      const std::string guest = hex(guest_.out.fx, at, size);
      if (host != guest) add(name, host, guest);
    };
    // An unmasked overflow or underflow leaves open whether the result, had its exponent fitted, was exact: that bit of
    // MXCSR is not computed.
    if (host_.trap == 19 && (host_.out.fx[24] & 0x18) != 0) {
      note("mxcsr", mxcsr(host_) & ~0x20u, mxcsr(guest_) & ~0x20u);
    } else {
      note("mxcsr", mxcsr(host_), mxcsr(guest_));
    }
    field("fcw", 0, 2);
    field("fsw", 2, 2);
    field("tags", 4, 1);
    for (std::size_t n = 0; n < 8; ++n) field("st", 32 + 16 * n, 10);
    for (std::size_t at = 0; at < kWindowSize; at += 32) {
      if (std::memcmp(host_.memoryOut.data() + at, guest_.memoryOut.data() + at, 32) == 0) continue;
      add(fmt::format("memory+{:#x}", at), hex(host_.memoryOut, at, 32), hex(guest_.memoryOut, at, 32));
    }
    return text_;
  }

 private:
  // What an instruction that faults has done already is AMD's in the interpreter: nothing. Others begin to use the MMX
  // registers, load lanes of a gather, write a part of an operand, note or raise exceptions of a conversion, or push
  // the return address to a place that cannot be jumped back to; and a store of the x87 unit that raises an unmasked
  // exception does not look at its operand. Such a fault is compared by itself.
  bool leftHalfDone() {
    constexpr int kPageFault = 14;
    if (row_.is(kFpuClass) && host_.trap == kNoTrap && guest_.trap == kPageFault) {
      std::uint16_t control;
      std::memcpy(&control, guest_.in.fx.data(), 2);
      return (~control & 0x3f) != 0;
    }
    constexpr int kSimdException = 19;
    const std::string_view name = row_.name;
    if (name == "vcvtps2ph" && host_.trap == kSimdException && guest_.trap == kPageFault) return true;
    if (host_.trap == kNoTrap || host_.trap != guest_.trap) return false;
    const bool begins = row_.is(kMmxClass) || row_.is(kFpuClass) || name.find("gather") != name.npos ||
                        name.find("maskmov") != name.npos || name.starts_with("cmps") || name.starts_with("scas") ||
                        name == "vcvtps2ph" || name == "call";
    if (!begins) return false;
    note("error code", host_.errorCode, guest_.errorCode);
    note("page of the fault", host_.faultAddress >> 12, guest_.faultAddress >> 12);
    note("rip", host_.out.rip, guest_.out.rip);
    return true;
  }
  static std::uint32_t mxcsr(const Trial& t) {
    std::uint32_t value;
    std::memcpy(&value, t.out.fx.data() + 24, 4);
    return value;
  }
  // A branch that is taken meets an int3 or nothing at all on the host; the virtual CPU has stopped before that.
  bool leftByBranch() const {
    return row_.is(kBranch) && guest_.trap == kNoTrap && (host_.trap == 3 || host_.trap == 14) &&
           host_.out.rip == guest_.out.rip;
  }
  void add(const std::string& name, const std::string& host, const std::string& guest) {
    text_ += fmt::format("  {}: host {}, rhea {}\n", name, host, guest);
  }
  template <class T>
  void note(const std::string& name, T host, T guest) {
    if (host != guest) add(name, fmt::format("{:#x}", host), fmt::format("{:#x}", guest));
  }

  const Row& row_;
  const Trial& host_;
  const Trial& guest_;
  const std::uint64_t undefined_;
  std::string text_;
};

}  // namespace

std::string differences(const Row& row, const Trial& host, const Trial& guest, Flags flags) {
  return Comparison(row, host, guest, flags == Flags::kDefined ? row.flagsUndefined : 0u).differences();
}

std::string stateText(const Trial& t) {
  std::string text = "  before:";
  for (std::size_t n = 0; n < 16; ++n) text += fmt::format("{}r{}={:x}", n % 4 ? " " : "\n    ", n, t.in.gpr[n]);
  for (std::size_t n = 0; n < 16; ++n) text += fmt::format("\n    ymm{}={}", n, hex(t.in.ymm[n], 0, 32));
  text += fmt::format("\n    mxcsr={} fcw={} fsw={} tags={}", hex(t.in.fx, 24, 4), hex(t.in.fx, 0, 2),
                      hex(t.in.fx, 2, 2), hex(t.in.fx, 4, 1));
  for (std::size_t n = 0; n < 8; ++n) text += fmt::format("\n    st{}={}", n, hex(t.in.fx, 32 + 16 * n, 10));
  return text;
}

}  // namespace rhea::x86::test
