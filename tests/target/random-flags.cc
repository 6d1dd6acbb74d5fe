// Programs whose flags are made, kept across accesses to memory and read again; the accesses wander over the end of the
// data page while the program runs around its loop, so that they miss or fault when the code has long been translated.
#include "target/x86/state.h"
#include "tests/target/random-program.h"
#include "tests/target/row-trial.h"

namespace rhea::x86::test {
namespace {

constexpr unsigned kBase = kRbx;
constexpr unsigned kStride = 16;

class Coder {
 public:
  Coder(Random& random, std::vector<std::uint8_t>& to) : random_(random), to_(to) {}

  // The length of a distance at the end of what was written, 0: none.
  unsigned any() {
    switch (random_.below(16)) {
      case 0:
        return shortJump();
      case 1:
      case 2:
        return access(random_.chance(60) ? 0x8b : 0x89, reg());
      case 3:
        return access(0x03 | static_cast<unsigned>(random_.below(8)) << 3, reg());
      case 4:
        return random_.chance(50) ? access(0x81, static_cast<unsigned>(random_.below(8))) : access(0xff, bit());
      case 5:
        return registers(0x8b);  // mov
      case 6:
        return access(0x8d, reg());  // lea
      case 7:
        return escaped(0x90 | condition(), 0);  // setcc
      case 8:
        return escaped(0x40 | condition(), reg());  // cmovcc
      case 9:
        return pushAndPop();
      case 10:
        if (random_.chance(50)) return registers(0xf7, random_.chance(70) ? 3 : 0);  // neg, test
        return registers(0xff, bit());                                               // inc, dec
      case 11:
        return shift();
      case 12:
        return random_.chance(50) ? registers(0x85) : testMemory();
      case 13:
        return registers(random_.chance(50) ? 0x81 : 0x83, static_cast<unsigned>(random_.below(8)));
      default:
        return registers((random_.chance(50) ? 0x01U : 0x03U) | static_cast<unsigned>(random_.below(8)) << 3);
    }
  }

 private:
  static constexpr unsigned kAnyRegister = 16;

  unsigned bit() { return static_cast<unsigned>(random_.below(2)); }
  unsigned condition() { return static_cast<unsigned>(random_.below(16)); }
  // A few, so that they meet; not those that hold addresses.
  unsigned reg() {
    constexpr unsigned kSome[] = {kRax, kRcx, kRdx, 9, 10, 15};
    return kSome[random_.below(std::size(kSome))];
  }
  void byte(std::uint64_t value) { to_.push_back(static_cast<std::uint8_t>(value)); }
  // Prefixes of a random operand size; the size.
  unsigned sized(unsigned& opcode, unsigned reg, unsigned rm, bool byteToo) {
    const unsigned size = 1U << random_.below(4);
    if (size == 1 && byteToo) opcode &= ~1U;
    const unsigned used = size == 1 && !byteToo ? 4 : size;
    if (used == 2) byte(0x66);
    // Without a prefix, 4 to 7 are ah to bh.
    const unsigned rex = (used == 8 ? 8U : 0U) | (reg >> 3 & 1) << 2 | (rm >> 3 & 1);
    if (rex != 0 || random_.chance(70)) byte(0x40 | rex);
    return used;
  }
  void immediate(unsigned opcode, unsigned digit, unsigned size) {
    unsigned bytes = 0;
    if (opcode == 0x80 || opcode == 0x83 || opcode == 0xc0 || opcode == 0xc1)
      bytes = 1;
    else if (opcode == 0x81 || ((opcode | 1) == 0xf7 && digit < 2))
      bytes = std::min(size, 4U);
    for (unsigned n = 0; n < bytes; ++n) byte(random_.chance(30) ? 0xff : random_.next());
  }
  unsigned registers(unsigned opcode, unsigned digit = kAnyRegister) {
    const unsigned first = digit == kAnyRegister ? reg() : digit;
    const unsigned rm = reg();
    const bool byteToo = opcode != 0x83;
    const unsigned size = sized(opcode, first, rm, byteToo);
    byte(opcode);
    byte(0xc0 | (first & 7) << 3 | (rm & 7));
    immediate(opcode, digit, size);
    return 0;
  }
  unsigned access(unsigned opcode, unsigned first) {
    const bool wide = opcode == 0x8d || opcode == 0x8b || opcode == 0x89;
    const unsigned size = sized(opcode, first, kBase, !wide);
    byte(opcode);
    byte(0x40 | (first & 7) << 3 | kBase);
    byte(random_.below(8) * 4);
    immediate(opcode, first, size);
    return 0;
  }
  // shl, shr, sar of a constant, of 1, of cl; imul of two registers.
  unsigned shift() {
    constexpr unsigned kOpcodes[] = {0xc1, 0xc1, 0xd1, 0xd3};
    constexpr unsigned kDigits[] = {4, 5, 7};
    if (random_.chance(20)) return escaped(0xaf, reg());
    return registers(kOpcodes[random_.below(std::size(kOpcodes))], kDigits[random_.below(std::size(kDigits))]);
  }
  unsigned testMemory() { return random_.chance(50) ? access(0x85, reg()) : access(0xf7, 0); }
  unsigned escaped(unsigned opcode, unsigned first) {
    const unsigned rm = random_.chance(50) ? kBase : reg();
    const bool memory = rm == kBase;
    byte(0x40 | (random_.chance(50) ? 8U : 0U) | (first >> 3) << 2 | rm >> 3);
    byte(0x0f), byte(opcode);
    byte((memory ? 0x40U : 0xc0U) | (first & 7) << 3 | (rm & 7));
    if (memory) byte(random_.below(32));
    return 0;
  }
  unsigned pushAndPop() {
    for (const unsigned opcode : {0x50U, 0x58U}) {
      const unsigned guest = reg();
      if (guest >= 8) byte(0x41);
      byte(opcode | (guest & 7));
    }
    return 0;
  }
  unsigned shortJump() {
    byte(0x70 | condition());
    byte(0);
    return 1;
  }

  Random& random_;
  std::vector<std::uint8_t>& to_;
};

}  // namespace

RandomProgram RandomProgram::flagsAroundMemory(Random& random, std::size_t length) {
  RandomProgram program(CodeSize::k64);
  program.start_ = makeTrial(rows()[random.below(rows().size())], random);
  program.start_.in.gpr[kBase] = kDataPage + kPageSize - kStride * (2 + random.below(18)) - random.below(24);
  program.start_.in.gpr[kRsp] = kDataPage + kPageSize / 2;
  program.groups_.push_back({{0xbd, 3, 0, 0, 0}});  // mov ebp, 3
  for (std::size_t n = 0; n < length; ++n) {
    Group group;
    group.jump = Coder(random, group.bytes).any();
    program.groups_.push_back(group);
  }
  // A loop within the loop, whose last flags are repeated at its head: lea rbx, [rbx + stride]; lea ebp, [rbp - 1];
  // test ebp, ebp or cmp ebp, 0; jne.
  Group last{{0x48, 0x8d, 0x5b, kStride, 0x8d, 0x6d, 0xff}, 4, true};
  if (random.chance(50))
    last.bytes.insert(last.bytes.end(), {0x85, 0xed});
  else
    last.bytes.insert(last.bytes.end(), {0x83, 0xfd, 0});
  last.bytes.insert(last.bytes.end(), {0x0f, 0x85, 0, 0, 0, 0});
  program.groups_.push_back(last);
  return program;
}

}  // namespace rhea::x86::test
