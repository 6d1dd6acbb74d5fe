// The tables for people: human forms and command line options.
#include <gtest/gtest.h>

#include <set>

#include "qapi/human.h"
#include "qapi/options.h"

namespace rhea::qapi {
namespace {

const HumanForm* findForm(std::string_view command) {
  for (const HumanForm& form : humanForms()) {
    if (form.command == command) return &form;
  }
  return nullptr;
}

TEST(QapiHumanForms, ArgumentsHaveTheirKindMemberAndDocumentation) {
  const HumanForm* form = findForm("blockdev-set-cache");
  ASSERT_NE(form, nullptr);
  ASSERT_EQ(form->words.size(), 1U);
  EXPECT_EQ(form->words[0], "block_set_cache");
  EXPECT_TRUE(form->changes);
  EXPECT_FALSE(form->ownBody);
  ASSERT_EQ(form->arguments.size(), 3U);
  EXPECT_EQ(form->arguments[0].flag, 'f');
  EXPECT_EQ(form->arguments[1].member, "device");
  EXPECT_EQ(form->arguments[1].kind, ArgumentKind::kDriveOrNode);
  EXPECT_EQ(form->arguments[2].kind, ArgumentKind::kEnum);
  EXPECT_NE(std::ranges::find(form->arguments[2].values, "writeback"), form->arguments[2].values.end());
  EXPECT_EQ(form->usage, "block_set_cache [-f] device mode");
}

TEST(QapiHumanForms, SubcommandsAreTwoWords) {
  const HumanForm* form = findForm("info block");
  ASSERT_NE(form, nullptr);
  EXPECT_TRUE(form->ownBody);
  ASSERT_EQ(form->words.size(), 2U);
  EXPECT_EQ(form->words[1], "block");
  EXPECT_FALSE(form->examples.empty());
}

TEST(QapiHumanForms, NoTwoFormsBeginWithTheSameWords) {
  std::set<std::string> seen;
  for (const HumanForm& form : humanForms()) {
    std::string words;
    for (const std::string_view word : form.words) words.append(word) += ' ';
    EXPECT_TRUE(seen.insert(words).second) << words;
    EXPECT_FALSE(form.doc.empty()) << words;
    for (const std::string_view alias : form.aliases)
      EXPECT_TRUE(seen.insert(std::string(alias) + ' ').second) << alias;
  }
}

TEST(QapiOptions, TheTableIsTheSchemas) {
  const auto find = [](std::string_view name) {
    const auto found = std::ranges::find(options(), name, &OptionInfo::name);
    return found == options().end() ? nullptr : &*found;
  };
  const OptionInfo* blockdev = find("blockdev");
  ASSERT_NE(blockdev, nullptr);
  EXPECT_EQ(blockdev->argument, OptionArgument::kJson);
  EXPECT_TRUE(blockdev->repeatable);
  EXPECT_EQ(find("S")->argument, OptionArgument::kNone);
  EXPECT_EQ(find("name")->impliedKey, "guest");
  EXPECT_FALSE(find("name")->parameters.empty());
  EXPECT_FALSE(find("vnc")->refusal.empty());
  std::set<std::string_view> seen;
  for (const OptionInfo& option : options()) {
    EXPECT_TRUE(seen.insert(option.name).second) << option.name;
    EXPECT_FALSE(option.doc.empty()) << option.name;
  }
}

}  // namespace
}  // namespace rhea::qapi
