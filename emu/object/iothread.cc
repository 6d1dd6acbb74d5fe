#include "emu/object/iothread.h"

#include <pthread.h>
#include <unistd.h>

namespace rhea::object {

namespace {

const Property kProperties[] = {
    property<&IoThread::pollMaxNs, &IoThread::setPollMaxNs>(
        "poll-max-ns", Settable::kAnyTime, "32768",
        "longest time to look for work before sleeping, in nanoseconds; 0: never"),
    property<&IoThread::pollGrow, &IoThread::setPollGrow>(
        "poll-grow", Settable::kAnyTime, "0",
        "factor by which that time grows where a longer look would have been enough; 0: 2"),
    property<&IoThread::pollShrink, &IoThread::setPollShrink>(
        "poll-shrink", Settable::kAnyTime, "0",
        "divisor by which it shrinks where no look would have been enough; 0: it begins anew"),
    property<&IoThread::aioMaxBatch, &IoThread::setAioMaxBatch>(
        "aio-max-batch", Settable::kAnyTime, "0", "most requests handed to the kernel at once; 0: the engine chooses"),
    property<&IoThread::threadId>("thread-id", "the kernel's number for the thread"),
};

constexpr std::int64_t kMostPollNs = 1'000'000'000;  // a second of looking is a loop that never sleeps
constexpr std::int64_t kMostFactor = 1'000'000;
constexpr std::int64_t kMostBatch = 4096;
constexpr std::int64_t kUsualPollNs = 32768;
constexpr std::array<std::atomic<std::int64_t> LoopTuning::*, 4> kTunings = {
    &LoopTuning::pollMostNs, &LoopTuning::pollGrow, &LoopTuning::pollShrink, &LoopTuning::maxBatch};

}  // namespace

void IoThread::addClass(ClassTable& classes) {
  Class type;
  type.name = "iothread";
  type.parent = "object";
  type.doc = "a thread with a loop of its own, for disks' requests";
  type.properties = kProperties;
  type.interfaces = {"user-creatable"};
  type.make = [](const Class& made, const Services&) -> std::unique_ptr<Object> {
    return std::make_unique<IoThread>(made);
  };
  classes.add(std::move(type));
}

IoThread::IoThread(const Class& type) : Object(type) { wanted_.pollMostNs = kUsualPollNs; }

IoThread::~IoThread() {
  if (!thread_.joinable()) return;
  loop_->stop();
  thread_.join();
}

Task<Result<void>> IoThread::complete() {
  RHEA_CO_TRY(loop_, Loop::create(name(), workers_));
  for (const auto which : kTunings) tuningOf(*loop_).*which = (wanted_.*which).load();
  Event started;
  thread_ = std::thread([this, &started] {
    constexpr std::size_t kLongest = 15;  // of a thread's name
    ::pthread_setname_np(::pthread_self(), name().substr(0, kLongest).c_str());
    threadId_ = ::gettid();
    started.set();
    loop_->run();
  });
  Result<void> waited = co_await started.wait();
  co_return waited;
}

Task<void> IoThread::retire() {
  loop_->stop();
  // The thread ends after its round; joining it there and then would hold up the main loop for as long.
  auto join = [this] { thread_.join(); };
  co_await offload(join);
}

Result<void> IoThread::set(std::atomic<std::int64_t> LoopTuning::*which, std::int64_t value, std::int64_t most) {
  if (value < 0 || value > most)
    return Error(fmt::format("{} is out of range", value)).expected(fmt::format("0 to {}", most));
  wanted_.*which = value;
  if (loop_ != nullptr) tuningOf(*loop_).*which = value;
  return success();
}

Result<void> IoThread::setPollMaxNs(std::int64_t nanoseconds) {
  return set(&LoopTuning::pollMostNs, nanoseconds, kMostPollNs);
}
Result<void> IoThread::setPollGrow(std::int64_t factor) { return set(&LoopTuning::pollGrow, factor, kMostFactor); }
Result<void> IoThread::setPollShrink(std::int64_t divisor) {
  return set(&LoopTuning::pollShrink, divisor, kMostFactor);
}
Result<void> IoThread::setAioMaxBatch(std::int64_t requests) {
  return set(&LoopTuning::maxBatch, requests, kMostBatch);
}

}  // namespace rhea::object
