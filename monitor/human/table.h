// Table: rows and columns for people, aligned, and cut to the terminal's width where there is one.
#pragma once

#include "monitor/human/screen.h"

namespace rhea::monitor {

enum class Align : std::uint8_t { kLeft, kRight };

struct Column {
  Column(std::string columnTitle, Align columnAlign = Align::kLeft, bool columnMayShrink = false)  // NOLINT: implicit
      : title(std::move(columnTitle)), align(columnAlign), mayShrink(columnMayShrink) {}
  std::string title;
  Align align;
  bool mayShrink;  // may lose its middle when the terminal is too narrow (file names)
};

class Table {
 public:
  explicit Table(std::vector<Column> columns) : columns_(std::move(columns)) {}
  // One cell a column; missing cells are empty.
  void addRow(std::vector<std::string> cells) { addRow(Tone::kPlain, std::move(cells)); }
  void addRow(Tone tone, std::vector<std::string> cells);
  bool empty() const { return rows_.empty(); }
  // Heading, rows, each ending in '\n'. Columns that are empty in every row are left out.
  std::string render(const Dress& dress) const;

 private:
  struct Row {
    Tone tone;
    std::vector<std::string> cells;
  };
  std::vector<Column> columns_;
  std::vector<Row> rows_;
};

// Cells that a terminal needs for UTF-8 text, one for each code point (wide characters are not told apart).
std::size_t displayWidth(std::string_view text);
// At most `width` cells, the middle replaced by an ellipsis: both ends of a path tell more than its middle.
std::string shorten(std::string_view text, std::size_t width);
// `text` broken at blanks into lines of at most `columns` cells (0: one line); all but the first begin with `indent`
// blanks, and the first one has `used` cells before it already. A word that is too long keeps its line. No '\n' at the
// end.
std::string wrapped(std::string_view text, std::size_t columns, std::size_t indent, std::size_t used);
// "name: value" lines with the values aligned and wrapped to `columns` (0: not at all), each ending in '\n'.
std::string renderFacts(const std::vector<std::pair<std::string, std::string>>& facts, std::size_t indent = 0,
                        std::size_t columns = 0);
// Names with what they mean beside them, both wrapped to `columns`; a name that is too long for its column has lines of
// its own, with the meaning below.
std::string renderTerms(const std::vector<std::pair<std::string, std::string>>& terms, const Dress& dress);

}  // namespace rhea::monitor
