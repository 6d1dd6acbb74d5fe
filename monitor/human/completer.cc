#include "monitor/human/completer.h"

#include <dirent.h>

#include "emu/base/json-writer.h"
#include "emu/io/offload.h"

namespace rhea::monitor {

namespace {

// Which argument the next word fills, given the words behind the form's own.
const HumanArgument* argumentAt(const HumanForm& form, std::span<const Word> before) {
  std::size_t positional = 0;
  for (const Word& word : before) {
    if (word.text.size() < 2 || word.text[0] != '-' || word.quoted) ++positional;
  }
  for (const HumanArgument& argument : form.arguments) {
    if (argument.flag != 0) continue;
    if (argument.kind == ArgumentKind::kRest) return &argument;
    if (positional-- == 0) return &argument;
  }
  return nullptr;
}

std::vector<std::string> flagsOf(const HumanForm& form) {
  std::vector<std::string> flags;
  for (const HumanArgument& argument : form.arguments) {
    if (argument.flag != 0) flags.push_back(fmt::format("-{}", argument.flag));
  }
  flags.emplace_back("-j");
  return flags;
}

void keepMatching(std::vector<std::string>& names, std::string_view typed) {
  std::erase_if(names, [&](const std::string& name) { return !name.starts_with(typed); });
  std::sort(names.begin(), names.end());
  names.erase(std::unique(names.begin(), names.end()), names.end());
}

// Names in the folder of `typed` as it was typed; folders end in '/'.
std::vector<std::string> fileNames(const std::string& typed) {
  const std::size_t slash = typed.rfind('/');
  const std::string shown = slash == std::string::npos ? "" : typed.substr(0, slash + 1);
  const std::unique_ptr<DIR, int (*)(DIR*)> folder(::opendir(shown.empty() ? "." : shown.c_str()), &::closedir);
  std::vector<std::string> names;
  if (!folder) return names;
  const bool hidden = typed.size() > shown.size() && typed[shown.size()] == '.';
  while (const dirent* entry = ::readdir(folder.get())) {
    const std::string_view name = entry->d_name;
    if (name == "." || name == ".." || (name[0] == '.' && !hidden)) continue;
    names.push_back(fmt::format("{}{}{}", shown, name, entry->d_type == DT_DIR ? "/" : ""));
  }
  return names;
}

// Behind the last comma: the keys ("cache.direct="), or the values of the key that stands there.
std::vector<std::string> keyCandidates(const HumanArgument& argument, const std::string& typed) {
  const std::size_t comma = typed.rfind(',');
  const std::string before = comma == std::string::npos ? "" : typed.substr(0, comma + 1);
  const bool hasKey = typed.find('=', before.size()) != std::string::npos;
  std::vector<std::string> found;
  for (const std::string_view value : argument.values) {
    if (value.ends_with('=') != hasKey) found.push_back(before + std::string(value));
  }
  return found;
}

// Keys whose values are names of things, by the last part of the key: "file.filename" is a file's name.
struct NamedValue {
  std::string_view key;
  ArgumentKind kind;
};
constexpr NamedValue kNamedValues[] = {
    {"file", ArgumentKind::kFile},
    {"filename", ArgumentKind::kFile},
    {"path", ArgumentKind::kFile},
    {"drive", ArgumentKind::kDriveOrNode},
    {"chardev", ArgumentKind::kChardev},
    {"iothread", ArgumentKind::kIothread},
    {"throttle-group", ArgumentKind::kObject},
};

std::optional<ArgumentKind> kindOfValue(std::string_view key) {
  key.remove_prefix(key.rfind('.') + 1);  // npos + 1 is 0
  for (const NamedValue& row : kNamedValues) {
    if (row.key == key) return row.kind;
  }
  return std::nullopt;
}

void collect(json::View value, const std::vector<std::string>& keys, std::vector<std::string>& names) {
  if (value.isArray()) {
    for (const json::View item : value.items()) collect(item, keys, names);
  } else if (value.isObject()) {
    for (const std::string& key : keys) {
      const std::optional<json::View> name = value.find(key);
      if (name && name->isString() && !name->asString().empty()) names.emplace_back(name->asString());
    }
    if (const std::optional<json::View> inserted = value.find("inserted")) collect(*inserted, keys, names);
  }
}

}  // namespace

Task<Completion> Completer::complete(std::string line, std::size_t cursor) {
  const std::string head = line.substr(0, cursor);
  std::vector<Word> words = splitWords(head);
  const bool atWord = !words.empty() && words.back().end == head.size();
  const Word typed = atWord ? words.back() : Word{{}, head.size(), head.size(), false, false};
  if (atWord) words.pop_back();

  Completion completion;
  completion.start = typed.begin;
  const auto [form, used] = shell_.forms().match(words);
  completion.candidates = shell_.forms().nextWords(words);
  if (form != nullptr && (completion.candidates.empty() || words.size() > used)) {
    const std::span<const Word> before = std::span<const Word>(words).subspan(used);
    if (typed.text.starts_with("-")) {
      completion.candidates = flagsOf(*form);
    } else if (const HumanArgument* argument = argumentAt(*form, before)) {
      completion.candidates = co_await candidates(*argument, typed.text, completion.closes);
    }
  }
  keepMatching(completion.candidates, typed.text);
  co_return completion;
}

Task<std::vector<std::string>> Completer::candidates(const HumanArgument& argument, std::string typed, bool& closes) {
  switch (argument.kind) {
    case ArgumentKind::kEnum:
      co_return std::vector<std::string>(argument.values.begin(), argument.values.end());
    case ArgumentKind::kKeyval:
    case ArgumentKind::kRest:
    case ArgumentKind::kWord:
      co_return co_await options(argument, std::move(typed), closes);
    case ArgumentKind::kBool:
      co_return std::vector<std::string>{std::string("on"), std::string("off")};
    case ArgumentKind::kDrive:
    case ArgumentKind::kDevice:
      co_return co_await membersOf("query-block", "{}", std::vector<std::string>(1, "device"));
    case ArgumentKind::kNode:
      co_return co_await membersOf("query-named-block-nodes", "{\"flat\": true}",
                                   std::vector<std::string>(1, "node-name"));
    case ArgumentKind::kDriveOrNode: {
      std::vector<std::string> names = co_await membersOf("query-block", "{}", std::vector<std::string>(1, "device"));
      const std::vector<std::string> nodes =
          co_await membersOf("query-named-block-nodes", "{\"flat\": true}", std::vector<std::string>(1, "node-name"));
      names.insert(names.end(), nodes.begin(), nodes.end());
      co_return names;
    }
    case ArgumentKind::kChardev:
      co_return co_await membersOf("query-chardev", "{}", std::vector<std::string>(1, "label"));
    case ArgumentKind::kJob:
      co_return co_await membersOf("query-jobs", "{}", std::vector<std::string>(1, "id"));
    case ArgumentKind::kIothread:
      co_return co_await membersOf("query-iothreads", "{}", std::vector<std::string>(1, "id"));
    case ArgumentKind::kObject:
      co_return co_await membersOf("qom-list", "{\"path\": \"/objects\"}", std::vector<std::string>(1, "name"));
    case ArgumentKind::kPath:
      co_return co_await paths(std::move(typed), closes);
    case ArgumentKind::kCommand:
      co_return shell_.forms().nextWords({});
    case ArgumentKind::kFile: {
      const auto look = [typed] { return fileNames(typed); };
      std::vector<std::string> names = co_await offload(look);
      keepMatching(names, typed);
      closes = names.size() != 1 || names.front().back() != '/';
      co_return names;
    }
    default:
      co_return std::vector<std::string>();
  }
}

// Behind the last comma: a key, or the value of the key that stands there.
Task<std::vector<std::string>> Completer::options(HumanArgument argument, std::string typed, bool& closes) {
  closes = false;
  std::vector<std::string> found = keyCandidates(argument, typed);
  const std::size_t begin = typed.rfind(',') + 1;
  const std::size_t equals = typed.find('=', begin);
  if (equals == std::string::npos) co_return found;
  const std::optional<ArgumentKind> kind = kindOfValue(std::string_view(typed).substr(begin, equals - begin));
  if (!kind) co_return found;
  HumanArgument value{};
  value.kind = *kind;
  bool closesValue = false;
  const std::vector<std::string> names = co_await candidates(value, typed.substr(equals + 1), closesValue);
  for (const std::string& name : names) found.push_back(typed.substr(0, equals + 1) + name);
  co_return found;
}

Task<std::vector<std::string>> Completer::membersOf(std::string command, std::string arguments,
                                                    std::vector<std::string> keys) {
  std::vector<std::string> names;
  const Result<json::Text> reply = co_await shell_.executor().execute(std::move(command), std::move(arguments));
  if (!reply) co_return names;
  const Result<json::Value> value = json::parse(*reply);
  if (value) collect(*value, keys, names);
  co_return names;
}

// Children of the folder that was typed: "/obj" gives "/objects/".
Task<std::vector<std::string>> Completer::paths(std::string typed, bool& closes) {
  const std::size_t slash = typed.rfind('/');
  const std::string folder = slash == std::string::npos || slash == 0 ? "/" : typed.substr(0, slash);
  json::Writer arguments;
  arguments.beginObject();
  arguments.member("path", std::string_view(folder));
  arguments.endObject();
  std::vector<std::string> names;
  const Result<json::Text> reply = co_await shell_.executor().execute("qom-list", arguments.take());
  if (!reply) co_return names;
  const Result<json::Value> value = json::parse(*reply);
  if (!value || !value->isArray()) co_return names;
  for (const json::View item : value->items()) {
    const std::optional<json::View> name = item.find("name");
    const std::optional<json::View> type = item.find("type");
    if (!name || !type || !type->asString().starts_with("child<")) continue;
    names.push_back(fmt::format("{}{}", folder == "/" ? "/" : folder + "/", name->asString()));
  }
  closes = false;
  co_return names;
}

}  // namespace rhea::monitor
