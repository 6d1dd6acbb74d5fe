// Which rows of the tables the translator leaves to the interpreter in every form that is tried:
// tests/target/rows-left.txt says so, a line for each, so that a row falls back or gets a translation only when
// somebody means it. Rows that cannot be tried so (privileged ones, those of other modes) are not in it.
#include <gtest/gtest.h>

#include <fstream>

#include "emu/base/files.h"
#include "target/x86/t1/engine.h"
#include "tests/target/guest.h"
#include "tests/target/row-trial.h"

namespace rhea::x86::test {
namespace {

constexpr const char* kFile = "tests/target/rows-left.txt";
constexpr unsigned kForms = 40;

std::string lineOf(const Row& row) {
  const Pattern& p = row.pattern;
  constexpr std::string_view kMaps[] = {"", "0f ", "0f38 ", "0f3a ", "", "vex.0f ", "vex.0f38 ", "vex.0f3a "};
  std::string line = fmt::format("{}{:02x}", kMaps[p.map], p.opcode);
  if (p.reg >= 0) line += fmt::format(" /{}", static_cast<int>(p.reg));
  return line + "  " + std::string(row.name) + "\n";
}

TEST(RowsLeft, AreThoseOfTheList) {
  TestGuest guest;
  if (Result<void> made = guest.cpu().translateCode(); !made.ok()) GTEST_SKIP() << made.error().message();
  t1::Engine& engine = *guest.cpu().engine();
  engine.setWarm(0);
  Random random(1);
  std::string found;
  unsigned translated = 0;
  for (std::size_t n = 0; n < rows().size(); ++n) {
    const Row& row = rows()[n];
    // Which rows are copied depends on the host as well: the list is of hosts that have what the table knows.
    if (!canBeTried(row) || !hostHas(row)) continue;
    bool left = true;
    for (unsigned form = 0; form < kForms && left; ++form) {
      const Trial trial = makeTrial(row, random);
      std::vector<std::uint8_t> code(trial.code.begin(),
                                     trial.code.begin() + static_cast<std::ptrdiff_t>(trial.codeSize));
      code.insert(code.end(), 16, 0xcc);
      const auto count = [&] { return n < engine.statistics().byRow.size() ? engine.statistics().byRow[n] : 0; };
      const std::uint64_t before = count();
      guest.runToTrap(code, trial);
      left = count() != before;
    }
    if (left)
      found += lineOf(row);
    else
      ++translated;
  }
  EXPECT_GT(translated, 500U);
  if (const char* mode = std::getenv("RHEA_GOLDENS"); mode != nullptr && std::string_view(mode) == "write") {
    std::ofstream(kFile) << found;
    return;
  }
  const std::string listed = *readFile(kFile);
  std::istringstream lines(found);
  for (std::string line; std::getline(lines, line);) {
    EXPECT_NE(("\n" + listed).find("\n" + line + "\n"), std::string::npos)
        << line
        << " is left to the interpreter and not listed; RHEA_GOLDENS=write build/tests/target writes the list anew";
  }
  std::istringstream expected(listed);
  for (std::string line; std::getline(expected, line);) {
    EXPECT_NE(("\n" + found).find("\n" + line + "\n"), std::string::npos)
        << line << " is listed, and translated, or not tried on this host";
  }
}

}  // namespace
}  // namespace rhea::x86::test
