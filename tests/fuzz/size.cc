// Sizes: any text either fails with a message or gives a number that its own shortest form reads back.
#include "emu/base/size.h"

#include <cstdlib>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  for (const rhea::SizeUnit unit : {rhea::SizeUnit::kByte, rhea::SizeUnit::kMiB}) {
    const rhea::Result<std::uint64_t> bytes = rhea::parseSize(text, unit);
    if (!bytes.ok()) {
      if (bytes.error().message().empty()) std::abort();
      continue;
    }
    const rhea::Result<std::uint64_t> again = rhea::parseSize(rhea::exactSize(*bytes));
    if (!again.ok() || *again != *bytes) std::abort();
    if (rhea::formatSize(*bytes).size() > 9) std::abort();
  }
  return 0;
}
