// Wall-clock times as text.
#pragma once

#include <chrono>
#include <string>

namespace rhea {

// ISO 8601 in UTC with microseconds: "2026-11-22T05:43:33.012345Z".
std::string isoTimestamp(std::chrono::system_clock::time_point when);

}  // namespace rhea
