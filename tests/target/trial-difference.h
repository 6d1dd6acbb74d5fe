// Compares what an instruction did on two CPUs, in words for a failing test.
#pragma once

#include <string>

#include "target/x86/isa.h"
#include "target/x86/state.h"
#include "tests/target/host-oracle.h"

namespace rhea::x86::test {

enum class Flags : bool { kDefined, kAll };  // kDefined: without those that the row calls undefined

// Empty: the same. A line for each part of the state that differs.
std::string differences(const Row& row, const Trial& host, const Trial& guest, Flags flags = Flags::kDefined);

// The state that a trial starts from.
std::string stateText(const Trial& trial);

}  // namespace rhea::x86::test
