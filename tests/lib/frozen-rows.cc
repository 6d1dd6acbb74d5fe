#include "tests/lib/frozen-rows.h"

#include <algorithm>

namespace rhea::test {

namespace {

using Clock = std::chrono::steady_clock;
using Milliseconds = std::chrono::duration<double, std::milli>;

constexpr std::size_t kFileSize = std::size_t{1} << 20;

// A disk d0 on the node `frozen` with a write that is not flushed yet, and a node `spare` that nobody uses.
constexpr FrozenRow kRows[] = {
    {"stop", FrozenFs::kAll, "stop", ""},
    {"stop, flush hangs", FrozenFs::kSync, "stop", ""},
    {"flush", FrozenFs::kAll, "blockdev-flush", R"({"device": "d0"})"},
    {"flush of all", FrozenFs::kSync, "blockdev-flush", ""},
    {"human flush", FrozenFs::kSync, "human-monitor-command", R"({"command-line": "qemu-io d0 flush"})"},
    {"human read", FrozenFs::kRead, "human-monitor-command", R"({"command-line": "qemu-io d0 \"read 512k 4k\""})"},
    {"add, look-up hangs", FrozenFs::kLookUp, "blockdev-add",
     R"({"driver": "file", "node-name": "new", "filename": "%s/new.raw"})"},
    {"add, open hangs", FrozenFs::kOpen, "blockdev-add",
     R"({"driver": "file", "node-name": "new", "filename": "%s/new.raw"})"},
    {"add, stat hangs", FrozenFs::kStat, "blockdev-add",
     R"({"driver": "file", "node-name": "new", "filename": "%s/new.raw"})"},
    {"drive_add", FrozenFs::kAll, "human-monitor-command",
     R"({"command-line": "drive_add 0 if=none,id=d1,file=%s/new.raw,format=raw"})"},
    {"del, close hangs", FrozenFs::kClose, "blockdev-del", R"({"node-name": "spare"})"},
    {"del", FrozenFs::kAll, "blockdev-del", R"({"node-name": "spare"})"},
    {"drive_del", FrozenFs::kAll, "human-monitor-command", R"({"command-line": "drive_del d0"})"},
    {"reopen, open hangs", FrozenFs::kOpen, "blockdev-reopen",
     R"({"options": [{"driver": "file", "node-name": "spare", "filename": "%s/spare.raw", "cache": {"direct": true}}]})"},
    {"reopen", FrozenFs::kAll, "blockdev-reopen",
     R"({"options": [{"driver": "file", "node-name": "spare", "filename": "%s/spare.raw", "cache": {"direct": true}}]})"},
    {"set-cache, open hangs", FrozenFs::kOpen, "blockdev-set-cache", R"({"device": "d0", "mode": "none"})"},
    {"set-cache, close hangs", FrozenFs::kClose, "blockdev-set-cache", R"({"device": "d0", "mode": "none"})"},
    {"set-cache", FrozenFs::kAll, "blockdev-set-cache", R"({"device": "d0", "mode": "none"})"},
    {"set-cache writethrough", FrozenFs::kAll, "blockdev-set-cache", R"({"device": "d0", "mode": "writethrough"})"},
    {"resize", FrozenFs::kAll, "block_resize", R"({"device": "d0", "size": 2097152})"},
    {"resize, truncate hangs", FrozenFs::kResize, "block_resize", R"({"device": "d0", "size": 2097152})"},
    {"quit", FrozenFs::kAll, "quit", ""},
};

std::string filled(std::string text, const std::string& folder) {
  for (std::size_t at = text.find("%s"); at != std::string::npos; at = text.find("%s")) text.replace(at, 2, folder);
  return text;
}

}  // namespace

std::span<const FrozenRow> frozenRows() { return kRows; }

FrozenMachine::FrozenMachine(const FrozenRow& row) : row_(row) {
  if (!host_.ok()) return;
  const std::string file = host_.makeFile("disk.raw", kFileSize);
  const std::string spare = host_.makeFile("spare.raw", kFileSize);
  host_.makeFile("new.raw", kFileSize);
  emulator_ = std::make_unique<Emulator>(
      std::vector<std::string>{"-quit-timeout", "2",                                                              //
                               "-drive", "if=none,id=d0,format=raw,file.node-name=frozen,file.filename=" + file,  //
                               "-blockdev", "driver=file,node-name=spare,filename=" + spare});
  asking_ = emulator_->connect();
  watching_ = emulator_->connect();
  asking_->returned("human-monitor-command", R"({"command-line": "qemu-io d0 \"write 0 4k\""})");
}

bool FrozenMachine::begin() {
  const std::string file = host_.path();
  host_.freeze(row_.operations);
  std::string message = std::string(R"({"execute": ")") + row_.command + "\"";
  if (*row_.arguments != 0) message += ", \"arguments\": " + filled(row_.arguments, file);
  asking_->send(message + "}\n");
  return host_.waitHeld(1);
}

bool FrozenMachine::question() {
  const auto begin = Clock::now();
  try {
    watching_->returned("query-status");
  } catch (const std::exception&) {
    return false;
  }
  waits_.push_back(Milliseconds(Clock::now() - begin).count());
  return true;
}

bool FrozenMachine::answered(double seconds) {
  const auto end = Clock::now() + std::chrono::duration<double>(seconds);
  while (answer_.isNull()) {
    const std::chrono::duration<double> left = end - Clock::now();
    std::optional<json::Value> message = asking_->receive(std::max(left.count(), 0.0));
    if (!message) return false;
    if (!message->find("event")) answer_ = *std::move(message);
  }
  return true;
}

std::vector<double> FrozenMachine::waits() const {
  std::vector<double> sorted = waits_;
  std::sort(sorted.begin(), sorted.end());
  return sorted;
}

}  // namespace rhea::test
