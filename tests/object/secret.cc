#include "emu/object/secret.h"

#include <gtest/gtest.h>

#include <fstream>

#include "config.h"
#include "emu/object/tree.h"
#include "tests/lib/temp-dir.h"
#include "tests/object/run-now.h"

namespace rhea::object {
namespace {

class SecretTest : public ::testing::Test {
 protected:
  SecretTest() : tree_(classes_, services_) {
    services_.provide(tree_);
    Secret::addClass(classes_);
  }

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

#if RHEA_HAVE_NETTLE

// Made with: printf sesame | openssl enc -aes-256-cbc -K $(printf KEY | xxd -p -c 64) -iv $(printf IV | xxd -p) -base64
// with the key 0123456789abcdef0123456789abcdef and the vector fedcba9876543210.
constexpr std::string_view kKey = R"(, "data": "0123456789abcdef0123456789abcdef")";
constexpr std::string_view kVector = "ZmVkY2JhOTg3NjU0MzIxMA==";

TEST_F(SecretTest, IsDecryptedWithAnother) {
  make(std::string(kKey));
  const auto wrapped = [&](std::string_view cipher) {
    return make(fmt::format(R"(, "data": "{}", "format": "base64", "keyid": "s1", "iv": "{}")", cipher, kVector));
  };
  EXPECT_EQ(wrapped("7qso553zpIV7yGmhNZiL0Q=="), "sesame");
  EXPECT_EQ(wrapped("9/poqdi6gfWFnoRR959ENjXj8DwQUs/CSvWxeCVeXAs="), "sixteen bytes...");
}

TEST_F(SecretTest, SaysWhyItCannotBeDecrypted) {
  make(std::string(kKey));
  make(R"(, "data": "short")");
  const auto wrapped = [&](std::string_view key, std::string_view vector, std::string_view cipher) {
    return make(fmt::format(R"(, "data": "{}", "format": "base64", "keyid": "{}", "iv": "{}")", cipher, key, vector));
  };
  EXPECT_EQ(make(R"(, "data": "a", "keyid": "s1")"), "object 's3' of type secret: 'keyid' is given without 'iv'");
  EXPECT_EQ(make(R"(, "data": "a", "iv": "s1")"), "object 's4' of type secret: 'iv' is given without 'keyid'");
  EXPECT_EQ(wrapped("s9", kVector, "AAAA"), "object 's5' of type secret: keyid: there is no object 's9'");
  EXPECT_EQ(wrapped("s2", kVector, "AAAA"), "object 's6' of type secret: a key of 5 bytes");
  EXPECT_EQ(wrapped("s1", "AAAA", "AAAA"), "object 's7' of type secret: an initial vector of 3 bytes");
  EXPECT_EQ(wrapped("s1", kVector, "AAAA"), "object 's8' of type secret: 3 encrypted bytes");
  EXPECT_EQ(wrapped("s1", "AAAAAAAAAAAAAAAAAAAAAA==", "7qso553zpIV7yGmhNZiL0Q=="),
            "object 's9' of type secret: what was decrypted does not end in padding");
}

#else

TEST_F(SecretTest, SaysThatThisBuildCannotDecrypt) {
  make(R"(, "data": "0123456789abcdef0123456789abcdef")");
  EXPECT_EQ(make(R"(, "data": "AAAA", "format": "base64", "keyid": "s1", "iv": "AAAA")"),
            "object 's2' of type secret: this build cannot decrypt: it was made without the nettle library");
}

#endif

}  // namespace
}  // namespace rhea::object
