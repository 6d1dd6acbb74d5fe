#include "emu/base/keyval.h"

#include "emu/base/json-writer.h"

namespace rhea {

namespace {

bool isKeyCharacter(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_' ||
         c == '.' || c == '#';
}

bool isNumber(std::string_view word) {
  return !word.empty() && word.size() <= 6 &&
         std::all_of(word.begin(), word.end(), [](char c) { return c >= '0' && c <= '9'; });
}

std::string place(std::string_view text, std::size_t offset) {
  constexpr std::size_t kShown = 60;
  const std::string_view rest = text.substr(offset, kShown);
  return fmt::format("character {} of the option, at '{}{}'", offset + 1, rest,
                     text.size() - offset > kShown ? "..." : "");
}

// One parameter's value, up to a single comma; `at` moves behind that comma.
std::string readValue(std::string_view text, std::size_t& at) {
  std::string value;
  while (at < text.size()) {
    if (text[at] == ',') {
      ++at;
      if (at == text.size() || text[at] != ',') break;
    }
    value.push_back(text[at++]);
  }
  return value;
}

// The nested form on its way to JSON.
struct Member;
struct Branch {
  const Keyval::Entry* leaf = nullptr;
  std::vector<Member> members;  // in the order of the text

  Branch& child(std::string_view name);
  bool isList() const;
};
struct Member {
  std::string name;
  Branch branch;
};

Branch& Branch::child(std::string_view name) {
  for (Member& member : members) {
    if (member.name == name) return member.branch;
  }
  return members.emplace_back(Member{std::string(name), Branch()}).branch;
}

bool Branch::isList() const {
  return !members.empty() &&
         std::all_of(members.begin(), members.end(), [](const Member& member) { return isNumber(member.name); });
}

Result<void> write(json::Writer& to, const Branch& branch, const std::string& path) {
  if (branch.leaf != nullptr) {
    if (!branch.members.empty()) {
      return Error(fmt::format("'{}' is given both as a value ('{}') and as a group ('{}.{}')", path,
                               branch.leaf->value, path, branch.members.front().name))
          .hint("give one of the two forms");
    }
    if (branch.leaf->bare) {
      to.boolean(true);
    } else {
      to.string(branch.leaf->value);
    }
    return success();
  }
  if (branch.isList()) {
    to.beginArray();
    for (std::size_t i = 0; i < branch.members.size(); ++i) {
      const std::string index = std::to_string(i);
      const auto found = std::find_if(branch.members.begin(), branch.members.end(),
                                      [&index](const auto& member) { return member.name == index; });
      if (found == branch.members.end()) {
        return Error(fmt::format("the list '{}' has no element {}", path, i))
            .expected(fmt::format("the elements {}.0 to {}.{}", path, path, branch.members.size() - 1));
      }
      RHEA_CHECK(write(to, found->branch, path + "." + index));
    }
    to.endArray();
    return success();
  }
  to.beginObject();
  for (const auto& [name, member] : branch.members) {
    to.key(name);
    RHEA_CHECK(write(to, member, path.empty() ? name : path + "." + name));
  }
  to.endObject();
  return success();
}

}  // namespace

Result<Keyval> Keyval::parse(std::string_view text, std::string_view impliedKey) {
  Keyval result;
  std::size_t at = 0;
  while (at < text.size()) {
    Entry entry;
    entry.offset = at;
    const std::size_t keyEnd = std::min(text.find_first_of("=,", at), text.size());
    const bool first = result.entries_.empty();
    if (keyEnd < text.size() && text[keyEnd] == '=' &&
        std::all_of(text.begin() + static_cast<std::ptrdiff_t>(at), text.begin() + static_cast<std::ptrdiff_t>(keyEnd),
                    isKeyCharacter)) {
      entry.key = text.substr(at, keyEnd - at);
      at = keyEnd + 1;
      entry.value = readValue(text, at);
    } else if (first && !impliedKey.empty()) {
      entry.key = impliedKey;
      entry.value = readValue(text, at);
    } else {
      entry.key = readValue(text, at);
      entry.value = "on";
      entry.bare = true;
      const auto wrong = std::find_if_not(entry.key.begin(), entry.key.end(), isKeyCharacter);
      if (wrong != entry.key.end() && entry.key != "?") {
        return Error(fmt::format("'{}' is no key: '{}' is not allowed in one", entry.key, *wrong))
            .where(place(text, entry.offset))
            .expected("key=value, or the name of a switch")
            .hint("a comma inside a value is written twice: ',,'");
      }
    }
    if (entry.key.empty()) {
      return Error("a key is missing").where(place(text, entry.offset)).expected("key=value");
    }
    if (entry.key.front() == '.' || entry.key.back() == '.' || entry.key.find("..") != std::string::npos) {
      return Error(fmt::format("'{}' is no key: a dot stands between two names", entry.key))
          .where(place(text, entry.offset));
    }
    if (const Entry* before = result.find(entry.key); before != nullptr) {
      return Error(fmt::format("'{}' is given twice: '{}' and '{}'", entry.key, before->value, entry.value))
          .where(place(text, entry.offset))
          .hint("leave one of them out");
    }
    result.entries_.push_back(std::move(entry));
  }
  return result;
}

const Keyval::Entry* Keyval::find(std::string_view key) const {
  for (const Entry& entry : entries_) {
    if (entry.key == key) return &entry;
  }
  return nullptr;
}

std::optional<std::string> Keyval::take(std::string_view key) {
  for (auto entry = entries_.begin(); entry != entries_.end(); ++entry) {
    if (entry->key != key) continue;
    std::string value = std::move(entry->value);
    entries_.erase(entry);
    return value;
  }
  return std::nullopt;
}

void Keyval::set(std::string key, std::string value) {
  take(key);
  Entry entry;
  entry.key = std::move(key);
  entry.value = std::move(value);
  entry.offset = 0;
  entries_.push_back(std::move(entry));
}

bool Keyval::wantsHelp() const {
  const auto asks = [](std::string_view word) { return word == "help" || word == "?"; };
  return std::any_of(entries_.begin(), entries_.end(), [this, &asks](const Entry& entry) {
    return (entry.bare && asks(entry.key)) || (&entry == &entries_.front() && asks(entry.value));
  });
}

Result<json::Text> Keyval::toJson() const {
  Branch root;
  for (const Entry& entry : entries_) {
    Branch* at = &root;
    std::string_view rest = entry.key;
    while (true) {
      const std::size_t dot = rest.find('.');
      at = &at->child(rest.substr(0, dot));
      if (dot == std::string_view::npos) break;
      rest.remove_prefix(dot + 1);
    }
    at->leaf = &entry;
  }
  json::Writer writer;
  if (root.members.empty()) {
    writer.beginObject();
    writer.endObject();
    return writer.take();
  }
  RHEA_CHECK(write(writer, root, {}));
  return writer.take();
}

std::string Keyval::toText() const {
  std::string text;
  for (const Entry& entry : entries_) {
    if (!text.empty()) text.push_back(',');
    text.append(entry.key);
    if (entry.bare) continue;
    text.push_back('=');
    for (const char letter : entry.value) text.append(letter == ',' ? 2 : 1, letter);
  }
  return text;
}

Result<json::Value> parseOption(std::string_view text, std::string_view impliedKey) {
  if (text.starts_with('{')) return json::parse(text);
  RHEA_TRY(const Keyval options, Keyval::parse(text, impliedKey));
  RHEA_TRY(const json::Text nested, options.toJson());
  return json::parse(nested);
}

}  // namespace rhea
