// Requests that cannot be served: each gets one clear error that says where, and leaves everything as it was.

#include <gtest/gtest.h>

#include <vector>

#include "tests/lib/emulator.h"

namespace rhea::test {

namespace {

struct Row {
  std::string_view message;
  std::string_view errorClass;
  std::string_view where;  // the JSON path, "" where there is none
  std::string_view tells;  // a part of what is told to people
};

constexpr std::string_view kGeneric = "GenericError";

constexpr Row kMessages[] = {
    {R"({"execute" "stop"})", kGeneric, "", "expected"},
    {R"({"execute": "stop", "execute": "cont"})", kGeneric, "", "execute"},
    {R"([1, 2])", kGeneric, "", "object"},
    {R"({"arguments": {}})", kGeneric, "", "execute"},
    {R"({"execute": "stop", "argument": {}})", kGeneric, "", "argument"},
    {R"({"execute": "stop", "arguments": 7})", kGeneric, "arguments", "object"},
    {R"({"execute": 7})", kGeneric, "execute", "string"},
    {R"({"execute": "query-statu"})", "CommandNotFound", "", "query-statu"},
    {R"({"execute": "stop", "arguments": {"now": true}})", kGeneric, "arguments.now", "now"},
    {R"({"execute": "block_resize", "arguments": {"devic": "a", "size": 512}})", kGeneric, "arguments.devic", "device"},
    {R"({"execute": "block_resize", "arguments": {"node-name": "null0"}})", kGeneric, "arguments.size", "size"},
    {R"({"execute": "block_resize", "arguments": {"node-name": "null0", "size": "1G"}})", kGeneric, "arguments.size",
     "1G"},
    {R"({"execute": "block_resize", "arguments": {"node-name": "null0", "size": -512}})", kGeneric, "arguments.size",
     "-512"},
    {R"({"execute": "block_resize", "arguments": {"node-name": "null0", "size": 1.5}})", kGeneric, "arguments.size",
     "1.5"},
    {R"({"execute": "query-block", "arguments": {"": null}})", kGeneric, "", ""},
    {R"({"execute": "blockdev-add", "arguments": {"driver": "null-co", "cache": {"direct": "yes"}}})", kGeneric,
     "arguments.cache.direct", "boolean"},
    {R"({"execute": "blockdev-reopen", "arguments": {"options": [{"driver": "null-co", "cache": {"writeback": true}}]}})",
     kGeneric, "arguments.options[0].cache.writeback", "writeback"},
    {R"({"execute": "blockdev-add", "arguments": {"driver": "null-ci"}})", kGeneric, "arguments.driver", "null-co"},
    {R"({"execute": "blockdev-add", "arguments": {"driver": "raw", "node-name": "r0"}})", kGeneric, "arguments.file",
     "file"},
    {R"({"execute": "blockdev-add", "arguments": {"driver": "raw", "node-name": "r0", "file": 7}})", kGeneric,
     "arguments.file", "7"},
};

constexpr Row kGraph[] = {
    {R"({"execute": "blockdev-add", "arguments": {"driver": "null-co", "node-name": "null0"}})", kGeneric, "", "null0"},
    {R"({"execute": "blockdev-add", "arguments": {"driver": "null-co", "node-name": "1st"}})", kGeneric, "", "1st"},
    {R"({"execute": "blockdev-add", "arguments": {"driver": "null-co", "node-name": "a2345678901234567890123456789012"}})",
     kGeneric, "", "31"},
    {R"({"execute": "blockdev-add", "arguments": {"driver": "raw", "node-name": "r0", "file": "nul0"}})", kGeneric, "",
     "nul0"},
    {R"({"execute": "blockdev-add", "arguments": {"driver": "file", "node-name": "f0", "filename": "none.raw"}})",
     kGeneric, "", "none.raw"},
    {R"({"execute": "blockdev-add", "arguments": {"driver": "file", "node-name": "f0", "filename": "folder"}})",
     kGeneric, "", "folder"},
    {R"({"execute": "blockdev-reopen", "arguments": {"options": [{"driver": "raw", "node-name": "top0", "file": "top0"}]}})",
     kGeneric, "", "top0"},
    {R"({"execute": "blockdev-reopen", "arguments": {"options": [{"driver": "raw", "node-name": "top1", "file": "file0"}]}})",
     kGeneric, "", "top1"},
    {R"({"execute": "blockdev-del", "arguments": {"node-name": "file0"}})", kGeneric, "", "top0"},
    {R"({"execute": "blockdev-del", "arguments": {"node-name": "file1"}})", kGeneric, "", "file1"},
    {R"({"execute": "block_resize", "arguments": {"node-name": "readonly0", "size": 1048576}})", kGeneric, "",
     "read-only"},
    {R"({"execute": "block_resize", "arguments": {"node-name": "top0", "size": 1000}})", kGeneric, "", "1000"},
    {R"({"execute": "block_resize", "arguments": {"size": 512}})", kGeneric, "", "node-name"},
    {R"({"execute": "block_resize", "arguments": {"device": "disc0", "size": 512}})", "DeviceNotFound", "", "disc0"},
    {R"({"execute": "block_set_io_throttle", "arguments": {"id": "disk0", "bps": 1, "bps_rd": 1, "bps_wr": 0, "iops": 0,
        "iops_rd": 0, "iops_wr": 0}})",
     kGeneric, "", "bps"},
    {R"({"execute": "blockdev-set-cache", "arguments": {"device": "disk0"}})", kGeneric, "", "mode"},
    {R"({"execute": "blockdev-set-cache", "arguments": {"device": "disk0", "mode": "none", "direct": true}})", kGeneric,
     "", "mode"},
    {R"({"execute": "blockdev-set-cache", "arguments": {"device": "disk0", "mode": "non"}})", kGeneric,
     "arguments.mode", "none"},
    {R"({"execute": "blockdev-set-cache", "arguments": {"device": "disk0", "writeback": false, "no-flush": true}})",
     kGeneric, "", "no-flush"},
    {R"({"execute": "blockdev-set-cache", "arguments": {"device": "disc0", "mode": "none"}})", "DeviceNotFound", "",
     "disk0"},
    {R"({"execute": "blockdev-flush", "arguments": {"device": "disc0"}})", "DeviceNotFound", "", "disk0"},
    {R"({"execute": "query-durability", "arguments": {"device": "disc0"}})", "DeviceNotFound", "", "disk0"},
    {R"({"execute": "block-latency-histogram-set", "arguments": {"id": "disk0", "boundaries": [10, 5]}})", kGeneric, "",
     "5"},
    {R"({"execute": "block-set-write-threshold", "arguments": {"node-name": "file1", "write-threshold": 1}})", kGeneric,
     "", "file1"},
    {R"({"execute": "object-add", "arguments": {"qom-type": "iothread", "id": "1io"}})", kGeneric, "", "1io"},
    {R"({"execute": "object-del", "arguments": {"id": "io9"}})", kGeneric, "", "io9"},
    {R"({"execute": "qom-get", "arguments": {"path": "/objects/io9", "property": "type"}})", "DeviceNotFound", "",
     "io9"},
    {R"({"execute": "job-cancel", "arguments": {"id": "job9"}})", kGeneric, "", "job9"},
    {R"({"execute": "chardev-remove", "arguments": {"id": "char9"}})", kGeneric, "", "char9"},
    {R"({"execute": "closefd", "arguments": {"fdname": "fd9"}})", kGeneric, "", "fd9"},
    {R"({"execute": "getfd", "arguments": {"fdname": "fd9"}})", kGeneric, "", "descriptor"},
    {R"({"execute": "remove-fd", "arguments": {"fdset-id": 9}})", kGeneric, "", "9"},
    {R"({"execute": "migrate-set-capabilities", "arguments": {"capabilities": [{"capability": "xbzrle", "state": true}]}})",
     kGeneric, "arguments.capabilities[0].capability", "events"},
};

std::string textOf(json::View object, std::string_view key) {
  const std::optional<json::View> value = object.find(key);
  return value && value->isString() ? std::string(value->asString()) : "";
}

class BadInput : public testing::Test {
 protected:
  BadInput() {
    const TempDir& folder = emulator_.folder();
    folder.makeFile("disk.raw", 1 << 20);
    folder.makeFile("used.raw", 1 << 20);
    std::filesystem::create_directory(folder.file("folder"));
    for (const std::string_view options : {
             R"({"driver": "null-co", "node-name": "null0"})",
             R"({"driver": "null-co", "node-name": "readonly0", "read-only": true})",
             R"({"driver": "file", "node-name": "file0", "filename": "disk.raw"})",
             R"({"driver": "raw", "node-name": "top0", "file": "file0"})",
         }) {
      client_->returned("blockdev-add", std::string(options));
    }
    client_->returned("human-monitor-command", R"({"command-line": "drive_add 0 if=none,id=disk0,driver=null-co"})");
  }

  // All that a request could have changed, one line for each query.
  std::vector<std::string> state() {
    std::vector<std::string> all;
    for (const char* command : {"query-status", "query-named-block-nodes", "query-block", "x-debug-query-block-graph",
                                "query-chardev", "query-fdsets", "query-jobs", "query-migrate-capabilities"}) {
      all.push_back(client_->returned(command).text());
    }
    return all;
  }

  void expectSame(const std::vector<std::string>& before) {
    const std::vector<std::string> now = state();
    for (std::size_t query = 0; query < before.size(); ++query) EXPECT_EQ(before[query], now[query]);
  }

  std::string line(const std::string& text) {
    const json::Value shown = client_->returned("human-monitor-command", "{\"command-line\": \"" + text + "\"}");
    return std::string(shown.asString());
  }

  void expectRefusal(const Row& row) {
    SCOPED_TRACE(row.message);
    const json::Value reply = client_->ask(std::string(row.message));
    const std::optional<json::View> error = reply.find("error");
    ASSERT_TRUE(error) << reply.text();
    EXPECT_EQ(row.errorClass, textOf(*error, "class")) << reply.text();
    EXPECT_EQ(row.where.empty() ? textOf(*error, "where") : row.where, textOf(*error, "where")) << reply.text();
    EXPECT_NE(std::string::npos, error->text().find(row.tells)) << reply.text();
    EXPECT_FALSE(textOf(*error, "desc").empty());
  }

  Emulator emulator_;
  std::unique_ptr<QmpClient> client_ = emulator_.connect();
};

}  // namespace

TEST_F(BadInput, IsToldWhereAMessageIsWrong) {
  const std::vector<std::string> before = state();
  for (const Row& row : kMessages) expectRefusal(row);
  expectSame(before);
}

TEST_F(BadInput, LeavesTheGraphAsItWas) {
  const std::vector<std::string> before = state();
  for (const Row& row : kGraph) {
    SCOPED_TRACE(row.message);
    expectRefusal(row);
    expectSame(before);
    if (HasFailure()) return;
  }
}

TEST_F(BadInput, DoesNotShareAnImageThatSomebodyWrites) {
  EXPECT_EQ("OK\r\n", line("drive_add 0 if=none,id=disk1,format=raw,file=used.raw"));
  const std::vector<std::string> before = state();
  const std::string refused = line("drive_add 0 if=none,id=disk2,format=raw,file=used.raw");
  EXPECT_TRUE(refused.starts_with("error")) << refused;
  EXPECT_NE(std::string::npos, refused.find(std::to_string(emulator_.pid()))) << refused;
  expectSame(before);
}

TEST_F(BadInput, DoesNotTakeADriveAwayTwice) {
  EXPECT_EQ("", line("drive_del disk0"));
  const std::vector<std::string> before = state();
  const std::string refused = line("drive_del disk0");
  EXPECT_TRUE(refused.starts_with("error")) << refused;
  expectSame(before);
}

TEST_F(BadInput, OversizedMessagesCostOneErrorEach) {
  const std::string deep = std::string(2000, '[') + std::string(2000, ']');
  EXPECT_TRUE(client_->ask(deep).find("error"));
  const std::string huge = R"({"execute": "stop", "arguments": {"a": ")" + std::string((64U << 20) + 10, 'x') + "\"}}";
  EXPECT_TRUE(client_->ask(huge).find("error"));
  EXPECT_EQ("running", client_->returned("query-status").find("status")->asString());
}

TEST_F(BadInput, IsForgottenAfterAResetByte) {
  client_->send(R"({"execute": "stop", "arguments": {"a": [[[)");
  client_->send("\xff");
  // The parser begins anew; whether it reports what it threw away or not, the next message is served.
  client_->send(R"({"execute": "query-status", "id": "after"})"
                "\n");
  std::optional<json::Value> reply;
  do {
    reply = client_->receive(10);
    ASSERT_TRUE(reply);
  } while (textOf(*reply, "id") != "after");
  EXPECT_TRUE(reply->find("return")) << reply->text();
}

}  // namespace rhea::test
