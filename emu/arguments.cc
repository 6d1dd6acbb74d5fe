#include "emu/arguments.h"

#include "emu/base/files.h"
#include "emu/chardev/parse.h"
#include "emu/cpu/trace-log.h"
#include "emu/machine/board.h"
#include "emu/object/version.h"
#include "hw/core/device-help.h"
#include "target/x86/model.h"

namespace rhea {

namespace {

using object::CommandLine;
using object::Given;

constexpr std::size_t kLongestConfig = std::size_t{16} << 20;
constexpr std::size_t kLeftColumn = 30;
constexpr std::size_t kWidth = 110;

// "left   right right", the right column wrapped.
std::string row(const std::string& left, std::string_view right) {
  std::string text = "  " + left;
  if (text.size() + 2 > kLeftColumn) {
    text.push_back('\n');
    text.append(kLeftColumn, ' ');
  } else {
    text.append(kLeftColumn - text.size(), ' ');
  }
  std::size_t column = kLeftColumn;
  while (!right.empty()) {
    const std::size_t end = std::min(right.find(' '), right.size());
    if (column + end > kWidth) {
      text.back() = '\n';
      text.append(kLeftColumn, ' ');
      column = kLeftColumn;
    }
    text.append(right.substr(0, end)).push_back(' ');
    column += end + 1;
    right.remove_prefix(std::min(end + 1, right.size()));
  }
  text.pop_back();
  return text + "\n";
}

std::string_view firstSentence(std::string_view doc) {
  const std::size_t end = doc.find(". ");
  return doc.substr(0, end == std::string_view::npos ? doc.size() : end + 1);
}

std::string usage(const CommandLine& line) {
  std::string text = object::versionLine() + "\nusage: rhea [options]\n\n";
  std::string refused;
  for (const OptionInfo& option : line.table()) {
    if (!option.refusal.empty()) {
      refused.append(refused.empty() ? "-" : " -").append(option.name);
      continue;
    }
    std::string left = fmt::format("-{}", option.name);
    if (!option.argumentName.empty()) left.append(" ").append(option.argumentName);
    text += row(left, firstSentence(option.doc));
  }
  text += "\n-option and --option are the same; `help` as a value lists what an option takes.\n";
  text += "Known from other emulators and refused with the reason:\n";
  return text + row("", refused);
}

std::string machineHelp() {
  std::string text = "Supported machines are:\n";
  for (const machine::Board& board : machine::boards()) {
    if (!board.alias.empty())
      text += row(std::string(board.alias), fmt::format("{} (alias of {})", board.doc, board.name));
    text += row(std::string(board.name), fmt::format("{}{}", board.doc, board.isDefault ? " (default)" : ""));
  }
  return text;
}

std::string keyRow(const OptionParameter& parameter, std::string_view about) {
  std::string doc(about);
  if (!parameter.initial.empty()) doc += fmt::format(" (default: {})", parameter.initial);
  return row(fmt::format("{}=<{}>", parameter.name, parameter.type), doc);
}

std::string cpuHelp() {
  std::string text = "Available CPUs:\n";
  for (const x86::ModelName& model : x86::modelNames()) {
    text += row(model.name, model.aliasOf.empty() ? model.description : fmt::format("(alias of {})", model.aliasOf));
  }
  text += "\nFeatures that can be turned on (+NAME) or off (-NAME):\n";
  std::string names;
  for (const x86::Feature& feature : x86::features()) {
    if (feature.implemented) names.append(names.empty() ? "" : " ").append(feature.name);
  }
  return text + row("", names);
}

// -object help: the types; -object TYPE,help: its properties.
std::string objectHelp(const Keyval& pairs, const object::ClassTable& classes) {
  const Keyval::Entry* type = pairs.find("qom-type");
  const object::Class* found = type == nullptr ? nullptr : classes.find(type->value);
  std::string text;
  if (found == nullptr || found->make == nullptr) {
    text = "List of user creatable objects:\n";
    for (const std::string_view name : classes.creatable()) text += row(std::string(name), classes.find(name)->doc);
    return text;
  }
  text = fmt::format("{} options:\n", found->name);
  for (const object::Property* property : classes.properties(*found)) {
    if (property->settable == object::Settable::kReadOnly) continue;
    std::string doc(property->doc);
    if (!property->initial.empty()) doc += fmt::format(" (default: {})", property->initial);
    text += row(fmt::format("{}=<{}>", property->name, property->type), doc);
  }
  return text;
}

// -device help: the types; -device TYPE,help: its properties.
std::string devicesHelp(const Keyval& pairs, const object::ClassTable& classes) {
  const Keyval::Entry* driver = pairs.find("driver");
  if (driver == nullptr || driver->value == "help" || driver->value == "?") return hw::deviceHelp(classes);
  Result<std::string> text = hw::deviceHelp(classes, driver->value);
  return text.ok() ? *std::move(text) : text.error().describe() + "\n";
}

// -chardev help: the kinds; -chardev KIND,help: its keys, which are those whose explanation names it or none.
std::string chardevHelp(const OptionInfo& option, const Keyval& pairs) {
  const Keyval::Entry* kind = pairs.find("backend");
  std::string text;
  if (kind == nullptr || kind->value == "help" || kind->value == "?") {
    text = "Available chardev backend types:\n";
    for (const chardev::KindHelp& known : chardev::kinds()) text += row(std::string(known.name), known.doc);
    return text + "-chardev TYPE,help lists the options of one.\n";
  }
  text = fmt::format("{} options:\n", kind->value);
  for (const OptionParameter& parameter : option.parameters) {
    const std::size_t colon = parameter.doc.find(": ");
    const std::string_view about = colon == std::string_view::npos ? "" : parameter.doc.substr(0, colon);
    const bool names =
        std::ranges::any_of(chardev::kinds(), [&](const auto& known) { return about.starts_with(known.name); });
    const bool fits = parameter.name != "backend" && (!names || about.find(kind->value) != std::string_view::npos);
    if (fits) text += keyRow(parameter, names ? parameter.doc.substr(colon + 2) : parameter.doc);
  }
  return text;
}

std::string keysHelp(const OptionInfo& option) {
  std::string text = fmt::format("-{} {}\n{}\n", option.name, option.argumentName, option.doc);
  for (const OptionParameter& parameter : option.parameters) text += keyRow(parameter, parameter.doc);
  return text;
}

}  // namespace

Result<CommandLine> readArguments(std::span<const OptionInfo> table, std::span<const std::string_view> words) {
  CommandLine typed(table);
  RHEA_CHECK(typed.addWords(words));
  CommandLine line(table);
  for (const Given& given : typed.all()) {
    const bool isConfig = given.option->name == "config";
    if (!isConfig && given.option->name != "readconfig") continue;
    Result<std::string> text = readFile(given.text, kLongestConfig);
    if (!text.ok()) return text.takeError().context(fmt::format("{} {}", given.origin, given.text)).withExitCode(2);
    RHEA_CHECK(isConfig ? line.addConfig(*text, given.text) : line.addIni(*text, given.text));
    if (line.has("config") || line.has("readconfig")) {
      return Error(fmt::format("{}: a configuration file cannot name another one", given.text)).withExitCode(2);
    }
  }
  RHEA_CHECK(line.addWords(words));
  return line;
}

std::optional<std::string> answerQuestions(const CommandLine& line, const object::ClassTable& classes) {
  if (line.has("help")) return usage(line);
  if (const std::optional<std::string> items = line.word("d"); items == "help" || items == "?")
    return cpu::TraceLog::help();
  if (const std::optional<std::string> cpu = line.word("cpu"); cpu == "help" || cpu == "?") return cpuHelp();
  if (line.has("version")) return object::versionLine() + "\n";
  for (const Given& given : line.all()) {
    if (given.option->argument != OptionArgument::kKeyval && given.option->argument != OptionArgument::kJson) continue;
    if (!given.pairs.wantsHelp()) continue;
    if (given.option->name == "machine") return machineHelp();
    if (given.option->name == "object") return objectHelp(given.pairs, classes);
    if (given.option->name == "device") return devicesHelp(given.pairs, classes);
    if (given.option->name == "chardev") return chardevHelp(*given.option, given.pairs);
    return keysHelp(*given.option);
  }
  if (line.has("dump-config")) {
    constexpr std::string_view kNotPart[] = {"dump-config", "config", "readconfig"};
    return line.dump(kNotPart);
  }
  return std::nullopt;
}

}  // namespace rhea
