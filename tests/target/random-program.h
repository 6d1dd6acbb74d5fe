// Random programs of instructions from the tables, for comparing two ways of executing them: a loop around instructions
// that find their operands in the trial's window, with jumps between them.
#pragma once

#include <vector>

#include "target/x86/insn.h"
#include "tests/target/host-oracle.h"
#include "tests/target/random-values.h"
#include "tests/target/row-trial.h"

namespace rhea::x86::test {

// A page for the loop's counter, far from where an operand goes astray: a program that writes over it may have no end.
inline constexpr std::uint64_t kCounterPage = kDataPage + 0x30000;

class RandomProgram {
 public:
  // Instructions of rows of which `belongs` holds, `length` at the most.
  RandomProgram(Random& random, std::size_t length, bool (*belongs)(const Row&), CodeSize size = CodeSize::k64);

  // Operands beside each other behind two base registers, pushes and pops in a row: `length` groups of them, around the
  // end of the data page.
  static RandomProgram neighbours(Random& random, std::size_t length, CodeSize size = CodeSize::k64);

  // Flags that are read behind accesses to memory, `length` instructions; an address that moves goes over the end of
  // the data page in one of the later rounds.
  static RandomProgram flagsAroundMemory(Random& random, std::size_t length);

  // x87 instructions, with their environment stored and loaded in between.
  static RandomProgram environments(Random& random, std::size_t length, CodeSize size = CodeSize::k64);

  // The state that it starts from.
  const Trial& start() const { return start_; }
  // Bytes for kCodeAt: the loop, then int3.
  std::vector<std::uint8_t> code() const;
  // What stands at an address of the code: the number of a group, or size().
  std::size_t groupAt(std::uint64_t address) const;
  std::size_t size() const { return groups_.size(); }
  // Without one group: for finding the least program that shows a difference.
  void remove(std::size_t group) { groups_.erase(groups_.begin() + static_cast<std::ptrdiff_t>(group)); }
  // A line per instruction.
  std::string text() const;

 private:
  // One instruction behind the loads of the registers that it needs. `jump`: its last bytes are a distance, to behind
  // the next group; with `back` to the second one.
  struct Group {
    std::vector<std::uint8_t> bytes;
    unsigned jump = 0;
    bool back = false;
  };

  explicit RandomProgram(CodeSize size) : size_(size) {}
  bool narrow() const { return size_ == CodeSize::k32; }
  void loadRegister(std::vector<std::uint8_t>& to, unsigned number, std::uint64_t value) const;
  Group makeGroup(const Row& row, Random& random) const;
  static void nearIndices(std::vector<std::uint8_t>& to, const Insn& insn, Random& random);
  bool isTaken(const Row& row) const;

  CodeSize size_;
  Trial start_;
  std::vector<Group> groups_;
};

}  // namespace rhea::x86::test
