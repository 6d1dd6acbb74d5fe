#include "qapi/gen/cpp-names.h"

namespace rhea::gen {

namespace {

constexpr std::string_view kReserved[] = {
    "alignas", "alignof",  "and",      "asm",     "auto",     "bool",      "break",     "case",     "catch",
    "char",    "class",    "concept",  "const",   "continue", "default",   "delete",    "do",       "double",
    "else",    "enum",     "explicit", "export",  "extern",   "false",     "float",     "for",      "friend",
    "goto",    "if",       "inline",   "int",     "long",     "mutable",   "namespace", "new",      "noexcept",
    "not",     "nullptr",  "operator", "or",      "private",  "protected", "public",    "register", "requires",
    "return",  "short",    "signed",   "sizeof",  "static",   "struct",    "switch",    "template", "this",
    "throw",   "true",     "try",      "typedef", "typename", "union",     "unsigned",  "using",    "virtual",
    "void",    "volatile", "while",    "xor",     "info",     "rateKey",   "linux",     "unix",     "errno",
    "stdin",   "stdout",   "stderr",   "assert",  "offsetof"};

bool isLower(char byte) { return byte >= 'a' && byte <= 'z'; }
bool isUpper(char byte) { return byte >= 'A' && byte <= 'Z'; }
bool isDigit(char byte) { return byte >= '0' && byte <= '9'; }
char lower(char byte) { return isUpper(byte) ? static_cast<char>(byte | 0x20) : byte; }
char upper(char byte) { return isLower(byte) ? static_cast<char>(byte & ~0x20) : byte; }

std::string joined(std::string_view name, bool firstUpper) {
  const bool shouting = std::ranges::none_of(name, isLower);
  std::string result;
  bool wordStart = true;
  for (const char byte : name) {
    if (!isLower(byte) && !isUpper(byte) && !isDigit(byte)) {
      wordStart = true;
      continue;
    }
    const char letter = shouting ? lower(byte) : byte;
    result += wordStart && (firstUpper || !result.empty()) ? upper(letter) : letter;
    wordStart = false;
  }
  if (result.empty() || isDigit(result.front())) result.insert(result.begin(), '_');
  return result;
}

}  // namespace

std::string pascalName(std::string_view name) { return joined(name, true); }

std::string camelName(std::string_view name) {
  std::string result = joined(name, false);
  // A run of capitals at the start is one word: KVMMissingCap is kvmMissingCap, QMP is qmp.
  std::size_t run = 0;
  while (run < result.size() && isUpper(result[run])) ++run;
  if (run > 1 && run < result.size() && isLower(result[run])) --run;
  for (std::size_t at = 0; at < run; ++at) result[at] = lower(result[at]);
  if (std::ranges::find(kReserved, result) != std::end(kReserved)) result += '_';
  return result;
}

std::string memberName(std::string_view name) { return camelName(name); }

std::string typeName(const Entry& entry) {
  if (entry.isType()) return entry.name;
  return pascalName(entry.name) + (entry.kind == EntryKind::kEvent ? "Event" : "");
}

std::string cppType(const TypeUse& use, bool boxed) {
  const Builtin* builtin = findBuiltin(use.name);
  std::string name = builtin != nullptr ? std::string(builtin->cpp) : typeName(*use.entry);
  if (boxed) name = fmt::format("Box<{}>", name);
  return use.list ? fmt::format("std::vector<{}>", name) : name;
}

std::string infoOf(const TypeUse& use, bool boxed) {
  const Builtin* builtin = findBuiltin(use.name);
  if (builtin != nullptr && !use.list) return std::string(builtin->info);
  return fmt::format("json::TypeOf<{}>::kInfo", cppType(use, boxed));
}

}  // namespace rhea::gen
