// What a sanitizer costs the program under test, for the limits that tests set.
#pragma once

namespace rhea::test {

// KiB. AddressSanitizer keeps what is freed for a while, up to 256 MiB, so that its later use is found; it counts as
// the process's own memory.
#if defined(__SANITIZE_ADDRESS__)
inline constexpr long kQuarantineKiB = 256L * 1024;
#else
inline constexpr long kQuarantineKiB = 0;
#endif

// How many times as long sanitized code, which is not optimised either, may take for what is bounded by its own work.
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
inline constexpr int kSlowness = 10;
#else
inline constexpr int kSlowness = 1;
#endif

}  // namespace rhea::test
