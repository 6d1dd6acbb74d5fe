// A small set of human forms, a screen that remembers, and an executor that answers by hand: what the tests of the
// human monitor stand on.
#pragma once

#include "monitor/human/executor.h"
#include "monitor/human/form-table.h"
#include "monitor/human/screen.h"

namespace rhea::monitor::test {

inline constexpr std::string_view kInfo[] = {"info"};
inline constexpr std::string_view kInfoStatusAliases[] = {"condition"};
inline constexpr std::string_view kInfoBlock[] = {"info", "block"};
inline constexpr std::string_view kInfoStatus[] = {"info", "status"};
inline constexpr std::string_view kResize[] = {"block_resize"};
inline constexpr std::string_view kSetCache[] = {"block_set_cache"};
inline constexpr std::string_view kCont[] = {"cont"};
inline constexpr std::string_view kIo[] = {"io"};
inline constexpr std::string_view kContAliases[] = {"c"};
inline constexpr std::string_view kModes[] = {"writeback", "none", "writethrough", "directsync", "unsafe"};
inline constexpr HumanArgument kInfoBlockArguments[] = {
    {"nodes", ArgumentKind::kBool, 'n', true, {}, "show nodes"},
    {"verbose", ArgumentKind::kBool, 'v', true, {}, "show more"},
    {"device", ArgumentKind::kDrive, 0, true, {}, "this drive alone"}};
inline constexpr HumanArgument kResizeArguments[] = {{"device", ArgumentKind::kDrive, 0, false, {}, "the drive"},
                                                     {"size", ArgumentKind::kSize, 0, false, {}, "the new size"}};
inline constexpr HumanArgument kSetCacheArguments[] = {{"device", ArgumentKind::kDrive, 0, false, {}, "the drive"},
                                                       {"mode", ArgumentKind::kEnum, 0, false, kModes, "the mode"}};
inline constexpr HumanArgument kIoArguments[] = {{"device", ArgumentKind::kDrive, 0, false, {}, "the drive"},
                                                 {"command", ArgumentKind::kRest, 0, false, {}, "what to do"}};
inline constexpr HumanForm kForms[] = {
    {"query-block",
     kInfoBlock,
     {},
     kInfoBlockArguments,
     "",
     "info block [-n] [-v] [device]",
     "Show drives.",
     {},
     false,
     false},
    {"info", kInfo, {}, {}, "", "info", "List.", {}, true, false},
    {"query-status", kInfoStatus, kInfoStatusAliases, {}, "", "info status", "Show the state.", {}, false, false},
    {"block_resize", kResize, {}, kResizeArguments, "", "block_resize device size", "Resize.", {}, false, true},
    {"blockdev-set-cache",
     kSetCache,
     {},
     kSetCacheArguments,
     R"({"force": false})",
     "block_set_cache device mode",
     "Set.",
     {},
     false,
     true},
    {"cont", kCont, kContAliases, {}, "", "cont", "Go on.", {}, false, true},
    {"io", kIo, {}, kIoArguments, "", "io device command", "Do I/O.", {}, true, true},
};

class MemoryScreen final : public Screen {
 public:
  explicit MemoryScreen(unsigned columns = 0) : columns_(columns) {}
  void write(std::string_view text) override { shown.append(text); }
  unsigned columns() const override { return columns_; }
  std::string take() { return std::exchange(shown, {}); }
  std::string shown;

 private:
  unsigned columns_;
};

class FakeExecutor final : public Executor {
 public:
  Task<Result<json::Text>> execute(std::string command, json::Text arguments) override {
    asked.push_back(command + " " + arguments);
    const auto found = replies.find(command);
    if (found == replies.end()) co_return Error(fmt::format("no reply to {}", command));
    co_return found->second;
  }
  Task<Result<HumanOutput>> executeHuman(std::string command, json::Text arguments, std::string line) override {
    asked.push_back(command + " " + arguments + " " + line);
    co_return HumanOutput("done", R"({"ok": true})");
  }
  std::map<std::string, Result<json::Text>> replies;
  std::vector<std::string> asked;
};

}  // namespace rhea::monitor::test
