#include "qapi/gen/page.h"

#include <sstream>

namespace rhea::gen {

namespace {

std::string upper(std::string_view text) {
  std::string result(text);
  for (char& byte : result) {
    if (byte >= 'a' && byte <= 'z') byte = static_cast<char>(byte & ~0x20);
  }
  return result;
}

// Backslashes and, at the start of a line, what roff takes for a request.
std::string roff(std::string_view text) {
  std::string result;
  for (const char byte : text) result += byte == '\\' ? std::string("\\e") : std::string(1, byte);
  if (result.starts_with('.') || result.starts_with('\'')) result.insert(0, "\\&");
  return result;
}

// An argument of a macro: in quotes, where a quote is doubled.
std::string macroArgument(std::string_view text) {
  std::string result = "\"";
  for (const char byte : roff(text)) result += byte == '"' ? std::string("\"\"") : std::string(1, byte);
  return result + "\"";
}

// `code` in bold, text filled to 78 columns, one line at least per sentence.
std::string filled(std::string_view prose) {
  constexpr std::size_t kWidth = 78;
  std::string marked;
  bool inside = false;
  for (const char byte : prose) {
    if (byte != '`') {
      marked += byte == '\\' ? std::string("\\e") : std::string(1, byte);
      continue;
    }
    marked += inside ? "\\fP" : "\\fB";
    inside = !inside;
  }
  std::string result;
  std::string line;
  const auto flush = [&] {
    if (line.empty()) return;
    if (line.starts_with('.') || line.starts_with('\'')) line.insert(0, "\\&");
    result += line + "\n";
    line.clear();
  };
  std::istringstream words{marked};
  for (std::string word; words >> word;) {
    if (!line.empty() && line.size() + 1 + word.size() > kWidth) flush();
    line += (line.empty() ? "" : " ") + word;
    std::string_view tail = word;
    while (tail.ends_with(')') || tail.ends_with('"') || tail.ends_with('\'')) tail.remove_suffix(1);
    if (tail.ends_with('.') || tail.ends_with('!') || tail.ends_with('?')) flush();
  }
  flush();
  return result;
}

std::string markdownNote(const std::string& note) { return note.empty() ? "" : " (" + note + ")"; }

}  // namespace

void MarkdownPage::section(std::string_view title) { put(text_, "\n## {}\n", title); }

void MarkdownPage::entry(std::string_view name, std::string_view what) {
  put(text_, "\n### {}{}\n", name, what.empty() ? "" : fmt::format(" ({})", what));
}

void MarkdownPage::text(std::string_view prose) { put(text_, "\n{}\n", prose); }

void MarkdownPage::items(std::string_view title, const std::vector<Item>& items) {
  if (items.empty()) return;
  if (!title.empty()) put(text_, "\n{}:\n", title);
  text_ += "\n";
  for (const Item& item : items) put(text_, "- `{}`{}: {}\n", item.term, markdownNote(item.note), item.doc);
}

void MarkdownPage::code(const std::vector<std::string>& lines) {
  text_ += "\n```\n";
  for (const std::string& line : lines) text_ += line + "\n";
  text_ += "```\n";
}

void MdocPage::section(std::string_view title) {
  put(text_, ".Sh {}\n", upper(title));
  fresh_ = true;
}

void MdocPage::entry(std::string_view name, std::string_view what) {
  std::string title(name);
  if (!what.empty()) title += fmt::format(" ({})", what);
  std::string argument = macroArgument(title);
  // A bracket or full stop at the end belongs to the title.
  if (argument.ends_with("]\"") || argument.ends_with(".\"")) argument.insert(argument.size() - 1, "\\&");
  put(text_, ".Ss {}\n", argument);
  fresh_ = true;
}

void MdocPage::text(std::string_view prose) {
  if (!fresh_) text_ += ".Pp\n";
  text_ += filled(prose);
  fresh_ = false;
}

void MdocPage::items(std::string_view title, const std::vector<Item>& items) {
  if (items.empty()) return;
  if (!title.empty()) text(fmt::format("{}:", title));
  text_ += ".Bl -tag -width Ds -compact\n";
  for (const Item& item : items) {
    put(text_, ".It Cm {}", macroArgument(item.term));
    if (!item.note.empty()) put(text_, " Pq {}", macroArgument(item.note));
    text_ += "\n" + filled(item.doc);
  }
  text_ += ".El\n";
  fresh_ = false;
}

void MdocPage::code(const std::vector<std::string>& lines) {
  text_ += ".Bd -literal -offset indent\n";
  for (const std::string& line : lines) text_ += roff(line) + "\n";
  text_ += ".Ed\n";
  fresh_ = false;
}

}  // namespace rhea::gen
