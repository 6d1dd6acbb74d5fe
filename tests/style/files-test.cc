// What every file must keep to: its length, a header's guard, no name of a developer's folder.
#include <gtest/gtest.h>

#include "tests/style/source-tree.h"

namespace rhea::style {
namespace {

constexpr std::size_t kMostLines = 600;

Findings checkLength(const SourceFile& file) {
  const std::size_t count = lines(file.text).size();
  if (!isCode(file.path) || count <= kMostLines) {
    return {};
  }
  return {file.path + ": " + std::to_string(count) + " lines; the most is " + std::to_string(kMostLines) +
          " (300 is comfortable): which noun could have a file of its own?"};
}

Findings checkGuard(const SourceFile& file) {
  if (!file.path.ends_with(".h") || file.text.find("\n#pragma once\n") != std::string::npos ||
      file.text.starts_with("#pragma once\n")) {
    return {};
  }
  return {file.path + ": no #pragma once"};
}

Findings checkFolders(const SourceFile& file) {
  // Put together here, so that this file does not find itself.
  static const std::string kWorkFolder = std::string("/wo") + "rk/";
  Findings findings;
  for (std::size_t at = file.text.find(kWorkFolder); at != std::string::npos;
       at = file.text.find(kWorkFolder, at + 1)) {
    const bool begins = at == 0 || (std::isalnum(static_cast<unsigned char>(file.text[at - 1])) == 0 &&
                                    file.text[at - 1] != '.' && file.text[at - 1] != '/');
    if (begins) {
      findings.push_back(file.path + ":" + std::to_string(lineOf(file.text, at)) + ": names a developer's folder, " +
                         kWorkFolder);
    }
  }
  return findings;
}

Findings checkSpaces(const SourceFile& file) {
  Findings findings;
  if (!file.text.empty() && !file.text.ends_with('\n')) {
    findings.push_back(file.path + ": no line break at the end of the file");
  }
  if (file.text.find('\r') != std::string::npos) {
    findings.push_back(file.path + ": has carriage returns");
  }
  return findings;
}

template <class Check>
Findings overTheTree(Check check) {
  Findings findings;
  for (const SourceFile& file : sourceFiles()) {
    std::ranges::move(check(file), std::back_inserter(findings));
  }
  return findings;
}

TEST(Files, NoneIsTooLong) {
  const Findings findings = overTheTree(checkLength);
  EXPECT_TRUE(findings.empty()) << report(findings);
}

TEST(Files, EveryHeaderIsReadOnce) {
  const Findings findings = overTheTree(checkGuard);
  EXPECT_TRUE(findings.empty()) << report(findings);
}

TEST(Files, NoneNamesADevelopersFolder) {
  const Findings findings = overTheTree(checkFolders);
  EXPECT_TRUE(findings.empty()) << report(findings);
}

TEST(Files, EndInALineBreakAndHaveNoCarriageReturns) {
  const Findings findings =
      overTheTree([](const SourceFile& file) { return isCode(file.path) ? checkSpaces(file) : Findings(); });
  EXPECT_TRUE(findings.empty()) << report(findings);
}

TEST(FilesCheck, FindsBadSamples) {
  std::string longText;
  for (std::size_t i = 0; i <= kMostLines; ++i) {
    longText += "x\n";
  }
  EXPECT_EQ(checkLength({"a.cc", longText}).size(), 1U);
  EXPECT_EQ(checkLength({"a.cc", longText.substr(2)}).size(), 0U);
  EXPECT_EQ(checkGuard({"a.h", "// text\nint a;\n"}).size(), 1U);
  EXPECT_EQ(checkGuard({"a.h", "// text\n#pragma once\n"}).size(), 0U);
  const std::string folder = std::string("/wo") + "rk/";
  EXPECT_EQ(checkFolders({"a.md", "see " + folder + "shared, " + folder + "x"}).size(), 2U);
  EXPECT_EQ(checkFolders({"a.md", "https://example.org" + folder + "x"}).size(), 0U);
  EXPECT_EQ(checkSpaces({"a.cc", "int a;\r\nint b;"}).size(), 2U);
}

}  // namespace
}  // namespace rhea::style
