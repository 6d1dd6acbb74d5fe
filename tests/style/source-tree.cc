#include "tests/style/source-tree.h"

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>

namespace rhea::style {
namespace {

namespace fs = std::filesystem;

bool isOurs(const fs::path& relative) {
  const std::string first = relative.begin()->string();
  if (first == ".git" || first == ".cache" || first.starts_with("build")) {
    return false;
  }
  return !relative.generic_string().starts_with("tests/fuzz/corpus/");
}

std::vector<SourceFile> readTree() {
  std::vector<SourceFile> files;
  const fs::path top = root();
  for (auto entry = fs::recursive_directory_iterator(top); entry != fs::recursive_directory_iterator(); ++entry) {
    const fs::path relative = entry->path().lexically_relative(top);
    if (!isOurs(relative)) {
      entry.disable_recursion_pending();
      continue;
    }
    if (!entry->is_regular_file() || entry->is_symlink()) {
      continue;
    }
    std::ifstream in(entry->path(), std::ios::binary);
    std::stringstream text;
    text << in.rdbuf();
    if (std::string content = text.str(); content.find('\0') == std::string::npos) {
      files.push_back({relative.generic_string(), std::move(content)});
    }
  }
  std::ranges::sort(files, {}, &SourceFile::path);
  return files;
}

// End of the literal whose opening quote is at `at`: the offset after its closing quote, or the end of the line.
std::size_t endOfLiteral(std::string_view text, std::size_t at) {
  const char quote = text[at];
  for (std::size_t i = at + 1; i < text.size(); ++i) {
    if (text[i] == '\\') {
      ++i;
    } else if (text[i] == quote || text[i] == '\n') {
      return i + 1;
    }
  }
  return text.size();
}

// The same for R"tag( ... )tag", where `at` is the offset of the quote.
std::size_t endOfRawLiteral(std::string_view text, std::size_t at) {
  const std::size_t open = text.find('(', at);
  if (open == std::string_view::npos) {
    return text.size();
  }
  const std::string close = ")" + std::string(text.substr(at + 1, open - at - 1)) + "\"";
  const std::size_t end = text.find(close, open);
  return end == std::string_view::npos ? text.size() : end + close.size();
}

bool isWord(char c) { return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_'; }

}  // namespace

std::string root() {
  const char* given = std::getenv("RHEA_SOURCE");
  return given != nullptr ? given : ".";
}

const std::vector<SourceFile>& sourceFiles() {
  static const std::vector<SourceFile> files = readTree();
  return files;
}

bool isCode(std::string_view path) { return path.ends_with(".cc") || path.ends_with(".h"); }

std::vector<std::string_view> lines(std::string_view text) {
  std::vector<std::string_view> result;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    result.push_back(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return result;
}

std::size_t lineOf(std::string_view text, std::size_t offset) {
  return 1 + static_cast<std::size_t>(std::ranges::count(text.substr(0, offset), '\n'));
}

std::string withoutCommentsAndStrings(std::string_view text) {
  std::string result(text);
  const auto blank = [&result](std::size_t from, std::size_t to) {
    for (std::size_t i = from; i < to; ++i) {
      if (result[i] != '\n') {
        result[i] = ' ';
      }
    }
  };
  for (std::size_t i = 0; i < text.size();) {
    std::size_t end = i + 1;
    if (text.substr(i, 2) == "//") {
      end = std::min(text.find('\n', i), text.size());
      blank(i, end);
    } else if (text.substr(i, 2) == "/*") {
      const std::size_t close = text.find("*/", i + 2);
      end = close == std::string_view::npos ? text.size() : close + 2;
      blank(i, end);
    } else if (text[i] == '"') {
      end = i > 0 && text[i - 1] == 'R' ? endOfRawLiteral(text, i) : endOfLiteral(text, i);
      blank(i, end);
    } else if (text[i] == '\'' && (i == 0 || !isWord(text[i - 1]))) {  // else a digit separator: 1'000
      end = endOfLiteral(text, i);
      blank(i, end);
    }
    i = end;
  }
  return result;
}

std::string report(const Findings& findings) {
  std::string text;
  for (const std::string& finding : findings) {
    text += finding + "\n";
  }
  return text;
}

}  // namespace rhea::style
