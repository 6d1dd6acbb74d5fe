#include "target/x86/gen/table.h"

#include <fstream>

namespace rhea::x86::gen {

namespace {

using Words = std::vector<std::string>;

Words split(std::string_view text, std::string_view separators) {
  Words words;
  std::string word;
  for (const char c : text) {
    if (separators.find(c) != std::string_view::npos) {
      if (!word.empty()) words.push_back(std::exchange(word, {}));
    } else {
      word += c;
    }
  }
  if (!word.empty()) words.push_back(word);
  return words;
}

// Columns are two or more spaces apart.
Words columns(const std::string& line) {
  Words found;
  std::size_t at = 0;
  while (at < line.size()) {
    std::size_t end = line.find("  ", at);
    if (end == std::string::npos) end = line.size();
    if (end > at) found.push_back(line.substr(at, end - at));
    at = line.find_first_not_of(' ', end);
    if (at == std::string::npos) break;
  }
  while (!found.empty() && found.back().empty()) found.pop_back();
  return found;
}

std::optional<unsigned> hexByte(const std::string& word) {
  if (word.size() != 2 || word.find_first_not_of("0123456789abcdef") != std::string::npos) return std::nullopt;
  return static_cast<unsigned>(std::stoul(word, nullptr, 16));
}

const std::map<char, std::string> kSizes = {{'b', "kByte"},    {'w', "kWord"},         {'d', "kDword"},
                                            {'q', "kQword"},   {'o', "kOcta"},         {'h', "kYmm"},
                                            {'t', "kTen"},     {'v', "kOperand"},      {'z', "kOperand32"},
                                            {'y', "kNatural"}, {'x', "kVectorLength"}, {'p', "kFarPointer"}};
const std::map<char, std::string> kKinds = {
    {'G', "kGpr"},           {'E', "kRm"},          {'R', "kRmRegister"}, {'M', "kMemory"},
    {'Z', "kOpcode"},        {'A', "kAccumulator"}, {'B', "kVexGpr"},     {'I', "kImmediate"},
    {'J', "kRelative"},      {'O', "kOffset"},      {'S', "kSegment"},    {'C', "kControl"},
    {'D', "kDebug"},         {'V', "kVector"},      {'W', "kVectorRm"},   {'U', "kVectorRmRegister"},
    {'H', "kVexVector"},     {'L', "kIs4"},         {'P', "kMmx"},        {'Q', "kMmxRm"},
    {'N', "kMmxRmRegister"}, {'F', "kFpu"},         {'X', "kSib"}};
const std::map<std::string, std::string> kClasses = {
    {"copy", "kCopy"},          {"rewrite", "kRewrite"},   {"helper", "kHelper"},  {"end", "kEnd"},
    {"cpl0", "kCpl0"},          {"lockable", "kLockable"}, {"d64", "kDefault64"},  {"f64", "kForce64"},
    {"fpu", "kFpuClass"},       {"mmx", "kMmxClass"},      {"sse", "kSseClass"},   {"avx", "kAvxClass"},
    {"pm", "kNoMode16"},        {"branch", "kBranch"},     {"wait", "kWaitClass"}, {"unaligned", "kUnaligned"},
    {"notest", "kNoMemoryTest"}};

class Reader {
 public:
  explicit Reader(GenRow& row) : row_(row) {}

  std::string bytes(const std::string& column) {
    Words words = split(column, " ");
    std::size_t at = 0;
    if (at < words.size() && words[at].starts_with("vex.")) {
      if (std::string error = vex(words[at++]); !error.empty()) return error;
    } else {
      if (words.size() > 1 && hexByte(words[1])) {
        const std::map<std::string, std::string> prefixes = {
            {"NP", "kNoPrefix"}, {"66", "k66"}, {"f3", "kF3"}, {"f2", "kF2"}};
        if (const auto found = prefixes.find(words[0]); found != prefixes.end()) row_.prefix = found->second, ++at;
      }
      if (at + 1 < words.size() && words[at] == "0f" && opcodeLike(words[at + 1])) {
        row_.map = 1, ++at;
        if (at + 1 < words.size() && words[at] == "38" && opcodeLike(words[at + 1]))
          row_.map = 2, ++at;
        else if (at + 1 < words.size() && words[at] == "3a" && opcodeLike(words[at + 1]))
          row_.map = 3, ++at;
      }
    }
    if (at >= words.size()) return "an opcode byte is missing";
    std::string opcode = words[at++];
    if (opcode.ends_with("+r")) opcode.resize(opcode.size() - 2), row_.count = 8;
    const auto value = hexByte(opcode);
    if (!value) return "opcode: two hex digits expected, found '" + opcode + "'";
    row_.opcode = *value;
    for (; at < words.size(); ++at) {
      if (std::string error = condition(words[at]); !error.empty()) return error;
    }
    return {};
  }

  std::string operands(const std::string& column) {
    if (column == "-") return {};
    for (const std::string& word : split(column, ",")) {
      GenOperand operand;
      const std::size_t colon = word.find(':');
      std::string kind = word;
      if (colon != std::string::npos) {
        const std::string access = word.substr(0, colon);
        kind = word.substr(colon + 1);
        operand.read = access.find('r') != std::string::npos;
        operand.written = access.find('w') != std::string::npos;
        if (access != "r" && access != "w" && access != "rw") return "access r, w or rw expected in '" + word + "'";
      }
      if (std::string error = kindOf(kind, operand); !error.empty()) return error;
      row_.operands.push_back(std::move(operand));
    }
    return row_.operands.size() > 6 ? "more than six operands" : std::string();
  }

  std::string flags(const std::string& column) {
    Words parts;
    std::string part;
    for (const char c : column + "/") {
      if (c == '/')
        parts.push_back(std::exchange(part, {}));
      else
        part += c;
    }
    if (parts.size() != 3) return "flags read/written/undefined expected, found '" + column + "'";
    const std::map<char, unsigned> bits = {{'o', 0x800}, {'s', 0x80},  {'z', 0x40},  {'a', 0x10}, {'p', 4},
                                           {'c', 1},     {'d', 0x400}, {'i', 0x200}, {'t', 0x100}};
    for (std::size_t n = 0; n < 3; ++n) {
      if (parts[n] == "-") continue;
      for (const char c : parts[n]) {
        const auto found = bits.find(c);
        if (found == bits.end()) return std::string("flag of oszapcdit expected, found '") + c + "'";
        row_.flags[n] |= found->second;
      }
    }
    return {};
  }

  std::string classes(const std::string& column) {
    for (const std::string& word : split(column, ",")) {
      const auto found = kClasses.find(word);
      if (found == kClasses.end()) return "unknown class '" + word + "'";
      row_.classes.push_back(found->second);
    }
    return {};
  }

 private:
  static bool opcodeLike(const std::string& word) { return hexByte(word.substr(0, 2)).has_value() && word[0] != '/'; }

  std::string vex(const std::string& word) {
    const Words parts = split(word, ".");
    if (parts.size() != 5) return "vex.LENGTH.PREFIX.MAP.W expected, found '" + word + "'";
    const std::map<std::string, int> lengths = {{"128", 0}, {"256", 1}, {"lig", -1}, {"any", -1}, {"lz", 0}};
    const std::map<std::string, std::string> prefixes = {
        {"np", "kNoPrefix"}, {"66", "k66"}, {"f3", "kF3"}, {"f2", "kF2"}};
    const std::map<std::string, unsigned> maps = {{"0f", 5}, {"0f38", 6}, {"0f3a", 7}};
    const std::map<std::string, int> ws = {{"w0", 0}, {"w1", 1}, {"wig", -1}};
    const auto l = lengths.find(parts[1]);
    const auto p = prefixes.find(parts[2]);
    const auto m = maps.find(parts[3]);
    const auto w = ws.find(parts[4]);
    if (l == lengths.end() || p == prefixes.end() || m == maps.end() || w == ws.end())
      return "vex: '" + word + "' is unknown";
    row_.l = l->second, row_.prefix = p->second, row_.map = m->second, row_.w = w->second;
    return {};
  }

  std::string condition(const std::string& word) {
    if (word == "/r") {
      row_.modrm = true;
    } else if (word.size() >= 2 && word[0] == '/' && word[1] >= '0' && word[1] <= '7') {
      row_.modrm = true, row_.reg = word[1] - '0';
      if (word.size() == 4 && word[2] == ':') row_.rm = word[3] - '0', row_.mod = 2;
    } else if (word == "m") {
      row_.mod = 1;
    } else if (word == "reg") {
      row_.mod = 2;
    } else if (word == "W0" || word == "W1") {
      row_.w = word[1] - '0';
    } else if (word == "B0") {
      row_.rm = 0;
    } else if (word == "i64") {
      row_.mode = -1;
    } else if (word == "o64") {
      row_.mode = 1;
    } else if (word == "o16" || word == "o32") {
      row_.osize = word == "o16" ? 16 : 32;
    } else {
      return "unknown condition '" + word + "'";
    }
    return {};
  }

  std::string kindOf(const std::string& kind, GenOperand& operand) {
    if (kind.starts_with("=")) {
      operand.kind = "kImplied", operand.size = "kNone", operand.implied = kind.substr(1);
      return {};
    }
    if (kind == "Is")
      operand.kind = "kSigned", operand.size = "kByte";
    else if (kind == "Ap")
      operand.kind = "kFar", operand.size = "kFarPointer";
    if (!operand.kind.empty()) return {};
    const auto found = kKinds.find(kind.empty() ? '?' : kind[0]);
    if (found == kKinds.end()) return "unknown operand '" + kind + "'";
    operand.kind = found->second;
    operand.size = "kNone";
    if (kind.size() == 1) return {};
    const auto size = kSizes.find(kind[1]);
    if (size == kSizes.end() || kind.size() > 2) return "unknown operand size in '" + kind + "'";
    operand.size = size->second;
    if (kind[0] == 'M') row_.mod = 1;
    if (kind[0] == 'R' || kind[0] == 'U' || kind[0] == 'N' || kind[0] == 'F') row_.mod = 2;
    return {};
  }

  GenRow& row_;
};

}  // namespace

Result<std::vector<GenRow>> readTable(const std::string& path) {
  std::ifstream file(path);
  if (!file) return Error(fmt::format("cannot read '{}'", path));
  std::vector<GenRow> rows;
  std::string line;
  for (int number = 1; std::getline(file, line); ++number) {
    line = line.substr(0, line.find('#'));
    const Words found = columns(line);
    if (found.empty()) continue;
    GenRow row;
    row.where = fmt::format("{}:{}", path, number);
    std::string error;
    if (found.size() != 6) error = fmt::format("six columns, two spaces apart, expected, found {}", found.size());
    Reader reader(row);
    if (error.empty()) error = reader.bytes(found[0]);
    if (error.empty()) {
      const std::size_t colon = found[1].find(':');
      row.name = found[1].substr(0, colon);
      row.exec = colon == std::string::npos ? row.name : found[1].substr(colon + 1);
      error = reader.operands(found[2]);
    }
    if (error.empty()) error = reader.flags(found[3]);
    if (error.empty()) error = reader.classes(found[4]);
    row.cpuid = found.size() > 5 ? found[5] : "";
    if (!error.empty()) return Error(fmt::format("{}: {}", row.where, error));
    rows.push_back(std::move(row));
  }
  return rows;
}

}  // namespace rhea::x86::gen
