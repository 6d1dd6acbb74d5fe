// Makes a random instruction of a table row, and a state in which it does something: a Trial for the host and for T0.
#pragma once

#include "target/x86/isa.h"
#include "tests/target/host-oracle.h"
#include "tests/target/random-values.h"

namespace rhea::x86::test {

enum class CodeSize : bool { k64, k32 };

// Bases of FS and GS that trials of 32-bit code count on; FS ends at kFsLimit.
inline constexpr std::uint64_t kFsBase = 0x40, kGsBase = 0xf0001234;
inline constexpr std::uint32_t kFsLimit = kDataPage + kPageSize - 0x80 - 1;

// Rows that cannot be compared so: privileged ones, those of other modes, and those whose result is the machine's or
// the system's (time, randomness, ports, system calls).
bool canBeTried(const Row& row, CodeSize size = CodeSize::k64);

// Whether this host has what a row's cpuid column asks for.
bool hostHas(const Row& row);

Trial makeTrial(const Row& row, Random& random, CodeSize size = CodeSize::k64);

// "66 0f fc c1" and so on.
std::string codeText(const Trial& trial);

}  // namespace rhea::x86::test
