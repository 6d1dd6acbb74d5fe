// JSON framing: the first byte says how the rest is split; the split must not change what is found.
#include "emu/base/json-framer.h"

namespace {

using namespace rhea;

std::string framed(std::string_view stream, std::size_t piece) {
  json::Limits limits;
  limits.bytes = 4096;
  limits.depth = 16;
  limits.tokens = 256;
  json::Framer framer(limits);
  std::string seen;
  const auto note = [&seen](const Result<json::Value>& message) {
    seen += message.ok() ? message->text() : "!" + message.error().message().substr(0, 16);
    seen += '\n';
  };
  for (std::size_t at = 0; at < stream.size(); at += piece) {
    framer.feed(stream.substr(at, piece));
    while (const std::optional<Result<json::Value>> message = framer.next()) note(*message);
    if (framer.held() > limits.bytes + piece + 1) __builtin_trap();
  }
  while (const std::optional<Result<json::Value>> message = framer.finish()) note(*message);
  return seen;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const std::string_view stream(reinterpret_cast<const char*>(data) + 1, size - 1);
  if (framed(stream, std::size_t{data[0]} + 1) != framed(stream, stream.size() + 1)) __builtin_trap();
  return 0;
}
