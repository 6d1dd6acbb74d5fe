#include "block/driver/null/null.h"

#include <cerrno>

#include "emu/io/loop.h"
#include "qapi/types-block-options.h"

namespace rhea::block {

namespace {

// Resumes the coroutine from the loop's mailbox: one turn later.
class NextTurn : Loop::Mail {
 public:
  bool await_ready() const noexcept { return false; }
  void await_suspend(std::coroutine_handle<> waiter) {
    waiter_ = waiter;
    run = [](Loop::Mail* mail) { static_cast<NextTurn*>(mail)->waiter_.resume(); };
    Loop::current()->post(static_cast<Loop::Mail&>(*this));
  }
  void await_resume() const noexcept {}

 private:
  std::coroutine_handle<> waiter_;
};

}  // namespace

NullDriver::NullDriver(NullOptions options, bool later, bool readOnly)
    : options_(options), later_(later), readOnly_(readOnly), length_(options.size) {}

Task<Result<void>> NullDriver::pass() {
  if (options_.latency.count() > 0) {
    co_return co_await Loop::current()->sleep(std::chrono::duration_cast<Duration>(options_.latency));
  }
  if (later_) co_await NextTurn();
  co_return success();
}

Task<Result<void>> NullDriver::read(Extent, IoVector to) {
  RHEA_CO_CHECK(co_await pass());
  if (options_.readZeroes) to.fill(std::byte{0});
  co_return success();
}

Task<Result<void>> NullDriver::write(Extent, IoVector, WriteFlags) {
  if (readOnly_) return refused();
  return pass();
}

Task<Result<void>> NullDriver::refused() { co_return Error::fromErrno(EROFS); }
Task<Result<void>> NullDriver::flush(FlushTo) { return pass(); }
Task<void> NullDriver::close() { co_return; }
Task<Result<void>> NullDriver::discard(Extent, WriteFlags) { return readOnly_ ? refused() : pass(); }
Task<Result<void>> NullDriver::writeZeroes(Extent, WriteFlags) { return readOnly_ ? refused() : pass(); }

Task<Result<BlockStatus>> NullDriver::status(Extent at, bool) {
  BlockStatus status(at.length);
  status.data = false;
  status.zero = options_.readZeroes;
  status.endOfFile = at.end() >= length();
  co_return status;
}

Task<Result<void>> NullDriver::resize(std::uint64_t length, Preallocation) {
  length_ = length;
  co_return success();
}

std::string NullDriver::fileName() const { return later_ ? "null-aio://" : "null-co://"; }

Task<Result<ImageInfo>> NullDriver::imageInfo() {
  ImageInfo info;
  info.virtualSize = length();
  info.actualSize = 0;
  co_return info;
}

Task<Result<StorageFacts>> NullDriver::storageFacts() {
  StorageFacts facts;
  facts.stableWrites = true;
  facts.note = "stores nothing: there is nothing that could be lost, and nothing that was kept";
  co_return facts;
}

namespace {

template <bool kLater>
Task<Result<std::unique_ptr<Driver>>> openNull(OpenContext context, DriverOptions options, Children) {
  const auto& given = options.as<qapi::BlockdevOptionsNull>();
  NullOptions own;
  if (given.size) own.size = *given.size;
  if (given.latencyNs) own.latency = std::chrono::nanoseconds(*given.latencyNs);
  if (given.readZeroes) own.readZeroes = *given.readZeroes;
  if (own.size > Extent::kMost) {
    co_return Error(fmt::format("a disk of {} bytes is too large", own.size)).where("size").expected("less than 2^63");
  }
  if (own.latency.count() < 0) {
    co_return Error("the latency is too long").where("latency-ns").expected("less than 2^63 nanoseconds");
  }
  co_return std::make_unique<NullDriver>(own, kLater, context.flags.readOnly);
}

std::string_view changed(const DriverOptions& now, const DriverOptions& asked) {
  const auto& a = now.as<qapi::BlockdevOptionsNull>();
  const auto& b = asked.as<qapi::BlockdevOptionsNull>();
  if (a.size != b.size) return "size";
  if (a.latencyNs != b.latencyNs) return "latency-ns";
  return a.readZeroes != b.readZeroes ? "read-zeroes" : "";
}

template <bool kLater>
DriverInfo describe() {
  DriverInfo info;
  info.name = kLater ? "null-aio" : "null-co";
  info.kind = DriverKind::kProtocol;
  info.threads = DriverThreads::kAny;
  info.open = openNull<kLater>;
  info.changedOption = changed;
  return info;
}

}  // namespace

const DriverInfo& nullCoDriver() {
  static const DriverInfo kInfo = describe<false>();
  return kInfo;
}

const DriverInfo& nullAioDriver() {
  static const DriverInfo kInfo = describe<true>();
  return kInfo;
}

}  // namespace rhea::block
