#include "block/driver/sheepdog/snapshots.h"

#include <cerrno>
#include <charconv>

#include "emu/base/bytes.h"

namespace rhea::block::sheepdog {

namespace {

std::uint32_t codeOf(Code code) { return static_cast<std::uint32_t>(code); }

SnapshotInfo infoOf(const Inode& inode) {
  SnapshotInfo info;
  info.id = std::to_string(inode.snapId);
  info.name = inode.tag;
  info.vmStateBytes = inode.vmStateSize;
  info.diskBytes = inode.size;
  info.dateSeconds = static_cast<std::int64_t>(inode.snapTime >> 32U);
  info.dateNanoseconds = static_cast<std::uint32_t>(inode.snapTime);
  info.vmClock = inode.vmClock;
  return info;
}

// Reads the heads of the numbers in use that lie where `name` was put; or all, where they lie elsewhere.
class FamilySearch {
 public:
  FamilySearch(Desk desk, std::vector<std::byte> bitmap, std::string name)
      : desk_(desk), bitmap_(std::move(bitmap)), name_(std::move(name)) {}

  Task<Result<void>> run(std::uint32_t known) {
    std::uint32_t at = hashOfName(name_);
    bool met = known == 0;
    while (isUsed(at)) {
      met = met || at == known;
      RHEA_CO_CHECK(co_await look(at));
      at = at == kMostVdi ? 1 : at + 1;
      if (at == hashOfName(name_)) break;
    }
    if (met) co_return success();
    // A cluster that gives numbers out again has them anywhere.
    found_.clear();
    for (std::uint32_t i = 1; i <= kMostVdi; ++i) {
      if (isUsed(i)) RHEA_CO_CHECK(co_await look(i));
    }
    co_return success();
  }
  std::vector<Inode> take() { return std::move(found_); }

 private:
  bool isUsed(std::uint32_t vdi) const {
    return (std::to_integer<unsigned>(bitmap_[vdi >> 3U]) >> (vdi & 7U) & 1U) != 0;
  }
  Task<Result<void>> look(std::uint32_t vdi) {
    const ObjectRange head(inodeObject(vdi), 0, kInodeHeadBytes);
    Result<std::vector<std::byte>> bytes = co_await desk_.readObject(head, kFlagDirect);
    // One that is being deleted may be gone.
    if (!bytes.ok() && bytes.error().code() == EIO) co_return success();
    if (!bytes.ok()) co_return bytes.takeError();
    Inode inode = Inode::identify(*bytes);
    inode.vdi = vdi;
    if (inode.name == name_ && inode.isSnapshot()) found_.push_back(std::move(inode));
    co_return success();
  }
  Desk desk_;
  std::vector<std::byte> bitmap_;
  std::string name_;
  std::vector<Inode> found_;
};

}  // namespace

Task<Result<std::vector<Inode>>> listSnapshots(Link& link, std::string name, std::uint32_t known) {
  Desk desk(link);
  RHEA_CO_TRY(std::vector<std::byte> bitmap, co_await desk.readVdis());
  FamilySearch search(desk, std::move(bitmap), std::move(name));
  RHEA_CO_CHECK(co_await search.run(known));
  std::vector<Inode> found = search.take();
  std::sort(found.begin(), found.end(), [](const Inode& a, const Inode& b) { return a.snapId < b.snapId; });
  co_return found;
}

Task<Result<MadeVdi>> makeVdi(Link& link, NewVdi what) {
  Desk desk(link);
  std::vector<std::byte> payload = namePayload(what.name);
  const Request request = vdiRequest(Op::kNewVdi, what.wish, payload.size());
  const IoVector view{std::span<std::byte>(payload)};
  const VdiName name(what.name);
  while (true) {
    RHEA_CO_TRY(const std::optional<Reply> reply, co_await desk.askOnce(request, view));
    if (reply && reply->result == 0) co_return MadeVdi{reply->vdi(), reply->shift()};
    if (reply && reactionTo(reply->result) == Reaction::kFail) co_return desk.refused(*reply, "making it", name);
    // Nobody knows whether it was made: the name tells.
    RHEA_CO_TRY(const Reply found, co_await desk.find(name));
    if (found.result == 0 && found.vdi() != what.before) co_return MadeVdi{found.vdi(), found.shift()};
    if (found.result != 0 && found.result != codeOf(Code::kNoVdi)) co_return desk.refused(found, "making it", name);
  }
}

Result<void> Snapshots::checkWriting() const {
  if (volume_.isForWriting()) return success();
  return Error::fromErrno(EROFS, fmt::format("{}: it is open for reading only", volume_.where()));
}

Task<Result<std::vector<SnapshotInfo>>> Snapshots::list() {
  RHEA_CO_TRY(const std::vector<Inode> found,
              co_await listSnapshots(volume_.link(), volume_.settings().vdi, volume_.vdi()));
  std::vector<SnapshotInfo> infos;
  for (const Inode& inode : found) infos.push_back(infoOf(inode));
  co_return infos;
}

Task<Result<Snapshots::Located>> Snapshots::locate(std::string which) {
  Desk desk(volume_.link());
  const std::string& vdi = volume_.settings().vdi;
  std::vector<VdiName> names;
  std::uint32_t number = 0;
  const auto [end, error] = std::from_chars(which.data(), which.data() + which.size(), number);
  if (error == std::errc() && end == which.data() + which.size() && number != 0) names.emplace_back(vdi, number);
  if (!which.empty() && which.size() < kNameBytes) names.emplace_back(vdi, 0, which);
  for (const VdiName& name : names) {
    RHEA_CO_TRY(const Reply reply, co_await desk.find(name));
    if (reply.result == codeOf(Code::kNoTag) || reply.result == codeOf(Code::kNoVdi)) continue;
    if (reply.result != 0) co_return desk.refused(reply, "looking for it", name);
    Located located;
    located.name = name;
    RHEA_CO_TRY(located.inode, co_await desk.readInode(reply.vdi(), kFlagDirect));
    if (located.inode.isSnapshot()) co_return located;
  }
  RHEA_CO_TRY(const std::vector<SnapshotInfo> all, co_await list());
  std::vector<std::string> known;
  for (const SnapshotInfo& each : all) known.push_back(each.name.empty() ? each.id : each.name);
  Error missing = Error::fromErrno(ENOENT, fmt::format("{}: it has no snapshot '{}'", volume_.where(), which));
  co_return std::move(missing).candidates(std::move(known));
}

Task<Result<void>> Snapshots::create(SnapshotInfo info) {
  RHEA_CO_CHECK(checkWriting());
  if (info.name.empty() || info.name.size() >= kNameBytes) {
    co_return Error(fmt::format("'{}' cannot be a snapshot's name", info.name)).expected("1 to 255 bytes");
  }
  Link& link = volume_.link();
  Desk desk(link);
  const VdiName wanted(volume_.settings().vdi, 0, info.name);
  RHEA_CO_TRY(const Reply taken, co_await desk.find(wanted));
  if (taken.result == 0) {
    co_return Error::fromErrno(EEXIST, fmt::format("{}: it has a snapshot '{}' already", volume_.where(), info.name));
  }
  RHEA_CO_CHECK(co_await volume_.flush(FlushTo::kStable));
  const std::uint32_t before = volume_.vdi();
  const Inode& inode = volume_.inode();
  std::vector<std::byte> tag = namePayload(info.name);
  RHEA_CO_CHECK(co_await desk.writeStable(inodeObject(before), kTagOffset, tag));
  std::vector<std::byte> fields(24);
  storeLittle<std::uint64_t>(fields.data(), info.vmClock);
  storeLittle<std::uint64_t>(&fields[8], inode.size);
  storeLittle<std::uint64_t>(&fields[16], info.vmStateBytes);
  RHEA_CO_CHECK(co_await desk.writeStable(inodeObject(before), kClockOffset, std::move(fields)));
  NewVdi what;
  what.name = volume_.settings().vdi;
  what.before = before;
  what.wish.size = inode.size;
  what.wish.base = before;
  what.wish.kept = inode.kept;
  what.wish.shift = inode.shift;
  what.wish.snapId = 1;
  Result<MadeVdi> made = co_await makeVdi(link, what);
  if (!made.ok()) {
    std::vector<std::byte> none(kNameBytes);
    (void)co_await desk.writeStable(inodeObject(before), kTagOffset, std::move(none));
    co_return made.takeError();
  }
  stateChunks_.clear();
  if (volume_.vdi() == made->vdi) co_return success();  // a new connection found out first
  co_return co_await volume_.moveTo(made->vdi, Volume::Memory::kForget, Desk::Use::kNormal);
}

// The disk begins anew as a child of the snapshot, in one step of the cluster's; what it was is a snapshot without a
// name from then on, and is deleted. In the other order a crash would leave no disk at all.
Task<Result<void>> Snapshots::revert(std::string which) {
  RHEA_CO_CHECK(checkWriting());
  RHEA_CO_TRY(const Located to, co_await locate(std::move(which)));
  const Inode left = volume_.inode();
  NewVdi what;
  what.name = volume_.settings().vdi;
  what.before = volume_.vdi();
  what.wish.size = to.inode.size;
  what.wish.base = to.inode.vdi;
  what.wish.kept = to.inode.kept;
  what.wish.shift = to.inode.shift;
  what.wish.snapId = 1;
  RHEA_CO_TRY(const MadeVdi made, co_await makeVdi(volume_.link(), what));
  RHEA_CO_CHECK(co_await volume_.moveTo(made.vdi, Volume::Memory::kForget, Desk::Use::kNormal));
  stateChunks_.clear();
  stateOf_ = to.inode.vdi;
  // What cannot be deleted stays in the list of snapshots.
  Desk desk(volume_.link());
  const VdiName abandoned(what.name, left.snapId);
  (void)co_await desk.remove(abandoned, Desk::Heirs::kNone);
  co_return success();
}

Task<Result<void>> Snapshots::remove(std::string which) {
  RHEA_CO_CHECK(checkWriting());
  RHEA_CO_TRY(const Located found, co_await locate(std::move(which)));
  Desk desk(volume_.link());
  co_return co_await desk.remove(found.name, Desk::Heirs::kPossible);
}

Task<Result<void>> Snapshots::readState(Extent at, IoVector to) {
  const std::uint32_t vdi = stateOf_ != 0 ? stateOf_ : volume_.vdi();
  const std::uint64_t size = volume_.objectSize();
  Desk desk(volume_.link());
  for (std::uint64_t done = 0; done < at.length;) {
    const std::uint64_t offset = at.offset + done;
    const std::uint64_t part = std::min(at.length - done, size - offset % size);
    const ObjectRange range(vmStateObject(vdi, static_cast<std::uint32_t>(offset / size)),
                            static_cast<std::uint32_t>(offset % size), static_cast<std::uint32_t>(part));
    const Request request = readRequest(range, volume_.cacheFlag(), volume_.inode().kept);
    RHEA_CO_TRY(const Reply reply, co_await desk.ask(request, IoVector(), to.slice(done, part)));
    if (reply.result != 0) co_return Error::fromErrno(errnoOf(reply.result));
    done += part;
  }
  co_return success();
}

Task<Result<void>> Snapshots::writeState(Extent at, IoVector from) {
  RHEA_CO_CHECK(checkWriting());
  const std::uint64_t size = volume_.objectSize();
  if (at.end() > std::uint64_t{kIndexSlots} * size) co_return Error::fromErrno(EFBIG);
  Desk desk(volume_.link());
  for (std::uint64_t done = 0; done < at.length;) {
    const std::uint64_t offset = at.offset + done;
    const std::uint64_t part = std::min(at.length - done, size - offset % size);
    const auto chunk = static_cast<std::uint32_t>(offset / size);
    const ObjectRange range(vmStateObject(volume_.vdi(), chunk), static_cast<std::uint32_t>(offset % size),
                            static_cast<std::uint32_t>(part));
    // These objects are in no index and never in a cache: making one again replaces what an earlier try left.
    const bool isNew = stateChunks_.insert(chunk).second;
    const Request request = isNew ? createRequest(range, 0, volume_.cacheFlag(), volume_.inode().kept)
                                  : writeRequest(range, volume_.cacheFlag(), volume_.inode().kept);
    RHEA_CO_TRY(const Reply reply, co_await desk.ask(request, from.slice(done, part), IoVector()));
    if (reply.result != 0) co_return Error::fromErrno(errnoOf(reply.result));
    done += part;
  }
  co_return success();
}

}  // namespace rhea::block::sheepdog
