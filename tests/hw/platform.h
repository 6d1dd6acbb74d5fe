// What the tests of a PC's devices share: a class for devices, a loop-less board, recorders of lines and messages.
#pragma once

#include <gtest/gtest.h>

#include "emu/base/base.h"
#include "emu/cpu/vcpu.h"
#include "hw/core/board.h"
#include "hw/core/device.h"
#include "tests/support/loops.h"
#include "tests/support/run-task.h"

namespace rhea::hw {

inline const object::Class& testClass() {
  static const object::Class type = [] {
    object::Class made;
    made.name = "test-device";
    made.parent = "device";
    made.doc = "a device under test";
    return made;
  }();
  return type;
}

// Lines as they are, and how often each went up.
class Lines final : public IrqSink {
 public:
  void setIrq(unsigned line, bool high) override {
    const std::scoped_lock lock(mutex_);
    if (high && !high_[line]) ++edges_[line];
    high_[line] = high;
  }
  bool high(unsigned line) const {
    const std::scoped_lock lock(mutex_);
    const auto found = high_.find(line);
    return found != high_.end() && found->second;
  }
  int edges(unsigned line) const {
    const std::scoped_lock lock(mutex_);
    const auto found = edges_.find(line);
    return found == edges_.end() ? 0 : found->second;
  }
  IrqLine line(unsigned number) { return {*this, number}; }

 private:
  mutable std::mutex mutex_;
  std::map<unsigned, bool> high_;
  std::map<unsigned, int> edges_;
};

// A vCPU that only takes note of what it is asked.
class SilentVcpu final : public cpu::Vcpu {
 public:
  explicit SilentVcpu(unsigned index) : Vcpu(index, word_) {}
  std::uint32_t requests() { return take(~0U); }
  std::uint8_t startedAt() const { return startVector(); }
  void run() override {}
  void dropWrites() override {}
  void reset() override {}
  void runFor(std::uint64_t) override {}
  void shorten(std::uint64_t) override {}
  std::uint64_t left() const override { return 0; }
  std::string describe() const override { return {}; }
  std::vector<cpu::RegisterValue> registers() const override { return {}; }
  std::uint64_t programCounter() const override { return 0; }
  std::optional<std::uint64_t> translate(std::uint64_t) const override { return std::nullopt; }
  void save(migrate::StateWriter&) const override {}
  Result<void> load(migrate::StateReader&) override { return success(); }

 private:
  std::uint32_t word_ = 0;
};

// State that was saved reads back, and saves to the same bytes; what follows from it is up to the test.
template <class Device>
void expectRoundTrip(const Device& from, Device& to) {
  migrate::StateWriter saved;
  from.save(saved);
  Result<migrate::StateReader> reader = migrate::StateReader::open("device", saved.bytes());
  ASSERT_TRUE(reader.ok());
  const Result<void> loaded = to.load(*reader);
  ASSERT_TRUE(loaded.ok()) << loaded.error().message();
  migrate::StateWriter again;
  to.save(again);
  EXPECT_TRUE(std::ranges::equal(saved.bytes(), again.bytes()));
}

// A running clock is waited for, without a limit of our own: the runner has one.
template <class Condition>
void waitFor(Condition condition) {
  while (!condition()) std::this_thread::yield();
}

inline void writePorts(mem::IoHandler& device, std::initializer_list<std::pair<std::uint64_t, std::uint64_t>> writes) {
  for (const auto& [port, value] : writes) device.write(port, value, 1);
}

}  // namespace rhea::hw
