#include "block/driver/blkdebug/blkdebug.h"

#include <cerrno>

namespace rhea::block {

struct BlkdebugDriver::Held {
  std::string tag;
  DebugEvent event = DebugEvent::kNone;
  Extent at;
  Event go;
};

// Rules are exchanged whole, so that a reopen can be taken back.
class BlkdebugDriver::Prepared final : public PreparedReopen {
 public:
  Prepared(BlkdebugDriver& driver, BlkdebugOptions options)
      : driver_(driver),
        align_(options.align),
        maxTransfer_(options.maxTransfer),
        rules_(std::make_shared<DebugRules>(std::move(options.faults), std::move(options.states), Clock::now())) {}

  void commit() override {
    exchange();
    driver_.letGo(nullptr);
  }
  void revert() override { exchange(); }
  Task<void> settle() override { co_return; }

 private:
  void exchange() {
    const std::lock_guard lock(driver_.guard_);
    std::swap(driver_.align_, align_);
    std::swap(driver_.maxTransfer_, maxTransfer_);
    std::swap(driver_.rules_, rules_);
  }

  BlkdebugDriver& driver_;
  std::uint64_t align_;
  std::uint64_t maxTransfer_;
  std::shared_ptr<DebugRules> rules_;
};

BlkdebugDriver::BlkdebugDriver(Child& image, BlkdebugOptions options)
    : image_(image),
      align_(options.align),
      maxTransfer_(options.maxTransfer),
      rules_(std::make_shared<DebugRules>(std::move(options.faults), std::move(options.states), Clock::now())) {}

Limits BlkdebugDriver::limits() const {
  Limits limits;
  const std::lock_guard lock(guard_);
  if (align_ != 0) limits.requestAlignment = static_cast<std::uint32_t>(align_);
  limits.maxTransfer = maxTransfer_;
  return limits;
}

Task<Result<bool>> BlkdebugDriver::pass(DebugEvent event, DebugKind kind, Extent at) {
  Verdict verdict;
  CancelToken delaysEnd;
  {
    const std::lock_guard lock(guard_);
    verdict = rules_->pass(event, kind, at, Clock::now());
    delaysEnd = delays_.token();
  }
  if (verdict.delay.count() > 0) static_cast<void>(co_await Loop::current()->sleep(verdict.delay, delaysEnd));
  if (!verdict.hold.empty()) co_await hold(verdict.hold, event, at);
  if (verdict.error == 0) co_return verdict.lie;
  // As from real storage, an error comes from the loop; "immediately" is for those who look into what happens else.
  if (!verdict.immediately) static_cast<void>(co_await Loop::current()->sleep(Duration::zero()));
  co_return Error::fromErrno(verdict.error);
}

Task<void> BlkdebugDriver::hold(std::string tag, DebugEvent event, Extent at) {
  const auto held = std::make_shared<Held>();
  held->tag = std::move(tag);
  held->event = event;
  held->at = at;
  {
    const std::lock_guard lock(guard_);
    held_.push_back(held);
  }
  static_cast<void>(co_await held->go.wait());
}

void BlkdebugDriver::letGo(const std::string* tag) {
  std::vector<std::shared_ptr<Held>> free;
  CancelSource ended;
  {
    const std::lock_guard lock(guard_);
    for (const auto& held : held_) {
      if (tag == nullptr || held->tag == *tag) free.push_back(held);
    }
    std::erase_if(held_, [tag](const auto& held) { return tag == nullptr || held->tag == *tag; });
    if (tag == nullptr) std::swap(delays_, ended);
  }
  for (const auto& held : free) held->go.set();
  if (tag == nullptr) ended.cancel(Error("the rules changed"));
}

Task<Result<void>> BlkdebugDriver::read(Extent at, IoVector to) {
  RHEA_CO_CHECK(co_await pass(DebugEvent::kNone, DebugKind::kRead, at));
  RHEA_CO_CHECK(co_await pass(DebugEvent::kReadAio, DebugKind::kRead, at));
  co_return co_await image_.read(at, to);
}

Task<Result<void>> BlkdebugDriver::write(Extent at, IoVector from, WriteFlags how) {
  RHEA_CO_CHECK(co_await pass(DebugEvent::kNone, DebugKind::kWrite, at));
  RHEA_CO_CHECK(co_await pass(DebugEvent::kWriteAio, DebugKind::kWrite, at));
  RHEA_CO_TRY(const bool lies, co_await pass(DebugEvent::kPwritev, DebugKind::kWrite, at));
  if (lies) how = how.without(WriteFlags::stable());
  RHEA_CO_CHECK(co_await image_.write(at, from, how));
  RHEA_CO_CHECK(co_await pass(DebugEvent::kPwritevDone, DebugKind::kWrite, at));
  co_return success();
}

Task<Result<void>> BlkdebugDriver::flush(FlushTo to) {
  // A flush to the host asks for no stable storage, and so does not pass the rules of kind "flush".
  const DebugKind kind = DebugKind::kFlush;
  if (to == FlushTo::kStable) RHEA_CO_CHECK(co_await pass(DebugEvent::kNone, kind, Extent()));
  RHEA_CO_CHECK(co_await pass(DebugEvent::kFlushToOs, kind, Extent()));
  if (to == FlushTo::kStable) {
    RHEA_CO_TRY(const bool lies, co_await pass(DebugEvent::kFlushToDisk, kind, Extent()));
    if (lies) to = FlushTo::kHost;
  }
  co_return co_await image_.flush(to);
}

Task<void> BlkdebugDriver::close() {
  letGo(nullptr);
  co_return;
}

Task<Result<void>> BlkdebugDriver::discard(Extent at, WriteFlags how) {
  RHEA_CO_CHECK(co_await pass(DebugEvent::kNone, DebugKind::kDiscard, at));
  co_return co_await image_.discard(at, how);
}

Task<Result<void>> BlkdebugDriver::writeZeroes(Extent at, WriteFlags how) {
  RHEA_CO_CHECK(co_await pass(DebugEvent::kNone, DebugKind::kWriteZeroes, at));
  RHEA_CO_TRY(const bool lies, co_await pass(DebugEvent::kPwritevZero, DebugKind::kWriteZeroes, at));
  if (lies) how = how.without(WriteFlags::stable());
  RHEA_CO_CHECK(co_await image_.writeZeroes(at, how));
  RHEA_CO_CHECK(co_await pass(DebugEvent::kPwritevDone, DebugKind::kWriteZeroes, at));
  co_return success();
}

Task<Result<BlockStatus>> BlkdebugDriver::status(Extent at, bool precise) {
  RHEA_CO_CHECK(co_await pass(DebugEvent::kNone, DebugKind::kBlockStatus, at));
  auto status = co_await image_.status(at, precise);
  if (!status.ok()) co_return status;
  status->in = &image_;
  status->offset = at.offset;
  co_return status;
}

Task<Result<void>> BlkdebugDriver::resize(std::uint64_t length, Preallocation preallocation) {
  return image_.resize(length, preallocation);
}

Task<Result<std::unique_ptr<PreparedReopen>>> BlkdebugDriver::prepareReopen(ReopenRequest request) {
  if (!request.options) {
    // The switches are the child's business; the rules stay as they are, with their counts.
    co_return std::make_unique<UnchangedReopen>();
  }
  RHEA_CO_TRY(BlkdebugOptions options, blkdebugOptions(*request.options));
  co_return std::make_unique<Prepared>(*this, std::move(options));
}

Result<void> BlkdebugDriver::breakAt(const std::string& point, const std::string& tag) {
  const auto event = debugEventOf(point);
  if (!event) {
    return Error(fmt::format("there is no point '{}' in blkdebug", point))
        .candidates({kDebugEvents.begin(), kDebugEvents.end()});
  }
  const std::lock_guard lock(guard_);
  rules_->addBreak(*event, tag);
  return success();
}

Result<void> BlkdebugDriver::resume(const std::string& tag) {
  bool known = false;
  std::vector<std::string> tags;
  {
    const std::lock_guard lock(guard_);
    for (const auto& held : held_) {
      known = known || held->tag == tag;
      tags.push_back(held->tag);
    }
    known = rules_->removeHolds(tag) || known;
  }
  if (!known) return Error(fmt::format("nothing is held under the tag '{}'", tag)).candidates(std::move(tags));
  letGo(&tag);
  return success();
}

std::vector<DebugPoints::Suspended> BlkdebugDriver::suspended() const {
  std::vector<Suspended> found;
  const std::lock_guard lock(guard_);
  for (const auto& held : held_) {
    found.push_back({held->tag, std::string(kDebugEvents[static_cast<std::size_t>(held->event)]), held->at});
  }
  return found;
}

}  // namespace rhea::block
