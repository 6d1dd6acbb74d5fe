// The generated files: gathered in memory, written only where their text changes, so that make rebuilds what must be.
#pragma once

#include "qapi/gen/schema.h"

namespace rhea::gen {

class Output {
 public:
  // Text of the file `name`, relative to the output folder; made when it is asked for first.
  std::string& file(const std::string& name) { return files_[name]; }
  const std::map<std::string, std::string>& files() const { return files_; }

  // Writes what changed, removes generated files that are no more, and files.mk with the sources' names. Gives the
  // number of files written. Error: a file cannot be written.
  Result<std::size_t> write(const std::string& folder);

 private:
  std::map<std::string, std::string> files_;
};

// Appends formatted text.
template <class... Arguments>
void put(std::string& to, fmt::format_string<Arguments...> format, Arguments&&... arguments) {
  fmt::format_to(std::back_inserter(to), format, std::forward<Arguments>(arguments)...);
}

// A C++ string literal; long ones are split over lines.
std::string literal(std::string_view text);

// Comment lines of at most 110 columns, each with `prefix`.
std::string comment(std::string_view text, std::string_view prefix);

// Text up to the first full stop that ends a sentence.
std::string firstSentence(std::string_view text);

}  // namespace rhea::gen
