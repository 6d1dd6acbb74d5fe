// Reading arguments by their type, in both spellings: what is accepted is written to a text that reads as the same.
#include "qapi/types-block-options.h"
#include "qapi/types-object.h"

namespace {

using namespace rhea;

template <class T>
void roundTrip(json::View value, json::Spelling spelling) {
  const json::Path path("arguments");
  const Result<T> read = qapi::readJson<T>(value, path, spelling);
  static_cast<void>(json::redacted(json::TypeOf<T>::kInfo, value));
  if (!read.ok()) {
    if (read.error().message().empty()) __builtin_trap();
    return;
  }
  const json::Text text = qapi::toText(*read);
  const Result<json::Value> parsed = json::parse(text);
  if (!parsed.ok()) __builtin_trap();
  const Result<T> again = qapi::readJson<T>(*parsed, path);
  if (!again.ok() || qapi::toText(*again) != text) __builtin_trap();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const Result<json::Value> value = json::parse(std::string_view(reinterpret_cast<const char*>(data), size));
  if (!value.ok()) return 0;
  for (const json::Spelling spelling : {json::Spelling::kJson, json::Spelling::kKeyval}) {
    roundTrip<qapi::BlockdevOptions>(*value, spelling);
    roundTrip<qapi::ObjectOptions>(*value, spelling);
  }
  return 0;
}
