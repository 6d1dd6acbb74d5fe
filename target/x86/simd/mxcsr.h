// Runs the host's own SSE arithmetic under the guest's MXCSR.
//
// The rule for a vCPU thread: outside a MxcsrScope the host's MXCSR has the default control bits (round to nearest, all
// exceptions masked, denormals kept), so that C++ code computes as everywhere; its exception flags mean nothing. A
// scope that finds the guest's value already there, which is nearly always so because the last scope left it, loads
// nothing.
//
// All arithmetic within a scope is volatile asm (simd/float-host.h): the compiler keeps such statements in order with
// the ones that load and store MXCSR, and knows of no connection between MXCSR and ordinary floating-point code.
#pragma once

#include <cstdint>

namespace rhea::x86::simd {

inline constexpr std::uint32_t kMxcsrDefault = 0x1f80;
inline constexpr std::uint32_t kMxcsrFlags = 0x3f;
inline constexpr std::uint32_t kMxcsrMasks = 0x1f80;
inline constexpr std::uint32_t kMxcsrDenormalsAreZero = 0x40;
inline constexpr std::uint32_t kMxcsrFlushToZero = 0x8000;
inline constexpr std::uint32_t kMxcsrValid = 0xffff;

enum MxcsrFlag : std::uint32_t {
  kMxInvalid = 1,
  kMxDenormal = 2,
  kMxDivide = 4,
  kMxOverflow = 8,
  kMxUnderflow = 16,
  kMxPrecision = 32
};

inline std::uint32_t hostMxcsr() {
  std::uint32_t value;
  asm volatile("stmxcsr %0" : "=m"(value));
  return value;
}
inline void setHostMxcsr(std::uint32_t value) { asm volatile("ldmxcsr %0" : : "m"(value)); }

class MxcsrScope {
 public:
  // `guest` takes the exception flags at finish().
  explicit MxcsrScope(std::uint32_t& guest) : guest_(guest), loaded_(guest) {
    if ((guest & kMxcsrMasks) != kMxcsrMasks) {
      // Exceptions are found from the flags afterwards. With underflow unmasked, flush-to-zero has no effect.
      loaded_ = (guest & ~kMxcsrFlags) | kMxcsrMasks;
      if ((guest & kMxUnderflow << 7) == 0) loaded_ &= ~kMxcsrFlushToZero;
    }
    if (hostMxcsr() != loaded_) setHostMxcsr(loaded_);
  }
  MxcsrScope(const MxcsrScope&) = delete;
  MxcsrScope& operator=(const MxcsrScope&) = delete;

  // Flags of what is computed without the host's arithmetic.
  void raise(std::uint32_t flags) { raised_ |= flags; }
  // With underflow unmasked even an exact result that is denormal underflows, which a masked run does not show: whoever
  // computes sums, products and the like asks for this and reports such results by raise(kMxUnderflow).
  bool wantsTiny() const { return (guest_ & kMxUnderflow << 7) == 0; }
  std::uint32_t control() const { return loaded_; }
  // Whether what was computed so far ends in an unmasked exception: instructions of several steps ask between them.
  bool failing() {
    if ((guest_ & kMxcsrMasks) == kMxcsrMasks) return false;
    const std::uint32_t flags = (hostMxcsr() | raised_) & kMxcsrFlags;
    if (flags & unmasked()) return true;
    earlier_ = flags;
    return false;
  }

  // False: an unmasked exception; the flags are set in the guest's MXCSR and nothing else may be changed.
  [[nodiscard]] bool finish() {
    const std::uint32_t now = hostMxcsr() | raised_;
    if ((now & ~kMxcsrFlags) != kMxcsrDefault) setHostMxcsr(kMxcsrDefault);
    if ((guest_ & kMxcsrMasks) == kMxcsrMasks) {
      guest_ = now;
      return true;
    }
    return finishUnmasked(now & kMxcsrFlags);
  }

 private:
  std::uint32_t unmasked() const { return ~(guest_ >> 7) & kMxcsrFlags; }
  bool finishUnmasked(std::uint32_t flags) {
    const std::uint32_t ending = flags & unmasked();
    // An exception found before computing keeps the later ones of its step from being seen.
    if (ending & (kMxInvalid | kMxDenormal | kMxDivide)) flags &= kMxInvalid | kMxDenormal | kMxDivide | earlier_;
    guest_ |= flags;
    return ending == 0;
  }

  std::uint32_t& guest_;
  std::uint32_t loaded_;
  std::uint32_t raised_ = 0;
  std::uint32_t earlier_ = 0;  // flags of the steps that are done
};

}  // namespace rhea::x86::simd
