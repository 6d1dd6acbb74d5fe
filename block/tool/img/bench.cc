// rhea-img bench: how fast requests of one kind are.
#include "block/core/bounce.h"
#include "block/tool/img/open.h"
#include "block/tool/img/verbs.h"

namespace rhea::block {

namespace {

struct Load {
  std::uint64_t count = 75000;
  std::uint64_t depth = 64;
  std::uint64_t size = 4096;
  std::uint64_t step = 4096;
  std::uint64_t offset = 0;
  std::uint64_t flushInterval = 0;
  bool writes = false;
  bool drain = true;  // a flush waits for what is in flight
};

// `depth` coroutines take one request after the other.
class Bench {
 public:
  Bench(Disk& disk, const Load& load, BounceBuffer& buffer) : disk_(disk), load_(load), buffer_(buffer) {}

  Task<Result<void>> run() {
    TaskGroup workers;
    for (std::uint64_t i = 0; i < std::min(load_.depth, load_.count); ++i) workers.spawn(work(i));
    co_await workers.join();
    co_return outcome_;
  }

 private:
  Task<void> work(std::uint64_t slot) {
    while (true) {
      while (flushing_) {
        [[maybe_unused]] const Result<void> waited = co_await flushed_.wait();
      }
      if (!outcome_.ok() || next_ == load_.count) co_return;
      const std::uint64_t number = next_++;
      if (load_.flushInterval != 0 && number != 0 && number % load_.flushInterval == 0) note(co_await flush());
      const Extent at = place(number);
      const IoVector data = buffer_.view(slot * load_.size, load_.size);
      if (load_.writes) {
        note(co_await disk_.write(at, data, WriteFlags(), Origin::kMonitor));
      } else {
        note(co_await disk_.read(at, data, Origin::kMonitor));
      }
      ++finished_;
      progress_.set();
    }
  }

  // With drain: nothing new starts, and everything before has ended; the caller's own request has not started.
  Task<Result<void>> flush() {
    flushing_ = load_.drain;
    flushed_.reset();
    while (load_.drain && finished_ + 1 < next_) {
      progress_.reset();
      [[maybe_unused]] const Result<void> waited = co_await progress_.wait();
    }
    Result<void> outcome = co_await disk_.flush(Origin::kMonitor);
    flushing_ = false;
    flushed_.set();
    co_return outcome;
  }

  void note(Result<void> outcome) {
    if (outcome_.ok() && !outcome.ok()) outcome_ = std::move(outcome);
  }

  // Steps through the disk, from its begin again at the end.
  Extent place(std::uint64_t number) const {
    const std::uint64_t room = disk_.length() - load_.size + 1;
    return {(load_.offset + number * load_.step) % room, load_.size};
  }

  Disk& disk_;
  Load load_;
  BounceBuffer& buffer_;
  std::uint64_t next_ = 0;
  std::uint64_t finished_ = 0;
  bool flushing_ = false;  // nothing may start
  Event flushed_;
  Event progress_;  // a request ended
  Result<void> outcome_;
};

Result<Load> readLoad(const ImgCall& call) {
  Load load;
  RHEA_TRY(const auto count, call.number("count", 1, INT32_MAX));
  RHEA_TRY(const auto depth, call.number("depth", 1, 65536));
  RHEA_TRY(const auto size, call.number("buffer-size", 1, INT32_MAX));
  RHEA_TRY(const auto step, call.number("step-size", 0, INT32_MAX));
  RHEA_TRY(const auto offset, call.number("offset", 0, INT64_MAX));
  RHEA_TRY(const auto interval, call.number("flush-interval", 0, INT32_MAX));
  load.count = count.value_or(load.count);
  load.depth = depth.value_or(load.depth);
  load.size = size.value_or(load.size);
  load.step = step.value_or(0) != 0 ? *step : load.size;
  load.offset = offset.value_or(0);
  load.flushInterval = interval.value_or(0);
  load.writes = call.has("write");
  load.drain = !call.has("no-drain");
  if (load.flushInterval != 0 && !load.writes) {
    return Error("bench: --flush-interval is for writes").hint("-w writes");
  }
  if (load.flushInterval != 0 && load.flushInterval < load.depth) {
    return Error(fmt::format("bench: a flush every {} requests with {} in flight", load.flushInterval, load.depth))
        .expected("an interval not below the depth");
  }
  if (load.size * load.depth > (std::uint64_t{4} << 30)) {
    return Error("bench: depth and size of the buffers are too large together").expected("4 GiB at most");
  }
  return load;
}

}  // namespace

Task<Result<int>> imgBench(ImgSession& session, ImgCall call) {
  RHEA_CO_TRY(const Load load, readLoad(call));
  RHEA_CO_TRY(const std::optional<std::uint64_t> pattern, call.number("pattern", 0, 255));
  OpenWish wish;
  wish.writable = load.writes;
  wish.forceShare = call.has("force-share");
  RHEA_CO_TRY(wish.cache, cacheOption(call, "cache", "writeback"));
  const std::string aio = call.valueOr("aio", call.has("native") ? "native" : "io_uring");
  if (aio != "threads" && aio != "native" && aio != "io_uring") {
    co_return Error(fmt::format("bench: --aio={} is not known", aio)).candidates({"io_uring", "threads", "native"});
  }
  wish.aio = aio;
  RHEA_CO_TRY(const OpenedImage image, co_await openImage(session, imageNameOf(call, 0), wish));
  if (image.length() < load.size) {
    co_return Error(fmt::format("bench: '{}' has {} bytes, a request {}", call.words[0], image.length(), load.size));
  }
  BounceBuffer buffer(load.size * load.depth, 4096);
  if (!buffer.ok()) co_return Error::fromErrno(ENOMEM);
  buffer.view(0, load.size * load.depth).fill(static_cast<std::byte>(pattern.value_or(0)));
  const bool quiet = call.has("quiet");
  if (!quiet) {
    session.print("Sending {} {} requests, {} bytes each, {} in parallel (starting at offset {}, step size {})\n",
                  load.count, load.writes ? "write" : "read", load.size, load.depth, load.offset, load.step);
    if (load.flushInterval != 0) {
      session.print("Sending flush every {}{} requests\n", load.drain ? "" : "ongoing ", load.flushInterval);
    }
  }
  ImgSession::flush();
  Bench bench(image.disk(), load, buffer);
  const TimePoint begin = Clock::now();
  RHEA_CO_CHECK(co_await bench.run());
  const std::chrono::duration<double> took = Clock::now() - begin;
  if (!quiet) session.print("Run completed in {:.3f} seconds.\n", took.count());
  RHEA_CO_CHECK(co_await closeImage(session, image));
  co_return 0;
}

}  // namespace rhea::block
