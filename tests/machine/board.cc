#include "emu/machine/board.h"

#include <gtest/gtest.h>

#include "emu/machine/identity.h"

namespace rhea::machine {
namespace {

Keyval keys(std::string_view text) { return *Keyval::parse(text, "type"); }

TEST(Board, NoneIsTheDefaultAndAnAliasMeansTheNewestOfItsKind) {
  EXPECT_EQ((*chooseBoard(keys("")))->name, "none");
  EXPECT_EQ((*chooseBoard(keys("none,accel=kvm:tcg")))->name, "none");
  EXPECT_EQ((*chooseBoard(keys("q35")))->name, "pc-q35-7.2");
  EXPECT_EQ((*chooseBoard(keys("pc-q35-7.2")))->mostCpus, 255);
  Result<const Board*> missing = chooseBoard(keys("q36"));
  EXPECT_EQ(missing.error().message(), "there is no machine 'q36' in this version");
  EXPECT_EQ(missing.error().exitCode(), 2);
}

TEST(Board, AcceleratorsAreNamesAndOneOfThemCanRunTheBoard) {
  const Board& none = **chooseBoard(keys("none"));
  const Board& q35 = **chooseBoard(keys("q35"));
  EXPECT_EQ(*chooseAccelerator("kvm:tcg", q35), Accelerator::kTranslator);
  EXPECT_EQ(*chooseAccelerator("tcg", q35), Accelerator::kTranslator);
  EXPECT_EQ(*chooseAccelerator("interp:tcg", q35), Accelerator::kInterpreter);
  EXPECT_TRUE(chooseAccelerator("kvm", none).ok());
  EXPECT_EQ(chooseAccelerator("kvm", q35).error().message(), "KVM is not there in this version");
  EXPECT_EQ(chooseAccelerator("kmv", q35).error().candidateNames(), std::vector<std::string>{"kvm"});
}

TEST(Board, MachineIsAnObjectWithContainers) {
  object::ClassTable classes;
  addBoardClasses(classes);
  Services services;
  object::ObjectTree tree(classes, services);
  makeMachine(**chooseBoard(keys("")), tree);
  EXPECT_EQ(*tree.get(**tree.find("/machine"), "type"), "\"none-machine\"");
  EXPECT_TRUE(tree.find("/machine/peripheral").ok());
  EXPECT_TRUE(classes.implements(*classes.find("none-machine"), "machine"));
}

TEST(Identity, UuidHasItsForm) {
  EXPECT_EQ(*readUuid("550E8400-e29b-41d4-a716-446655440000"), "550e8400-e29b-41d4-a716-446655440000");
  EXPECT_FALSE(readUuid("550e8400e29b41d4a716446655440000").ok());
  EXPECT_FALSE(readUuid("550e8400-e29b-41d4-a716-44665544000g").ok());
  EXPECT_FALSE(readUuid("").ok());
}

}  // namespace
}  // namespace rhea::machine
