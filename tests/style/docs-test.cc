// Documents must stay true where a machine can tell: links lead somewhere, README lists the packages that .ci/packages
// does, and configure can look for each of them.
#include <gtest/gtest.h>

#include <filesystem>
#include <functional>
#include <map>
#include <sstream>

#include "tests/style/source-tree.h"

namespace rhea::style {
namespace {

using Exists = std::function<bool(const std::string& path)>;

// Links of the form [text](path): a path relative to the document, or from the root when it begins with '/'.
Findings checkLinks(const SourceFile& file, const Exists& exists) {
  Findings findings;
  const std::string& text = file.text;
  for (std::size_t at = text.find("]("); at != std::string::npos; at = text.find("](", at + 2)) {
    const std::size_t end = text.find_first_of(") \n", at + 2);
    if (end == std::string::npos || text[end] != ')') {
      continue;  // no link: prose or code
    }
    std::string target = text.substr(at + 2, end - at - 2);
    target = target.substr(0, target.find('#'));
    if (target.empty() || target.find("://") != std::string::npos || target.starts_with("mailto:")) {
      continue;
    }
    const std::filesystem::path folder = std::filesystem::path(file.path).parent_path();
    const std::string path = (folder / target).lexically_normal().generic_string();
    if (!exists(path)) {
      findings.push_back(file.path + ":" + std::to_string(lineOf(text, at)) + ": the link to " + target +
                         " leads nowhere");
    }
  }
  return findings;
}

struct Package {
  std::string kind;
  std::string purpose;
  bool operator==(const Package&) const = default;
};
using Packages = std::map<std::string, Package>;

Packages parseList(std::string_view text) {
  Packages packages;
  for (const std::string_view line : lines(text)) {
    if (line.empty() || line.front() == '#') {
      continue;
    }
    std::istringstream words{std::string(line)};
    std::string name;
    Package package;
    words >> name >> package.kind >> std::ws;
    std::getline(words, package.purpose);
    packages.emplace(name, package);
  }
  return packages;
}

// Rows of README's table that begin with a package: | `g++` | required | compiler ... |
Packages parseTable(std::string_view text) {
  Packages packages;
  for (const std::string_view line : lines(text)) {
    std::vector<std::string> cells;
    std::istringstream rest{std::string(line)};
    for (std::string cell; std::getline(rest, cell, '|');) {
      const std::size_t first = cell.find_first_not_of(' ');
      cells.push_back(first == std::string::npos ? "" : cell.substr(first, cell.find_last_not_of(' ') - first + 1));
    }
    constexpr std::string_view kKinds[] = {"required", "optional", "test", "tool", "guest", "extra"};
    if (cells.size() == 4 && cells[1].size() > 2 && cells[1].front() == '`' &&
        std::ranges::count(kKinds, cells[2]) == 1) {
      packages.emplace(cells[1].substr(1, cells[1].size() - 2), Package{cells[2], cells[3]});
    }
  }
  return packages;
}

Findings difference(const Packages& list, const Packages& table) {
  Findings findings;
  for (const auto& [name, package] : list) {
    const auto row = table.find(name);
    if (row == table.end() || row->second != package) {
      findings.push_back("README.md: the table of packages should have the row | `" + name + "` | " + package.kind +
                         " | " + package.purpose + " |");
    }
  }
  for (const auto& [name, package] : table) {
    if (!list.contains(name)) {
      findings.push_back("README.md: the table of packages has " + name + ", which .ci/packages has not");
    }
  }
  return findings;
}

std::string textOf(std::string_view path) {
  for (const SourceFile& file : sourceFiles()) {
    if (file.path == path) {
      return file.text;
    }
  }
  return {};
}

TEST(Docs, EveryLinkLeadsSomewhere) {
  const Exists exists = [](const std::string& path) { return std::filesystem::exists(root() + "/" + path); };
  Findings findings;
  for (const SourceFile& file : sourceFiles()) {
    if (file.path.ends_with(".md")) {
      std::ranges::move(checkLinks(file, exists), std::back_inserter(findings));
    }
  }
  EXPECT_TRUE(findings.empty()) << report(findings);
}

TEST(Docs, ReadmeListsThePackagesOfTheList) {
  const Packages list = parseList(textOf(".ci/packages"));
  ASSERT_FALSE(list.empty());
  const Findings findings = difference(list, parseTable(textOf("README.md")));
  EXPECT_TRUE(findings.empty()) << report(findings);
}

TEST(Docs, ConfigureLooksForEveryPackageOfTheList) {
  const std::string configure = textOf("configure");
  const std::size_t probe = configure.find("\nprobe() {");
  ASSERT_NE(probe, std::string::npos);
  const std::string body = configure.substr(probe, configure.find("\n}", probe) - probe);
  for (const auto& [name, package] : parseList(textOf(".ci/packages"))) {
    if (package.kind == "guest") continue;  // not for this host: tests/linux/fetch gets them
    const bool known =
        body.find(" " + name + ")") != std::string::npos || body.find(" " + name + "|") != std::string::npos ||
        body.find("|" + name + "|") != std::string::npos || body.find("|" + name + ")") != std::string::npos;
    EXPECT_TRUE(known) << "probe() of configure does not know " << name;
  }
}

TEST(DocsCheck, FindsBadSamples) {
  const Exists exists = [](const std::string& path) { return path == "docs/a.md"; };
  EXPECT_EQ(
      checkLinks({"docs/b.md", "[a](a.md) [a](../docs/a.md#part) [x](https://x.org/y) [b](#here)"}, exists).size(), 0U);
  EXPECT_EQ(checkLinks({"docs/b.md", "[a](c.md)\n[d](../a.md)"}, exists).size(), 2U);
  const Packages list = parseList("# comment\ng++   required  compiler, new\nlld  tool  linker\n");
  ASSERT_EQ(list.size(), 2U);
  EXPECT_EQ(difference(list, parseTable("| `g++` | required | compiler, new |\n| `lld` | tool | linker |\n")).size(),
            0U);
  EXPECT_EQ(difference(list, parseTable("| `g++` | optional | compiler, new |\n| `old` | tool | x |\n")).size(), 3U);
}

}  // namespace
}  // namespace rhea::style
