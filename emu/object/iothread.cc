#include "emu/object/iothread.h"

#include <pthread.h>
#include <unistd.h>

namespace rhea::object {

namespace {

const Property kProperties[] = {
    property<&IoThread::pollMaxNs, &IoThread::setPollMaxNs>(
        "poll-max-ns", Settable::kAnyTime, "0", "longest time to poll before sleeping, in nanoseconds; 0: never"),
    property<&IoThread::pollGrow, &IoThread::setPollGrow>(
        "poll-grow", Settable::kAnyTime, "0", "factor by which the polling time grows; 0: the program chooses"),
    property<&IoThread::pollShrink, &IoThread::setPollShrink>(
        "poll-shrink", Settable::kAnyTime, "0", "divisor by which the polling time shrinks; 0: the program chooses"),
    property<&IoThread::aioMaxBatch, &IoThread::setAioMaxBatch>(
        "aio-max-batch", Settable::kAnyTime, "0", "most requests handed to the kernel at once; 0: the engine chooses"),
    property<&IoThread::threadId>("thread-id", "the kernel's number for the thread"),
};

// A setting that this program's loops do not have yet: its neutral value is accepted, anything else refused by name
// rather than ignored.
Result<void> neutralOnly(std::int64_t value, std::string_view why) {
  if (value == 0) return success();
  return Error(fmt::format("{} cannot be had: {}", value, why)).expected("0");
}

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

IoThread::~IoThread() {
  if (!thread_.joinable()) return;
  loop_->stop();
  thread_.join();
}

Task<Result<void>> IoThread::complete() {
  RHEA_CO_TRY(loop_, Loop::create(name(), workers_));
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

Result<void> IoThread::setPollMaxNs(std::int64_t nanoseconds) {
  return neutralOnly(nanoseconds, "I/O threads sleep at once when there is nothing to do");
}
Result<void> IoThread::setPollGrow(std::int64_t factor) { return neutralOnly(factor, "I/O threads do not poll"); }
Result<void> IoThread::setPollShrink(std::int64_t divisor) { return neutralOnly(divisor, "I/O threads do not poll"); }
Result<void> IoThread::setAioMaxBatch(std::int64_t requests) {
  return neutralOnly(requests, "a thread hands over all requests of a round at once");
}

}  // namespace rhea::object
