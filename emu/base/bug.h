// bug(): the end of a process whose own rules were broken; what may fail in a right program returns a Result instead.
#pragma once

#include <string_view>

namespace rhea {

// Writes "rhea: bug: WHAT" to standard error and aborts. Takes no lock and allocates nothing.
[[noreturn]] void bug(std::string_view what) noexcept;

}  // namespace rhea
