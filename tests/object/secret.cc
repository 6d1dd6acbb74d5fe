#include "emu/object/secret.h"

#include <gtest/gtest.h>

#include <fstream>

#include "emu/object/tree.h"
#include "tests/lib/temp-dir.h"
#include "tests/object/run-now.h"

namespace rhea::object {
namespace {

class SecretTest : public ::testing::Test {
 protected:
  SecretTest() : tree_(classes_, services_) { Secret::addClass(classes_); }

  // The secret's bytes, or the error.
  std::string make(const std::string& properties) {
    const std::string id = fmt::format("s{}", ++count_);
    const std::string text = fmt::format(R"({{"qom-type": "secret", "id": "{}"{}}})", id, properties);
    Result<void> made = test_.run(tree_.create(*json::parse(text), json::Spelling::kJson));
    if (!made.ok()) return made.error().message();
    return (*tree_.made<Secret>(id, "secret"))->bytes();
  }

  test::TestLoop test_;
  ClassTable classes_;
  Services services_;
  ObjectTree tree_;
  int count_ = 0;
};

TEST_F(SecretTest, ComesFromTextOrFromAFile) {
  const test::TempDir folder;
  std::ofstream(folder.file("key")) << "c2VzYW1l\n";
  EXPECT_EQ(make(R"(, "data": "sesame")"), "sesame");
  EXPECT_EQ(make(R"(, "data": "c2VzYW1l", "format": "base64")"), "sesame");
  EXPECT_EQ(make(fmt::format(R"(, "file": "{}", "format": "base64")", folder.file("key"))), "sesame");
  EXPECT_EQ(make(fmt::format(R"(, "file": "{}")", folder.file("key"))), "c2VzYW1l\n");
}

TEST_F(SecretTest, IsNeverShown) {
  make(R"(, "data": "sesame")");
  Result<json::Text> shown = tree_.get(**tree_.find("s1"), "data");
  EXPECT_EQ(shown.error().message(), "'data' of /objects/s1 can be given, but is never shown");
}

TEST_F(SecretTest, SaysWhatIsWrong) {
  const test::TempDir folder;
  EXPECT_EQ(make(""), "object 's1' of type secret: neither 'data' nor 'file' is given");
  EXPECT_EQ(make(R"(, "data": "a", "file": "b")"), "object 's2' of type secret: both 'data' and 'file' are given");
  EXPECT_EQ(make(R"(, "data": "a", "format": "hex")"), "object 's3' of type secret: format: there is no format 'hex'");
  EXPECT_EQ(
      make(fmt::format(R"(, "file": "{}")", folder.file("none"))),
      fmt::format("object 's4' of type secret: cannot open '{}': No such file or directory", folder.file("none")));
  EXPECT_EQ(make(R"(, "data": "a?==", "format": "base64")"),
            "object 's5' of type secret: no Base64: character 2 does not belong there");
}

}  // namespace
}  // namespace rhea::object
