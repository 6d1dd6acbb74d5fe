// How wide an operand is where the table alone says so.
#pragma once

#include "target/x86/isa.h"

namespace rhea::x86 {

// Bytes; 0 where the instruction's prefixes decide, or the operand has no size.
constexpr unsigned fixedBytes(OperandSize size) {
  switch (size) {
    case OperandSize::kByte:
      return 1;
    case OperandSize::kWord:
      return 2;
    case OperandSize::kDword:
      return 4;
    case OperandSize::kQword:
      return 8;
    case OperandSize::kTen:
      return 10;
    case OperandSize::kOcta:
      return 16;
    case OperandSize::kYmm:
      return 32;
    default:
      return 0;
  }
}

}  // namespace rhea::x86
