// Saved state: what was put in comes out by name, and what does not fit is refused by name.
#include "emu/migrate/state.h"

#include <gtest/gtest.h>

namespace rhea::migrate {
namespace {

enum class Mode : std::uint8_t { kOne = 1, kTwo = 2 };

std::vector<std::byte> sample() {
  StateWriter inner(3);
  inner.put("x", std::uint16_t{7});
  StateWriter writer;
  writer.put("flag", true);
  writer.put("big", ~std::uint64_t{0});
  writer.put("mode", Mode::kTwo);
  writer.putArray("ram", std::array<std::uint32_t, 2>{1, 2});
  writer.putSection("inner", inner);
  return {writer.bytes().begin(), writer.bytes().end()};
}

TEST(State, ComesBackByNameInAnyOrder) {
  const auto bytes = sample();
  auto reader = StateReader::open("device 'x'", bytes);
  ASSERT_TRUE(reader.ok());
  bool flag = false;
  std::uint64_t big = 0;
  Mode mode{};
  std::array<std::uint32_t, 2> ram{};
  auto inner = reader->section("inner", 3);
  ASSERT_TRUE(inner.ok());
  EXPECT_EQ(inner->version(), 3U);
  std::uint16_t x = 0;
  std::uint8_t later = 0;
  EXPECT_TRUE(inner->get("x", x).ok());
  EXPECT_TRUE(inner->getOr("later", later, std::uint8_t{9}).ok());
  EXPECT_TRUE(inner->finish().ok());
  EXPECT_TRUE(reader->getArray("ram", ram).ok());
  EXPECT_TRUE(reader->get("mode", mode).ok());
  EXPECT_TRUE(reader->get("big", big).ok());
  EXPECT_EQ(reader->finish().error().message(),
            "the saved state of device 'x' has 'flag', which this version does not know");
  EXPECT_TRUE(reader->get("flag", flag).ok());
  EXPECT_TRUE(reader->finish().ok());
  EXPECT_TRUE(flag);
  EXPECT_EQ(big, ~std::uint64_t{0});
  EXPECT_EQ(mode, Mode::kTwo);
  EXPECT_EQ(ram[1], 2U);
  EXPECT_EQ(x, 7U);
  EXPECT_EQ(later, 9U);
}

TEST(State, WhatDoesNotFitIsRefusedByName) {
  const auto bytes = sample();
  auto reader = StateReader::open("device 'x'", bytes);
  ASSERT_TRUE(reader.ok());
  std::uint8_t small = 0;
  std::array<std::uint32_t, 3> longer{};
  EXPECT_EQ(reader->get("big", small).error().message(),
            "'big' in the saved state of device 'x' is 18446744073709551615, more than it can be");
  EXPECT_EQ(reader->get("none", small).error().message(), "the saved state of device 'x' has no 'none'");
  EXPECT_FALSE(reader->get("ram", small).ok());
  EXPECT_FALSE(reader->getArray("ram", longer).ok());
  EXPECT_EQ(reader->section("inner", 2).error().message(), "the saved state of device 'x', inner is of version 3");
}

TEST(State, EveryCutIsAnErrorOrAShorterList) {
  const auto bytes = sample();
  std::size_t refused = 0;
  for (std::size_t length = 0; length < bytes.size(); ++length) {
    if (!StateReader::open("x", std::span(bytes).first(length)).ok()) ++refused;
  }
  EXPECT_EQ(refused, bytes.size() - 5);  // whole fields: after the version, and after each of the first four
}

TEST(State, ADoubledNameIsRefused) {
  StateWriter writer;
  writer.put("a", 1U);
  writer.put("a", 2U);
  EXPECT_EQ(StateReader::open("x", writer.bytes()).error().message(), "the saved state of x has 'a' twice");
}

}  // namespace
}  // namespace rhea::migrate
