// Reads instruction tables into rows; the format is described at the head of target/x86/isa.tab.
#pragma once

#include "emu/base/base.h"

namespace rhea::x86::gen {

struct GenOperand {
  bool read = false;
  bool written = false;
  std::string kind;     // OperandClass enumerator
  std::string size;     // OperandSize enumerator
  std::string implied;  // name behind '='
};

struct GenRow {
  std::string where;  // file:line
  std::string name;
  std::string exec;
  unsigned map = 0;
  unsigned opcode = 0;
  unsigned count = 1;
  std::string prefix = "kAny";
  int reg = -1, rm = -1, mod = 0, w = -1, l = -1, mode = 0, osize = 0;
  bool modrm = false;
  std::vector<GenOperand> operands;
  std::array<unsigned, 3> flags{};
  std::vector<std::string> classes;
  std::string cpuid;

  // More conditions come first among the candidates of an opcode.
  int particularity() const {
    return (prefix != "kAny") * 16 + (reg >= 0) * 4 + (rm >= 0) * 8 + (mod != 0) * 2 + (w >= 0) + (l >= 0) +
           (osize != 0) + (mode != 0);
  }
};

// Error: file, line, what was expected there.
Result<std::vector<GenRow>> readTable(const std::string& path);

}  // namespace rhea::x86::gen
