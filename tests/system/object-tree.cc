// What clients find in the object tree of a running program, at the places where they look.
#include <gtest/gtest.h>

#include "tests/lib/emulator.h"

namespace rhea::test {
namespace {

std::set<std::string> childrenOf(QmpClient& client, const std::string& path) {
  std::set<std::string> children;
  const json::Value listed = client.returned("qom-list", R"({"path": ")" + path + "\"}");
  for (const json::View each : listed.items()) {
    const std::string type(each.find("type")->asString());
    if (type.starts_with("child<")) children.insert(std::string(each.find("name")->asString()) + " " + type);
  }
  return children;
}

using Children = std::set<std::string>;

TEST(ObjectTree, StandWhereClientsLookForThem) {
  const Emulator emulator({"-chardev", "ringbuf,id=ring", "-object", "secret,id=key,data=abc"});
  const std::unique_ptr<QmpClient> client = emulator.connect();
  const Children top = childrenOf(*client, "/");
  for (const char* name : {"objects child<container>", "chardevs child<container>"}) EXPECT_TRUE(top.contains(name));
  EXPECT_EQ(childrenOf(*client, "/objects"), Children({"key child<secret>"}));
  EXPECT_EQ(childrenOf(*client, "/chardevs"),
            Children({"compat_monitor0 child<chardev-socket>", "ring child<chardev-ringbuf>"}));
  EXPECT_TRUE(
      client->returned("qom-get", R"({"path": "/chardevs/compat_monitor0", "property": "connected"})").asBool());
}

TEST(ObjectTree, FollowChardevsThatComeChangeAndGo) {
  const Emulator emulator;
  const std::unique_ptr<QmpClient> client = emulator.connect();
  client->returned("chardev-add", R"({"id": "c", "backend": {"type": "null", "data": {}}})");
  EXPECT_TRUE(childrenOf(*client, "/chardevs").contains("c child<chardev-null>"));
  client->returned("chardev-change", R"({"id": "c", "backend": {"type": "ringbuf", "data": {}}})");
  EXPECT_TRUE(childrenOf(*client, "/chardevs").contains("c child<chardev-ringbuf>"));
  client->returned("chardev-remove", R"({"id": "c"})");
  EXPECT_EQ(childrenOf(*client, "/chardevs"), Children({"compat_monitor0 child<chardev-socket>"}));
}

}  // namespace
}  // namespace rhea::test
