// Byte order, timestamps, shell words, whole files.
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <filesystem>

#include "emu/base/bytes.h"
#include "emu/base/files.h"
#include "emu/base/shell-words.h"
#include "emu/base/timestamp.h"
#include "tests/lib/temp-dir.h"

namespace rhea {
namespace {

TEST(Bytes, areLoadedAndStoredInEitherOrderAtAnyAddress) {
  std::array<unsigned char, 9> memory{};
  storeBig<std::uint32_t>(&memory[1], 0x01020304);
  EXPECT_EQ(memory[1], 1);
  EXPECT_EQ(memory[4], 4);
  EXPECT_EQ(loadBig<std::uint32_t>(&memory[1]), 0x01020304U);
  EXPECT_EQ(loadLittle<std::uint32_t>(&memory[1]), 0x04030201U);
  storeLittle<std::uint64_t>(&memory[1], 0x0102030405060708);
  EXPECT_EQ(memory[1], 8);
  EXPECT_EQ(loadLittle<std::uint64_t>(&memory[1]), 0x0102030405060708U);
  EXPECT_EQ(loadBig<std::uint16_t>(&memory[1]), 0x0807U);
}

TEST(Bytes, areAlignedUpAndDown) {
  EXPECT_EQ(alignDown<std::uint64_t>(4097, 4096), 4096U);
  EXPECT_EQ(alignUp<std::uint64_t>(4097, 4096), 8192U);
  EXPECT_EQ(alignUp<std::uint64_t>(8192, 4096), 8192U);
  EXPECT_TRUE(isAligned<std::uint64_t>(8192, 512));
  EXPECT_FALSE(isAligned<std::uint64_t>(8193, 512));
}

TEST(Timestamp, isUtcWithMicroseconds) {
  using namespace std::chrono;
  EXPECT_EQ(isoTimestamp(system_clock::time_point{}), "1970-01-01T00:00:00.000000Z");
  EXPECT_EQ(isoTimestamp(system_clock::time_point(seconds(1795326213) + microseconds(12345))),
            "2026-11-22T05:43:33.012345Z");
}

TEST(ShellWords, areSplitAsAShellDoes) {
  const auto words = splitShellWords(R"(  io  disk0 "read -v 0 \"4k\"" 'a\b' c\ d "" '' e'f'"g")");
  ASSERT_TRUE(words.ok()) << words.error().message();
  EXPECT_EQ(*words, (std::vector<std::string>{"io", "disk0", "read -v 0 \"4k\"", "a\\b", "c d", "", "", "efg"}));
  EXPECT_TRUE(splitShellWords(" \t ")->empty());
}

TEST(ShellWords, thatDoNotEndAreRefusedWithTheirPlace) {
  EXPECT_EQ(splitShellWords("a 'b").error().whereText(), "column 3");
  EXPECT_EQ(splitShellWords("a b\"c").error().whereText(), "column 4");
  EXPECT_FALSE(splitShellWords("a\\").ok());
}

TEST(ShellWords, areQuotedSoThatTheyComeBack) {
  EXPECT_EQ(shellQuote("disk0.raw"), "disk0.raw");
  EXPECT_EQ(shellQuote(""), "''");
  const std::vector<std::string> words{"a b", "it's", "x=y,z", "$HOME", "\\", "\"", "\n", ""};
  EXPECT_EQ(*splitShellWords(shellQuote(words)), words);
}

TEST(Files, areReplacedAsAWhole) {
  const test::TempDir folder;
  const std::string path = folder.path() + "/config.json";
  ASSERT_TRUE(writeFileAtomically(path, "old").ok());
  ASSERT_TRUE(writeFileAtomically(path, "new", 0600).ok());
  EXPECT_EQ(*readFile(path), "new");
  struct stat facts {};
  ASSERT_EQ(::stat(path.c_str(), &facts), 0);
  EXPECT_EQ(facts.st_mode & 0777, 0600U);
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(folder.path()), {}), 1) << "no draft is left";
}

TEST(Files, thatCannotBeWrittenOrReadAreNamed) {
  const test::TempDir folder;
  const Result<void> written = writeFileAtomically(folder.path() + "/none/file", "x");
  ASSERT_FALSE(written.ok());
  EXPECT_NE(written.error().message().find("/none/file"), std::string::npos);
  EXPECT_EQ(readFile(folder.path() + "/none").error().code(), ENOENT);
  ASSERT_TRUE(writeFileAtomically(folder.path() + "/long", std::string(20000, 'x')).ok());
  EXPECT_FALSE(readFile(folder.path() + "/long", 19999).ok());
  EXPECT_TRUE(readFile(folder.path() + "/long", 20000).ok());
  // A folder stands where the file should be: the rename fails and the draft is removed.
  std::filesystem::create_directory(folder.path() + "/taken");
  EXPECT_FALSE(writeFileAtomically(folder.path() + "/taken", "x").ok());
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(folder.path()), {}), 2);
}

}  // namespace
}  // namespace rhea
