// The check of a disk. An index cannot contradict itself; but an object that it names can be missing, a slot can name
// no VDI, and a client that died between an object and its slot leaves an object that no slot names.
//
// Those are looked for where they can be told for sure: among the objects of the disk's own number, which nobody else
// can use while the disk can be written, and among the parts of a machine's state beyond what the inode says of it.
#include "block/driver/sheepdog/sheepdog.h"

namespace rhea::block {

using sheepdog::Desk;
using sheepdog::Inode;
using sheepdog::Reply;
using sheepdog::Request;
using sheepdog::Volume;

namespace {

constexpr std::uint32_t kProbe = 512;
constexpr std::size_t kMostFindings = 1000;
constexpr unsigned kSideBySide = 32;

class Inspection {
 public:
  Inspection(Volume& volume, CheckWish wish, Progress& progress, CancelToken cancel)
      : volume_(volume), wish_(wish), progress_(progress), cancel_(std::move(cancel)) {}

  Task<Result<CheckReport>> run() {
    report_.totalClusters = objects_;
    if (!volume_.inode().hyper) {
      TaskGroup group;
      for (unsigned i = 0; i < kSideBySide; ++i) group.spawn(work());
      co_await group.join();
    }
    if (!failure_) {
      const Result<void> looked = co_await lookAtState();
      if (!looked.ok()) failure_ = looked.error();
    }
    progress_.set(objects_, objects_);
    if (failure_) co_return *std::move(failure_);
    co_return std::move(report_);
  }

 private:
  Task<void> work() {
    while (!failure_ && next_ < objects_) {
      const auto index = static_cast<std::uint32_t>(next_++);
      progress_.set(index, objects_);
      Result<void> looked = cancel_.check();
      if (looked.ok()) looked = co_await look(index);
      if (!looked.ok()) failure_ = looked.takeError();
    }
  }

  Task<Result<void>> look(std::uint32_t index) {
    const std::uint32_t owner = volume_.index().at(index);
    if (owner > sheepdog::kMostVdi) {
      ++report_.corruptions;
      note(fmt::format("object {} is said to belong to VDI {:x}, numbers have 24 bits", index, owner));
      co_return success();
    }
    if (owner != 0) {
      ++report_.allocatedClusters;
      const std::uint64_t oid = sheepdog::dataObject(owner, index);
      RHEA_CO_TRY(const Reply reply, co_await probe(oid));
      if (reply.result != 0 && volume_.index().at(index) == owner) {
        ++report_.corruptions;
        note(fmt::format("object {} ({:016x}) cannot be read: {}", index, oid, sheepdog::codeName(reply.result)));
      }
    }
    if (owner != volume_.vdi() && !volume_.inode().isSnapshot()) co_return co_await lookForLeak(index);
    co_return success();
  }

  Task<Result<void>> lookForLeak(std::uint32_t index) {
    RHEA_CO_TRY(const bool leaked, co_await volume_.isLeaked(index));
    if (!leaked) co_return success();
    const std::uint64_t oid = sheepdog::dataObject(volume_.vdi(), index);
    const bool hole = volume_.index().at(index) == 0;
    if (wish_.repairLeaks && hole) {
      RHEA_CO_CHECK(co_await volume_.reclaim(index));
      ++report_.leaksFixed;
      note(fmt::format("object {} ({:016x}) was in no index, and is deleted", index, oid));
      co_return success();
    }
    ++report_.leaks;
    const std::string_view end = hole ? "" : "; the next write to that part of the disk replaces it";
    note(fmt::format("object {} ({:016x}) is in no index{}", index, oid, end));
    co_return success();
  }

  Task<Result<void>> lookAtState() {
    const Inode& inode = volume_.inode();
    for (std::uint64_t i = (inode.vmStateSize + inode.objectSize() - 1) >> inode.shift; i < sheepdog::kIndexSlots;
         ++i) {
      RHEA_CO_CHECK(cancel_.check());
      const std::uint64_t oid = sheepdog::vmStateObject(volume_.vdi(), static_cast<std::uint32_t>(i));
      RHEA_CO_TRY(Reply reply, co_await probe(oid));
      if (reply.result != 0) break;
      if (wish_.repairLeaks) {
        Desk desk(volume_.link());
        const Request removal = sheepdog::objectRequest(sheepdog::Op::kRemove, oid, 0);
        RHEA_CO_TRY(reply, co_await desk.ask(removal, IoVector(), IoVector()));
        if (reply.result != 0) co_return desk.refused(reply, "deleting a leaked object", volume_.name());
      }
      ++(wish_.repairLeaks ? report_.leaksFixed : report_.leaks);
      note(fmt::format("object {:016x} is of a machine's state that no snapshot has{}", oid,
                       wish_.repairLeaks ? ", and is deleted" : ""));
    }
    co_return success();
  }

  // Past an object cache, which would take the whole object in.
  Task<Result<Reply>> probe(std::uint64_t oid) {
    const sheepdog::ObjectRange range(oid, 0, kProbe);
    const Request request = sheepdog::readRequest(range, sheepdog::kFlagDirect, volume_.inode().kept);
    std::array<std::byte, kProbe> room;
    Desk desk(volume_.link());
    const IoVector view{std::span<std::byte>(room)};
    co_return co_await desk.ask(request, IoVector(), view);
  }

  void note(std::string finding) {
    if (report_.findings.size() < kMostFindings) report_.findings.push_back(std::move(finding));
  }

  Volume& volume_;
  const CheckWish wish_;
  Progress& progress_;
  const CancelToken cancel_;
  const std::uint64_t objects_ = volume_.inode().objects();
  std::uint64_t next_ = 0;
  CheckReport report_;
  std::optional<Error> failure_;
};

}  // namespace

Task<Result<CheckReport>> SheepdogDriver::check(CheckWish wish, Progress& progress, CancelToken cancel) {
  Inspection inspection(*volume_, wish, progress, std::move(cancel));
  co_return co_await inspection.run();
}

}  // namespace rhea::block
