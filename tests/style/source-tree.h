// The source tree as the style tests see it: every file that we wrote, as text.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace rhea::style {

struct SourceFile {
  std::string path;  // from the project root, with '/'
  std::string text;
};

// A finding reads "path:line: what is wrong and what to do"; the tests print all of them.
using Findings = std::vector<std::string>;

// The project root: $RHEA_SOURCE, or the current folder.
std::string root();

// All regular text files below the root except build folders, .git and binary corpora, sorted by path.
const std::vector<SourceFile>& sourceFiles();

bool isCode(std::string_view path);  // .cc or .h

std::vector<std::string_view> lines(std::string_view text);
std::size_t lineOf(std::string_view text, std::size_t offset);  // from 1

// The same text with comments, string and character literals blanked by spaces; line breaks stay, so offsets and lines
// do.
std::string withoutCommentsAndStrings(std::string_view text);

std::string report(const Findings& findings);  // one finding per line, for a test's message

}  // namespace rhea::style
