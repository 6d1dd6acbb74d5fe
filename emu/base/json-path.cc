#include "emu/base/json-path.h"

#include "emu/base/json-writer.h"

namespace rhea::json {

namespace {

bool isWord(std::string_view name) {
  return !name.empty() && name.size() <= 80 && std::ranges::all_of(name, [](char byte) {
    return (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z') || (byte >= '0' && byte <= '9') ||
           byte == '-' || byte == '_';
  });
}

}  // namespace

void appendMember(std::string& path, std::string_view name) {
  if (!isWord(name)) {
    // A client's key may be anything and of any length; an error shows its beginning.
    constexpr std::size_t kShown = 80;
    path += '[';
    appendQuoted(path, name.substr(0, kShown));
    path += name.size() > kShown ? "...]" : "]";
    return;
  }
  if (!path.empty()) path += '.';
  path += name;
}

void appendItem(std::string& path, std::size_t index) { path += fmt::format("[{}]", index); }

std::string Path::render() const {
  std::string text = parent_ == nullptr ? std::string() : parent_->render();
  if (index_ != kNoIndex) {
    appendItem(text, index_);
  } else if (!name_.empty() || parent_ != nullptr) {
    appendMember(text, name_);
  }
  return text;
}

}  // namespace rhea::json
