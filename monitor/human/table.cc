#include "monitor/human/table.h"

namespace rhea::monitor {

namespace {

constexpr std::size_t kGap = 2;           // blanks between columns
constexpr std::size_t kLeastShrunk = 12;  // a file name shorter than this says nothing
constexpr std::size_t kLeastText = 24;    // a column of sentences narrower than this is hard to read

bool startsCodePoint(char byte) { return (static_cast<unsigned char>(byte) & 0xC0U) != 0x80U; }

// Byte position of the code point with index `count`.
std::size_t bytesOf(std::string_view text, std::size_t count) {
  std::size_t at = 0;
  while (at < text.size() && count > 0) {
    ++at;
    while (at < text.size() && !startsCodePoint(text[at])) ++at;
    --count;
  }
  return at;
}

void appendCell(std::string& line, std::string_view text, std::size_t width, Align align) {
  const std::size_t blanks = width - std::min(width, displayWidth(text));
  if (align == Align::kRight) line.append(blanks, ' ');
  line.append(text);
  if (align == Align::kLeft) line.append(blanks, ' ');
}

}  // namespace

std::size_t displayWidth(std::string_view text) {
  return static_cast<std::size_t>(std::count_if(text.begin(), text.end(), startsCodePoint));
}

std::string shorten(std::string_view text, std::size_t width) {
  const std::size_t have = displayWidth(text);
  if (have <= width) return std::string(text);
  if (width < 2) return std::string(text.substr(0, bytesOf(text, width)));
  const std::size_t head = (width - 1) / 3;
  const std::size_t tail = width - 1 - head;
  return fmt::format("{}…{}", text.substr(0, bytesOf(text, head)), text.substr(bytesOf(text, have - tail)));
}

void Table::addRow(Tone tone, std::vector<std::string> cells) {
  cells.resize(columns_.size());
  rows_.push_back(Row{tone, std::move(cells)});
}

std::string Table::render(const Dress& dress) const {
  std::vector<std::size_t> widths(columns_.size(), 0);
  for (const Row& row : rows_) {
    for (std::size_t i = 0; i < widths.size(); ++i) widths[i] = std::max(widths[i], displayWidth(row.cells[i]));
  }
  std::vector<std::size_t> shown;
  std::size_t total = 0;
  for (std::size_t i = 0; i < widths.size(); ++i) {
    if (widths[i] == 0) continue;
    widths[i] = std::max(widths[i], displayWidth(columns_[i].title));
    shown.push_back(i);
    total += widths[i] + kGap;
  }
  if (shown.empty()) return {};
  total -= kGap;
  for (auto at = shown.rbegin(); at != shown.rend() && dress.columns() > 0 && total > dress.columns(); ++at) {
    if (!columns_[*at].mayShrink || widths[*at] <= kLeastShrunk) continue;
    const std::size_t cut = std::min(total - dress.columns(), widths[*at] - kLeastShrunk);
    widths[*at] -= cut;
    total -= cut;
  }
  const auto line = [&](const std::vector<std::string>& cells) {
    std::string text;
    for (const std::size_t i : shown) {
      if (i != shown.front()) text.append(kGap, ' ');
      appendCell(text, shorten(cells[i], widths[i]), widths[i], columns_[i].align);
    }
    text.erase(text.find_last_not_of(' ') + 1);
    return text;
  };
  std::vector<std::string> titles;
  for (const Column& column : columns_) titles.push_back(column.title);
  std::string text = dress.paint(Tone::kHeading, line(titles)) + "\n";
  for (const Row& row : rows_) text += dress.paint(row.tone, line(row.cells)) + "\n";
  return text;
}

std::string wrapped(std::string_view text, std::size_t columns, std::size_t indent, std::size_t used) {
  if (columns == 0) return std::string(text);
  std::string result;
  bool first = true;  // of its line
  while (!text.empty()) {
    const std::size_t end = std::min(text.find(' '), text.size());
    const std::string_view word = text.substr(0, end);
    const std::size_t width = displayWidth(word);
    if (!first && used + 1 + width > columns) {
      result.append("\n").append(indent, ' ');
      used = indent;
      first = true;
    }
    if (!first) result.push_back(' ');
    result.append(word);
    used += width + (first ? 0 : 1);
    first = false;
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return result;
}

std::string renderFacts(const std::vector<std::pair<std::string, std::string>>& facts, std::size_t indent,
                        std::size_t columns) {
  std::size_t width = 0;
  for (const auto& [name, value] : facts) width = std::max(width, displayWidth(name));
  const std::size_t column = indent + width + 2;
  const bool roomy = column + kLeastText <= columns;
  std::string text;
  for (const auto& [name, value] : facts) {
    text.append(indent, ' ').append(name).append(":");
    text.append(width - displayWidth(name) + 1, ' ');
    text.append(wrapped(value, columns, roomy ? column : indent + kGap, column)).append("\n");
  }
  return text;
}

std::string renderTerms(const std::vector<std::pair<std::string, std::string>>& terms, const Dress& dress) {
  std::size_t widest = 0;
  for (const auto& [name, meaning] : terms) widest = std::max(widest, displayWidth(name));
  const std::size_t columns = dress.columns();
  const std::size_t column = columns == 0 ? widest + kGap : std::min(widest + kGap, columns * 2 / 5);
  std::string text;
  for (const auto& [name, meaning] : terms) {
    const std::size_t width = displayWidth(name);
    const bool beside = width + kGap <= column;
    text += dress.paint(Tone::kHeading, wrapped(name, columns, 2 * kGap, 0));
    text.append(beside ? "" : "\n").append(beside ? column - width : column, ' ');
    text.append(wrapped(meaning, columns, column, column)).append("\n");
  }
  return text;
}

}  // namespace rhea::monitor
