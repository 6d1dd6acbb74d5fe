// Makes a random instruction of a table row, and a state in which it does something: a Trial for the host and for T0.
#pragma once

#include "target/x86/isa.h"
#include "tests/target/host-oracle.h"
#include "tests/target/random-values.h"

namespace rhea::x86::test {

// Rows that cannot be compared so: privileged ones, those of other modes, and those whose result is the machine's or
// the system's (time, randomness, ports, system calls).
bool canBeTried(const Row& row);

// Whether this host has what a row's cpuid column asks for.
bool hostHas(const Row& row);

Trial makeTrial(const Row& row, Random& random);

// "66 0f fc c1" and so on.
std::string codeText(const Trial& trial);

}  // namespace rhea::x86::test
