// What the benchmarks beside other programs share: a file to work on, and reading a peer's figures.
#pragma once

#include <cstdint>
#include <string>

namespace rhea::test {

// A new file full of bytes that are not zero, on stable storage.
void fillFile(const std::string& path, std::uint64_t size);
// What a shell command prints; empty where it cannot run.
std::string outputOf(const std::string& command);
// The number behind the `number`-th separator, counted from 1; 0 where there is none.
double field(const std::string& text, char separator, int number);

}  // namespace rhea::test
