// JSON reading: whatever is accepted is written back to a text that reads as the same value.
#include "emu/base/json-writer.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace rhea;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const Result<json::Value> value = json::parse(text);
  if (!value.ok()) {
    if (value.error().describe().empty()) __builtin_trap();
    return 0;
  }
  const json::Text written = value->text();
  const Result<json::Value> again = json::parse(written);
  if (!again.ok() || again->text() != written) __builtin_trap();
  const Result<json::Value> indented = json::parse(json::pretty(*value));
  if (!indented.ok() || indented->text() != written) __builtin_trap();
  return 0;
}
