// Option strings: any text either fails with a message, or its canonical form means the same again.
#include <cstdlib>

#include "emu/base/keyval.h"

namespace {

void check(std::string_view text, std::string_view impliedKey) {
  rhea::Result<rhea::Keyval> options = rhea::Keyval::parse(text, impliedKey);
  if (!options.ok()) {
    if (options.error().message().empty()) std::abort();
    return;
  }
  const rhea::Result<rhea::Keyval> again = rhea::Keyval::parse(options->toText(), impliedKey);
  if (!again.ok() || again->entries().size() != options->entries().size()) std::abort();
  for (std::size_t i = 0; i < again->entries().size(); i++) {
    const rhea::Keyval::Entry& before = options->entries()[i];
    const rhea::Keyval::Entry& after = again->entries()[i];
    if (before.key != after.key || before.value != after.value) std::abort();
  }
  const rhea::Result<rhea::json::Text> nested = options->toJson();
  if (nested.ok() && !rhea::json::parse(*nested).ok()) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  check(text, {});
  check(text, "driver");
  static_cast<void>(rhea::parseOption(text, "driver").ok());
  return 0;
}
