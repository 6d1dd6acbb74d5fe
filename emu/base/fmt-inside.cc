// What the programs use of libfmt, compiled from its headers. It is no part of the library of this room: a program that
// is linked with it needs neither libfmt nor libstdc++ to be found and relocated at every start (configure tries
// whether that can be had; then rhea-img is).
#define FMT_HEADER_ONLY 1
#include <fmt/format.h>

// Inline functions are compiled where they are used, and others call these by name.
namespace rhea {
[[gnu::used]] std::string (*const kFmtVformat)(fmt::string_view, fmt::format_args) = &fmt::vformat;
[[gnu::used]] void (*const kFmtVprint)(fmt::string_view, fmt::format_args) = &fmt::vprint;
[[gnu::used]] void (*const kFmtVprintTo)(std::FILE*, fmt::string_view, fmt::format_args) = &fmt::vprint;
[[gnu::used]] bool (*const kFmtIsPrintable)(std::uint32_t) = &fmt::detail::is_printable;
}  // namespace rhea
