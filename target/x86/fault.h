// Fault: an exception that an instruction raised and that is not yet delivered.
#pragma once

#include <cstdint>

namespace rhea::x86 {

enum Exception : std::uint8_t {
  kDivideError = 0,
  kDebugException = 1,
  kNmiException = 2,
  kBreakpoint = 3,
  kOverflow = 4,
  kBound = 5,
  kInvalidOpcode = 6,
  kDeviceNotAvailable = 7,
  kDoubleFault = 8,
  kInvalidTss = 10,
  kSegmentNotPresent = 11,
  kStackFault = 12,
  kGeneralProtection = 13,
  kPageFault = 14,
  kFpuError = 16,
  kAlignmentCheck = 17,
  kMachineCheckException = 18,
  kSimdException = 19,
};

struct Fault {
  std::uint8_t vector = 0;
  std::uint32_t error = 0;
  std::uint64_t address = 0;  // page fault: CR2
  std::uint64_t dr6 = 0;      // debug exception: bits to set
};

}  // namespace rhea::x86
