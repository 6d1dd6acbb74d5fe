#include "emu/object/command-line.h"

#include "emu/base/json-writer.h"
#include "emu/base/names.h"
#include "emu/base/size.h"

namespace rhea::object {

namespace {

constexpr int kUsage = 2;  // exit status

std::string dashed(std::string_view option) { return "-" + std::string(option); }

const OptionParameter* findParameter(const OptionInfo& option, std::string_view name) {
  const auto found = std::ranges::find(option.parameters, name, &OptionParameter::name);
  return found == option.parameters.end() ? nullptr : &*found;
}

bool isOnOff(std::string_view value) {
  constexpr std::array<std::string_view, 6> kWords = {"on", "off", "yes", "no", "true", "false"};
  return std::ranges::find(kWords, value) != kWords.end();
}

bool isNumber(std::string_view value) {
  if (value.starts_with('-')) value.remove_prefix(1);
  const bool hex = value.starts_with("0x");
  if (hex) value.remove_prefix(2);
  return !value.empty() && std::ranges::all_of(value, [hex](char c) {
    return (c >= '0' && c <= '9') || (hex && ((c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F')));
  });
}

// Whether a value fits the type that the table gives to its key.
Result<void> checkValue(const OptionParameter& parameter, std::string_view value) {
  std::string_view expected;
  if (parameter.type == "boolean" && !isOnOff(value)) expected = "on or off";
  if (parameter.type == "number" && !isNumber(value)) expected = "a number";
  if (parameter.type == "size" && !parseSize(value).ok()) expected = "a size in bytes, or with a unit such as 512M";
  if (expected.empty()) return success();
  return Error(fmt::format("'{}' must be {}, not '{}'", parameter.name, expected, value))
      .where(std::string(parameter.name))
      .expected(std::string(expected));
}

// `nowait` is wait=off where the option has a switch `wait`.
void resolveNegation(const OptionInfo& option, Keyval& pairs) {
  std::vector<std::string> negated;
  for (const Keyval::Entry& entry : pairs.entries()) {
    if (!entry.bare || !entry.key.starts_with("no") || findParameter(option, entry.key) != nullptr) continue;
    const OptionParameter* positive = findParameter(option, std::string_view(entry.key).substr(2));
    if (positive != nullptr && positive->type == "boolean") negated.push_back(entry.key);
  }
  for (const std::string& key : negated) {
    pairs.take(key);
    pairs.set(key.substr(2), "off");
  }
}

// Keys and values of a kKeyval option against its table.
Result<void> checkPairs(const OptionInfo& option, const Keyval& pairs) {
  if (option.parameters.empty()) return success();
  for (const Keyval::Entry& entry : pairs.entries()) {
    const OptionParameter* parameter = findParameter(option, entry.key);
    if (parameter == nullptr && option.openKeys) continue;
    if (parameter == nullptr) {
      std::vector<std::string_view> names;
      for (const OptionParameter& known : option.parameters) names.push_back(known.name);
      return Error(fmt::format("there is no key '{}'", entry.key))
          .candidates(nearestNames(entry.key, std::span<const std::string_view>(names)))
          .hint(fmt::format("{} help lists the keys", dashed(option.name)))
          .withExitCode(kUsage);
    }
    Result<void> fits = checkValue(*parameter, entry.value);
    if (!fits.ok()) return fits.takeError().withExitCode(kUsage);
  }
  return success();
}

// {"a": {"b": true}, "c": 1} as a.b=on,c=1.
Result<void> flatten(json::View value, const std::string& path, Keyval& to) {
  const auto below = [&path](std::string_view name) {
    return path.empty() ? std::string(name) : fmt::format("{}.{}", path, name);
  };
  switch (value.kind()) {
    case json::Kind::kObject:
      for (const json::Member& member : value.members()) RHEA_CHECK(flatten(member.value, below(member.key), to));
      return success();
    case json::Kind::kArray: {
      std::size_t index = 0;
      for (const json::View item : value.items()) RHEA_CHECK(flatten(item, below(std::to_string(index++)), to));
      return success();
    }
    case json::Kind::kBool:
      to.set(path, value.asBool() ? "on" : "off");
      return success();
    case json::Kind::kString:
      to.set(path, std::string(value.asString()));
      return success();
    case json::Kind::kNull:
      return Error(fmt::format("'{}' is null", path)).expected("a value").where(path);
    default:
      to.set(path, std::string(value.numberText()));
      return success();
  }
}

bool hasDottedKey(json::View object) {
  for (const json::Member& member : object.members()) {
    if (member.key.find('.') != std::string_view::npos) return true;
  }
  return false;
}

void writeFlat(json::Writer& to, const Keyval& pairs) {
  to.beginObject();
  for (const Keyval::Entry& entry : pairs.entries()) to.member(entry.key, std::string_view(entry.value));
  to.endObject();
}

std::string_view trimmed(std::string_view line) {
  constexpr std::string_view kSpace = " \t\r";
  const std::size_t first = line.find_first_not_of(kSpace);
  if (first == std::string_view::npos) return {};
  return line.substr(first, line.find_last_not_of(kSpace) - first + 1);
}

// The text between the quotes; nothing where there are none.
std::optional<std::string_view> unquoted(std::string_view text) {
  if (text.size() < 2 || text.front() != '"' || text.back() != '"') return std::nullopt;
  return text.substr(1, text.size() - 2);
}

}  // namespace

const OptionInfo* CommandLine::find(std::string_view option) const {
  for (const OptionInfo& known : table_) {
    if (known.name == option || std::ranges::find(known.aliases, option) != known.aliases.end()) return &known;
  }
  return nullptr;
}

Error CommandLine::unknownOption(std::string_view name) const {
  std::vector<std::string_view> known;
  for (const OptionInfo& option : table_) {
    if (option.refusal.empty()) known.push_back(option.name);
  }
  std::vector<std::string> near = nearestNames(name, std::span<const std::string_view>(known));
  for (std::string& candidate : near) candidate.insert(0, "-");
  return Error(fmt::format("there is no option -{}", name))
      .candidates(std::move(near))
      .hint("-help lists the options")
      .withExitCode(kUsage);
}

Result<void> CommandLine::addWords(std::span<const std::string_view> words) {
  for (std::size_t i = 0; i < words.size(); ++i) {
    std::string_view name = words[i];
    if (!name.starts_with('-') || name.size() < 2) {
      return Error(fmt::format("'{}' is no option", name))
          .expected("options alone")
          .hint(fmt::format("-drive file={0},if=virtio makes it a disk of a machine that has some (-machine q35), "
                            "-drive file={0},if=none,id=disk0 one of the monitor alone",
                            name))
          .withExitCode(kUsage);
    }
    name.remove_prefix(name.starts_with("--") ? 2 : 1);
    std::optional<std::string_view> joined;  // --option=argument
    if (const std::size_t equals = name.find('='); equals != std::string_view::npos) {
      joined = name.substr(equals + 1);
      name = name.substr(0, equals);
    }
    const OptionInfo* option = find(name);
    if (option == nullptr) return unknownOption(name);
    if (joined && option->argument == OptionArgument::kNone) {
      return Error(fmt::format("{} takes no argument", dashed(name))).withExitCode(kUsage);
    }
    if (joined || option->argument == OptionArgument::kNone) {
      RHEA_CHECK(addArgument(*option, joined.value_or(std::string_view()), dashed(name)));
      continue;
    }
    if (i + 1 == words.size() && option->refusal.empty()) {
      return Error(fmt::format("{} needs an argument", dashed(name)))
          .expected(option->argumentName.empty() ? "key=value,..." : std::string(option->argumentName))
          .withExitCode(kUsage);
    }
    const std::string_view argument = i + 1 < words.size() ? words[i + 1] : std::string_view();
    ++i;
    RHEA_CHECK(addArgument(*option, argument, dashed(name)));
  }
  return success();
}

Result<void> CommandLine::addArgument(const OptionInfo& option, std::string_view argument, std::string origin) {
  if (!option.refusal.empty())
    return Error(fmt::format("{}{}{}: {}", origin, argument.empty() ? "" : " ", argument, option.refusal))
        .withExitCode(kUsage);
  Given given;
  given.option = &option;
  given.origin = std::move(origin);
  given.text = argument;
  given.written = argument;
  switch (option.argument) {
    case OptionArgument::kNone:
    case OptionArgument::kWord:
      break;
    case OptionArgument::kKeyval:
    case OptionArgument::kJson:
      const std::string place = fmt::format("{} {}", given.origin, argument);
      if (option.argument == OptionArgument::kJson && argument.starts_with('{')) {
        Result<json::Value> value = json::parse(argument);
        if (!value.ok()) return value.takeError().context(place).withExitCode(kUsage);
        given.value = *std::move(value);
        given.spelling = json::Spelling::kJson;
        break;
      }
      Result<Keyval> pairs = Keyval::parse(argument, option.impliedKey);
      if (!pairs.ok()) return pairs.takeError().context(place).withExitCode(kUsage);
      return addPairs(option, *std::move(pairs), given.origin, std::string(argument));
  }
  given_.push_back(std::move(given));
  return success();
}

Result<void> CommandLine::addPairs(const OptionInfo& option, Keyval pairs, std::string origin, std::string written) {
  Given given;
  given.option = &option;
  given.origin = std::move(origin);
  resolveNegation(option, pairs);
  given.text = pairs.toText();
  given.written = written.empty() ? given.text : std::move(written);
  const std::string place = fmt::format("{} {}", given.origin, given.written);
  if (!pairs.wantsHelp()) {
    if (option.argument == OptionArgument::kKeyval) {
      Result<void> checked = checkPairs(option, pairs);
      if (!checked.ok()) return checked.takeError().context(place);
    } else {
      Result<json::Text> nested = pairs.toJson();
      if (!nested.ok()) return nested.takeError().context(place).withExitCode(kUsage);
      RHEA_TRY(given.value, json::parse(*nested));
    }
  }
  given.pairs = std::move(pairs);
  given_.push_back(std::move(given));
  return success();
}

Result<void> CommandLine::addConfig(std::string_view text, const std::string& name) {
  Result<json::Value> parsed = json::parse(text);
  if (!parsed.ok()) return parsed.takeError().context(name).withExitCode(kUsage);
  if (!parsed->isObject()) {
    return Error(
               fmt::format("{}: a configuration is an object of options, not {}", name, json::describe(parsed->kind())))
        .expected(R"({"option": value, ...})")
        .withExitCode(kUsage);
  }
  for (const json::Member& member : parsed->members()) {
    const OptionInfo* option = find(member.key);
    if (option == nullptr) return unknownOption(member.key).context(name);
    const std::string origin = fmt::format("{}: {}", name, member.key);
    if (!member.value.isArray()) {
      RHEA_CHECK(addConfigValue(*option, member.value, origin));
      continue;
    }
    if (!option->repeatable && member.value.size() > 1) {
      return Error(fmt::format("{}: the option cannot be given more than once", origin)).withExitCode(kUsage);
    }
    std::size_t index = 0;
    for (const json::View item : member.value.items()) {
      RHEA_CHECK(addConfigValue(*option, item, fmt::format("{}[{}]", origin, index++)));
    }
  }
  return success();
}

Result<void> CommandLine::addConfigValue(const OptionInfo& option, json::View value, const std::string& origin) {
  const auto wrong = [&](std::string_view expected) {
    return Error(fmt::format("{} must be {}, not {}", origin, expected, json::describe(value.kind())))
        .expected(std::string(expected))
        .withExitCode(kUsage);
  };
  if (option.argument == OptionArgument::kNone) {
    if (value.kind() != json::Kind::kBool) return wrong("true or false");
    return value.asBool() ? addArgument(option, {}, origin) : success();
  }
  if (value.isString()) return addArgument(option, value.asString(), origin);
  if (option.argument == OptionArgument::kWord) {
    return value.isNumber() ? addArgument(option, value.numberText(), origin) : wrong("a string");
  }
  if (!value.isObject()) return wrong("an object of keys and values, or a string as on the command line");
  if (!option.refusal.empty()) return addArgument(option, {}, origin);
  if (option.argument == OptionArgument::kKeyval || hasDottedKey(value)) {
    Keyval pairs;
    Result<void> flat = flatten(value, {}, pairs);
    if (!flat.ok()) return flat.takeError().context(origin).withExitCode(kUsage);
    return addPairs(option, std::move(pairs), origin);
  }
  Given given;
  given.option = &option;
  given.origin = origin;
  given.value = json::Value(value);
  given_.push_back(std::move(given));
  return success();
}

Result<void> CommandLine::addIni(std::string_view text, const std::string& name) {
  const OptionInfo* option = nullptr;
  Keyval pairs;
  std::string origin;
  const auto finish = [&]() -> Result<void> {
    if (option == nullptr) return success();
    return addPairs(*option, std::exchange(pairs, Keyval()), origin);
  };
  std::size_t number = 0;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    const std::string_view line = trimmed(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
    const std::string place = fmt::format("{}, line {}", name, ++number);
    const auto wrong = [&](std::string_view expected) {
      return Error(fmt::format("{}: '{}' is not understood", place, line))
          .expected(std::string(expected))
          .withExitCode(kUsage);
    };
    if (line.empty() || line.front() == '#') continue;
    if (line.front() == '[') {
      RHEA_CHECK(finish());
      option = nullptr;
      if (line.back() != ']') return wrong(R"([option] or [option "id"])");
      const std::string_view inside = trimmed(line.substr(1, line.size() - 2));
      const std::size_t space = inside.find_first_of(" \t");
      const std::string_view group = inside.substr(0, space);
      option = find(group);
      if (option == nullptr) return unknownOption(group).context(place);
      if (option->argument == OptionArgument::kNone || option->argument == OptionArgument::kWord) {
        return Error(fmt::format("{}: {} has no keys", place, dashed(group)))
            .hint("give it on the command line, or in a --config file")
            .withExitCode(kUsage);
      }
      if (!option->refusal.empty()) return addArgument(*option, {}, place);
      origin = place;
      if (space == std::string_view::npos) continue;
      const std::optional<std::string_view> id = unquoted(trimmed(inside.substr(space)));
      if (!id) return wrong(R"([option] or [option "id"])");
      pairs.set("id", std::string(*id));
      continue;
    }
    const std::size_t equals = line.find('=');
    if (option == nullptr) return wrong(R"([option] before the first key)");
    if (equals == std::string_view::npos) return wrong(R"(key = "value")");
    const std::optional<std::string_view> value = unquoted(trimmed(line.substr(equals + 1)));
    if (!value) return wrong(R"(key = "value", in double quotes)");
    pairs.set(std::string(trimmed(line.substr(0, equals))), std::string(*value));
  }
  return finish();
}

std::vector<const Given*> CommandLine::all(std::string_view option) const {
  std::vector<const Given*> list;
  for (const Given& given : given_) {
    if (given.option->name == option) list.push_back(&given);
  }
  return list;
}

const Given* CommandLine::last(std::string_view option) const {
  const std::vector<const Given*> list = all(option);
  return list.empty() ? nullptr : list.back();
}

std::optional<std::string> CommandLine::word(std::string_view option) const {
  const Given* given = last(option);
  if (given == nullptr) return std::nullopt;
  return given->text;
}

Keyval CommandLine::merged(std::string_view option) const {
  Keyval together;
  for (const Given* given : all(option)) {
    for (const Keyval::Entry& entry : given->pairs.entries()) together.set(entry.key, entry.value);
  }
  return together;
}

std::string CommandLine::dump(std::span<const std::string_view> without) const {
  json::Writer writer(json::Writer::Style::kPretty);
  const auto writeOne = [&writer](const Given& given) {
    switch (given.option->argument) {
      case OptionArgument::kNone:
        writer.boolean(true);
        break;
      case OptionArgument::kWord:
        writer.string(given.text);
        break;
      case OptionArgument::kKeyval:
        writeFlat(writer, given.pairs);
        break;
      case OptionArgument::kJson:
        writer.value(given.value);
        break;
    }
  };
  writer.beginObject();
  for (const OptionInfo& option : table_) {
    const std::vector<const Given*> list = all(option.name);
    if (list.empty() || std::ranges::find(without, option.name) != without.end()) continue;
    writer.key(option.name);
    if (option.repeatable && list.size() > 1) {
      writer.beginArray();
      for (const Given* given : list) writeOne(*given);
      writer.endArray();
    } else if (option.argument == OptionArgument::kKeyval && list.size() > 1) {
      writeFlat(writer, merged(option.name));
    } else {
      writeOne(*list.back());
    }
  }
  writer.endObject();
  return writer.take() + "\n";
}

}  // namespace rhea::object
