// A scriptable in-memory driver, and a graph to try it in.
#pragma once

#include <gtest/gtest.h>

#include <cerrno>
#include <deque>

#include "block/core/graph.h"
#include "tests/support/loops.h"
#include "tests/support/run-task.h"

namespace rhea::block::test {

using rhea::test::LoopThread;
using rhea::test::runTask;

enum class MemoryOp : std::uint8_t { kRead, kWrite, kStableWrite, kZeroes, kDiscard, kSync, kOpen, kReopen, kClose };
constexpr std::size_t kMemoryOps = 9;

// The storage behind a memory node, and the script of what goes wrong.
class MemoryImage {
 public:
  explicit MemoryImage(std::uint64_t size) : data_(size), stable_(size) {}

  // --- Script.
  void fail(MemoryOp op, int code, int times = 1) {
    const std::lock_guard lock(guard_);
    for (int i = 0; i < times; ++i) faults_[index(op)].push_back(code);
  }
  void failAlways(MemoryOp op, int code) { always_[index(op)] = code; }
  // Requests of this kind wait until release().
  void hold(MemoryOp op) {
    const std::lock_guard lock(guard_);
    held_[index(op)] = std::make_shared<Event>();
  }
  void release(MemoryOp op) {
    std::shared_ptr<Event> event;
    {
      const std::lock_guard lock(guard_);
      event = std::exchange(held_[index(op)], nullptr);
    }
    if (event) event->set();
  }

  // Those that wait go; others that come wait again.
  void releaseOnce(MemoryOp op) {
    std::shared_ptr<Event> event;
    {
      const std::lock_guard lock(guard_);
      event = std::exchange(held_[index(op)], std::make_shared<Event>());
    }
    event->set();
  }

  // --- What was seen.
  std::uint64_t count(MemoryOp op) const { return counts_[index(op)].load(); }
  std::uint64_t waiting(MemoryOp op) const { return waiting_[index(op)].load(); }
  std::byte at(std::uint64_t offset) const {
    const std::lock_guard lock(guard_);
    return data_[offset];
  }
  // What a power cut would leave.
  std::byte stableAt(std::uint64_t offset) const {
    const std::lock_guard lock(guard_);
    return stable_[offset];
  }
  std::vector<Extent> extents(MemoryOp op) const {
    const std::lock_guard lock(guard_);
    return extents_[index(op)];
  }

  // --- Settings, before open or while nothing runs.
  Limits buffered;  // limits without direct
  Limits direct;    // with direct
  bool stableWrites = true;
  bool readOnly = false;
  bool directPossible = true;
  std::function<Result<void>(Rights)> onRights;
  bool watchHome = false;  // "memory-home": requests anywhere else than at home fail with EXDEV
  std::atomic<Loop*> home{nullptr};
  std::atomic<int> moves{0};

  // --- For the driver.
  Task<Result<void>> enter(MemoryOp op, Extent at = {}) {
    counts_[index(op)].fetch_add(1);
    const bool request = op < MemoryOp::kOpen;
    if (watchHome && request && Loop::current() != home.load()) co_return Error::fromErrno(EXDEV);
    std::shared_ptr<Event> held;
    int code = always_[index(op)].load();
    {
      const std::lock_guard lock(guard_);
      held = held_[index(op)];
      extents_[index(op)].push_back(at);
      if (auto& faults = faults_[index(op)]; !faults.empty()) {
        code = faults.front();
        faults.pop_front();
      }
    }
    if (held) {
      waiting_[index(op)].fetch_add(1);
      (void)co_await held->wait();
      waiting_[index(op)].fetch_sub(1);
    }
    if (code != 0) co_return Error::fromErrno(code);
    co_return success();
  }
  void read(Extent from, const IoVector& to) {
    const std::lock_guard lock(guard_);
    to.fill(std::byte{0});
    if (from.offset < data_.size()) to.copyFrom(&data_[from.offset], std::min(from.length, data_.size() - from.offset));
  }
  void write(Extent to, const IoVector& from, bool stable) {
    const std::lock_guard lock(guard_);
    if (to.end() > data_.size()) {
      data_.resize(to.end());
      stable_.resize(to.end());
    }
    from.copyTo(&data_[to.offset], to.length);
    if (stable) from.copyTo(&stable_[to.offset], to.length);
  }
  void zero(Extent to) {
    const std::lock_guard lock(guard_);
    std::memset(&data_[to.offset], 0, to.length);
  }
  void sync() {
    const std::lock_guard lock(guard_);
    stable_ = data_;
  }
  void resize(std::uint64_t length) {
    const std::lock_guard lock(guard_);
    data_.resize(length);
    stable_.resize(length);
  }
  std::uint64_t size() const {
    const std::lock_guard lock(guard_);
    return data_.size();
  }
  std::atomic<bool> isDirect{false};

 private:
  static constexpr std::size_t index(MemoryOp op) { return static_cast<std::size_t>(op); }
  mutable std::mutex guard_;
  std::vector<std::byte> data_;
  std::vector<std::byte> stable_;
  std::array<std::deque<int>, kMemoryOps> faults_;
  std::array<std::atomic<int>, kMemoryOps> always_{};
  std::array<std::shared_ptr<Event>, kMemoryOps> held_;
  std::array<std::atomic<std::uint64_t>, kMemoryOps> counts_{};
  std::array<std::atomic<std::uint64_t>, kMemoryOps> waiting_{};
  std::array<std::vector<Extent>, kMemoryOps> extents_;
};

using ImagePtr = std::shared_ptr<MemoryImage>;

struct MemoryOptions {
  ImagePtr image;
};

// "memory" runs on any loop, "memory-home" on its home only, "memory-grouping" has stable writes share flushes, "pass"
// passes through to "file", "format" keeps data in it.
const DriverInfo& memoryDriver();
const DriverInfo& homeMemoryDriver();
const DriverInfo& groupingMemoryDriver();
const DriverInfo& passDriver();
const DriverInfo& formatDriver();
// "overlay": what was not written shows its "backing", which it may have or not; whole clusters of 4 KiB. A double for
// formats with backing files: it keeps what is allocated in memory, and the data in "file".
const DriverInfo& overlayDriver();

class RecordingObserver : public GraphObserver {
 public:
  void cacheChanged(const CacheChanged& change) override { add(changes_, change); }
  void ioError(const IoErrorReport& report) override { add(errors_, report); }
  void writeThreshold(std::string_view node, std::uint64_t by, std::uint64_t threshold) override {
    add(thresholds_, fmt::format("{} {} {}", node, by, threshold));
  }
  void flushLatched(std::string_view node, const std::string&) override { add(latched_, std::string(node)); }

  std::vector<CacheChanged> changes() const { return copy(changes_); }
  std::vector<IoErrorReport> errors() const { return copy(errors_); }
  std::vector<std::string> thresholds() const { return copy(thresholds_); }
  std::vector<std::string> latched() const { return copy(latched_); }

 private:
  template <class T>
  void add(std::vector<T>& list, T value) {
    const std::lock_guard lock(guard_);
    list.push_back(std::move(value));
  }
  template <class T>
  std::vector<T> copy(const std::vector<T>& list) const {
    const std::lock_guard lock(guard_);
    return list;
  }
  mutable std::mutex guard_;
  std::vector<CacheChanged> changes_;
  std::vector<IoErrorReport> errors_;
  std::vector<std::string> thresholds_;
  std::vector<std::string> latched_;
};

class GraphTest : public testing::Test, public RunStateHook {
 protected:
  GraphTest();
  ~GraphTest() override;

  void stopForIoError() override { stops_.fetch_add(1); }

  template <class T>
  auto run(Task<T> task) {
    return runTask(*loop_, std::move(task));
  }
  static NodeOptions memory(const std::string& name, ImagePtr image, std::string driver = "memory");
  static NodeOptions above(const std::string& name, const std::string& file, std::string driver = "pass");
  NodePtr add(NodeOptions options);
  DiskPtr attach(const std::string& id, const std::string& node, DiskOptions options = DiskOptions());
  // A disk "d0" on a memory node "n0".
  DiskPtr simple(ImagePtr image, DiskOptions options = DiskOptions());
  Result<void> write(const DiskPtr& disk, std::uint64_t offset, std::string_view text);
  std::string read(const DiskPtr& disk, std::uint64_t offset, std::size_t length);
  // A token whose wish comes after a moment.
  CancelToken soon(std::chrono::milliseconds after = std::chrono::milliseconds(20));
  // Runs the loop until it holds; looks every millisecond, because other threads and the clock may bring it about.
  void until(const std::function<bool()>& condition) {
    const std::unique_ptr<Loop::Watch> tick = loop_->timer(
        std::chrono::milliseconds(1), [] {}, true);
    loop_->waitUntil(condition);
  }
  // Starts a task on the loop and gives its outcome's place.
  template <class T>
  std::shared_ptr<std::optional<T>> start(Task<T> task);

  WorkerPool workers_;
  std::unique_ptr<Loop> loop_ = Loop::create("main", workers_).value();
  DriverRegistry drivers_;
  Services services_;
  RecordingObserver observer_;
  std::unique_ptr<BlockGraph> graph_;
  std::atomic<int> stops_{0};
  std::vector<std::unique_ptr<Loop::Watch>> timers_;
};

namespace detail {
template <class T>
Task<void> store(Task<T> task, std::shared_ptr<std::optional<T>> place) {
  place->emplace(co_await std::move(task));
}
}  // namespace detail

template <class T>
std::shared_ptr<std::optional<T>> GraphTest::start(Task<T> task) {
  auto place = std::make_shared<std::optional<T>>();
  loop_->spawn(detail::store<T>(std::move(task), place));
  return place;
}

}  // namespace rhea::block::test
