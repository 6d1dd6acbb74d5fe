#include <cstdlib>

#include "block/tool/io/io-verb.h"

namespace rhea::block {

IoMemory::IoMemory(std::size_t size, std::uint8_t fill) : size_(size) {
  constexpr std::size_t kPage = 4096;
  const std::size_t whole = std::max((size + kPage - 1) / kPage * kPage, kPage);
  data_.reset(static_cast<std::byte*>(std::aligned_alloc(kPage, whole)));
  if (!data_) std::terminate();
  std::memset(data_.get(), fill, whole);
}

std::string classicSize(double bytes) {
  static constexpr std::string_view kUnits[] = {" bytes", " KiB", " MiB", " GiB", " TiB", " PiB", " EiB"};
  std::size_t unit = 0;
  while (bytes >= 1024 && unit + 1 < std::size(kUnits)) {
    bytes /= 1024;
    ++unit;
  }
  std::string number = fmt::format("{:.3f}", bytes);
  if (number.ends_with(".000")) number.resize(number.size() - 4);
  return number.append(kUnits[unit]);
}

namespace {

// "0:00:01.25".
std::string clockTime(double seconds) {
  const auto whole = static_cast<std::uint64_t>(seconds);
  const double rest = seconds - static_cast<double>(whole) + static_cast<double>(whole % 60);
  return fmt::format("{}:{:02}:{:05.2f}", whole / 3600, whole / 60 % 60, rest);
}

}  // namespace

std::string IoReport::text() const {
  if (call.has('q')) return {};
  const double seconds = std::max(std::chrono::duration<double>(Clock::now() - began).count(), 1e-9);
  const double bytes = static_cast<double>(at.length);
  if (call.has('C'))
    return fmt::format("{},1,{},{:.3f},{:.3f}\n", at.length, clockTime(seconds), bytes / seconds, 1 / seconds);
  const std::string took = seconds < 60 ? fmt::format("{:05.2f} sec", seconds) : clockTime(seconds);
  return fmt::format("{} {}/{} bytes at offset {}\n{}, 1 ops; {} ({}/sec and {:.4f} ops/sec)\n", operation, at.length,
                     at.length, at.offset, classicSize(bytes), took, classicSize(bytes / seconds), 1 / seconds);
}

IoOutcome ioFailed(std::string_view operation, const Error& why) {
  Error error = why;
  error = std::move(error).context(fmt::format("{} failed", operation));
  IoOutcome outcome(error.message() + "\n");
  outcome.error = std::move(error);
  return outcome;
}

std::string hexDump(std::span<const std::byte> bytes, std::uint64_t first) {
  constexpr std::size_t kAcross = 16;
  std::string text;
  for (std::size_t at = 0; at < bytes.size(); at += kAcross) {
    text += fmt::format("{:08x}:  ", first + at);
    std::string letters;
    for (std::size_t i = at; i < std::min(at + kAcross, bytes.size()); ++i) {
      const auto byte = static_cast<unsigned char>(bytes[i]);
      text += fmt::format("{:02x} ", byte);
      letters.push_back(byte >= 0x20 && byte < 0x7f ? static_cast<char>(byte) : '.');
    }
    text += " " + letters + "\n";
  }
  return text;
}

}  // namespace rhea::block
