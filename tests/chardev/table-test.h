// A table of chardevs on a loop, in a folder of its own.
#pragma once

#include <gtest/gtest.h>

#include <fstream>

#include "emu/chardev/memory.h"
#include "emu/chardev/table.h"
#include "tests/chardev/probe.h"
#include "tests/lib/temp-dir.h"
#include "tests/support/loops.h"
#include "tests/support/run-task.h"

namespace rhea::chardev::test {

class TableTest : public rhea::test::LoopTest {
 protected:
  Result<Chardev*> add(Options options) { return rhea::test::runTask(*loop_, table_.add(std::move(options))); }
  void until(const std::function<bool()>& done) {
    using namespace std::chrono_literals;
    bool late = false;
    const auto bound = loop_->timer(5s, [&] { late = true; });
    const auto tick = loop_->timer(
        1ms, [] {}, true);
    loop_->waitUntil([&] { return late || done(); });
    ASSERT_FALSE(late) << "it did not happen within 5 seconds";
  }
  static std::string contents(const std::string& path) {
    std::ifstream file(path);
    return {std::istreambuf_iterator<char>(file), {}};
  }

  rhea::test::TempDir folder_;
  FdSets fdSets_;
  ChardevTable table_{*loop_, fdSets_};
};

}  // namespace rhea::chardev::test
