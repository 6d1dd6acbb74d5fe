// What translated code looks like, one file of tests/target/goldens for each class of instructions: the guest's
// instructions, a line of dashes, the host's. Those that begin with .code32 are 32-bit code. Whoever makes the
// translator emit something else sees what, and has RHEA_GOLDENS=write write it down.
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <regex>

#include "emu/base/files.h"
#include "target/x86/t1/engine.h"
#include "tests/lib/temp-dir.h"
#include "tests/target/guest.h"

namespace rhea::x86::test {
namespace {

namespace fs = std::filesystem;
using rhea::test::TempDir;

const fs::path kFolder = "tests/target/goldens";
const std::string kLine = "----\n";

std::vector<std::uint8_t> assemble(const std::string& source) {
  const TempDir folder;
  std::ofstream(folder.file("s")) << ".intel_syntax noprefix\n" << source;
  const std::string command = fmt::format(
      "as --64 -o {0}/o {0}/s && ld -m elf_x86_64 -Ttext={1:#x} --oformat binary -e {1:#x} -o {0}/bin {0}/o",
      folder.path(), kCodeAt);
  EXPECT_EQ(std::system(command.c_str()), 0) << command;
  const std::string binary = *readFile(folder.file("bin"));
  return {binary.begin(), binary.end()};
}

// The instructions alone, without what differs from run to run and from host to host: addresses of the host, distances
// to gates and to other parts of the cache.
std::string normal(const std::string& listing) {
  static const std::regex column("0x[0-9a-f]+: +([0-9a-f]{2} )+ *(.*)");
  static const std::regex address("0x[0-9a-f]{5,}");
  std::string text;
  std::istringstream lines(listing);
  for (std::string line; std::getline(lines, line);) {
    std::smatch match;
    if (std::regex_match(line, match, column)) line = "  " + match[2].str();
    text += std::regex_replace(line, address, "ADDRESS") + '\n';
  }
  return text;
}

class Golden : public testing::TestWithParam<std::string> {};

TEST_P(Golden, IsWhatTheTranslatorEmits) {
  const fs::path file = kFolder / (GetParam() + ".txt");
  const std::string content = *readFile(file.string());
  const std::size_t line = content.find(kLine);
  const std::string source = content.substr(0, line);
  const bool is64 = !source.starts_with(".code32");
  TestGuest guest("max", nullptr, is64 ? GuestMode::k64 : GuestMode::kCompatible);
  if (Result<void> made = guest.cpu().translateCode(); !made.ok()) GTEST_SKIP() << made.error().message();
  guest.cpu().engine()->setWarm(0);
  Trial start;
  start.in.gpr.fill(kWindow);
  // All exceptions are masked.
  start.in.fx[0] = 0x7f, start.in.fx[1] = 3;
  start.in.fx[24] = 0x80, start.in.fx[25] = 0x1f;
  const std::vector<std::uint8_t> code = assemble(source);
  guest.runToTrap(code, start);
  const std::string found = normal(guest.cpu().engine()->listing(kCodeAt, kCodeAt + code.size() - 1));
  ASSERT_NE(found, "") << "nothing was translated";
  if (const char* mode = std::getenv("RHEA_GOLDENS"); mode != nullptr && std::string_view(mode) == "write") {
    std::ofstream(file) << source << kLine << found;
    return;
  }
  ASSERT_NE(line, std::string::npos) << file << " has no line of dashes";
  EXPECT_EQ(found, content.substr(line + kLine.size())) << "RHEA_GOLDENS=write build/tests/target writes it anew";
}

std::vector<std::string> goldens() {
  std::vector<std::string> names;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(kFolder, error)) names.push_back(entry.path().stem().string());
  std::ranges::sort(names);
  return names;
}

INSTANTIATE_TEST_SUITE_P(All, Golden, testing::ValuesIn(goldens()), [](const auto& one) {
  std::string name = one.param;
  std::ranges::replace(name, '-', '_');
  return name;
});

}  // namespace
}  // namespace rhea::x86::test
