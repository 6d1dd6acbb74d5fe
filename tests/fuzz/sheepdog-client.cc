// The whole Sheepdog client in use against a gateway that answers as the input says: results that nobody knows, replies
// cut off, too long, to nobody, in any order, connections that end, inodes of any bytes. Nothing of it may crash or
// hang, and what was written and not refused is read again where the gateway did not lie about data.
//
// Input: a byte of settings, then rules of four bytes (operation, action, argument, which), then bytes for payloads.
#include "block/driver/sheepdog/snapshots.h"
#include "emu/io/offload.h"
#include "tests/lib/sheepdog-double.h"
#include "tests/support/run-task.h"

namespace {

using namespace rhea;
using namespace rhea::block;
using rhea::test::SheepCluster;
using rhea::test::SheepdogDouble;
using rhea::test::SheepEra;
using rhea::test::SheepRule;
using rhea::test::SheepSetting;
using sheepdog::Op;

constexpr Op kOps[] = {Op::kCreate,  Op::kRead,       Op::kWrite,    Op::kDiscard,  Op::kNewVdi,   Op::kLockVdi,
                       Op::kVdiInfo, Op::kReleaseVdi, Op::kReadVdis, Op::kFlushVdi, Op::kDeleteVdi};
constexpr SheepRule::Action kActions[] = {SheepRule::Action::kResult,     SheepRule::Action::kCloseBefore,
                                          SheepRule::Action::kCloseAfter, SheepRule::Action::kWrongId,
                                          SheepRule::Action::kWrongOp,    SheepRule::Action::kTooLong,
                                          SheepRule::Action::kShort,      SheepRule::Action::kCutReply,
                                          SheepRule::Action::kGarbage,    SheepRule::Action::kPayload};
constexpr std::size_t kMostRules = 6;
constexpr std::size_t kRuleBytes = 4;

Task<bool> use(sheepdog::Volume& volume, bool keep) {
  std::vector<std::byte> memory(8192, std::byte{0x5A});
  const std::uint64_t length = std::min<std::uint64_t>(volume.length(), std::uint64_t{64} << 20U);
  if (length < memory.size()) co_return true;
  const std::uint64_t at = length / 2 / 4096 * 4096;
  const Extent where(at, std::min<std::uint64_t>(memory.size(), length - at));
  const IoVector view(memory.data(), static_cast<std::size_t>(where.length));
  const Result<void> written = co_await volume.write(where, view, WriteFlags());
  const Result<void> flushed = co_await volume.flush(FlushTo::kStable);
  std::fill(memory.begin(), memory.end(), std::byte{0});
  const Result<void> seen = co_await volume.read(where, view);
  const bool same = std::all_of(memory.begin(), memory.begin() + static_cast<std::ptrdiff_t>(where.length),
                                [](std::byte b) { return b == std::byte{0x5A}; });
  (void)flushed;
  const bool kept = !written.ok() || !seen.ok() || same || !keep;
  sheepdog::Snapshots snapshots(volume);
  SnapshotInfo info;
  info.name = "s";
  const Result<void> taken = co_await snapshots.create(info);
  const Result<std::vector<SnapshotInfo>> listed = co_await snapshots.list();
  const Result<void> again = co_await volume.write(where, view, WriteFlags());
  const Result<void> zeroed = co_await volume.writeZeroes(Extent(0, where.length), WriteFlags::mayUnmap());
  const Result<void> discarded = co_await volume.discard(Extent(0, length));
  const Result<void> back = co_await snapshots.revert("s");
  const Result<void> gone = co_await snapshots.remove("s");
  (void)taken, (void)listed, (void)again, (void)zeroed, (void)discarded, (void)back, (void)gone;
  co_return kept;
}

Task<bool> all(sheepdog::Settings settings, bool direct, bool keep) {
  sheepdog::Volume volume(std::move(settings), true, direct);
  const Result<void> opened = co_await volume.open(CancelToken());
  if (!opened.ok()) co_return true;
  const bool kept = co_await use(volume, keep);
  co_await volume.close();
  co_return kept;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static WorkerPool workers(0);
  static const std::unique_ptr<Loop> loop = Loop::create("fuzz", workers).value();
  if (size == 0) return 0;
  SheepSetting setting;
  setting.era = static_cast<SheepEra>(data[0] % 3);
  setting.locks = (data[0] & 4U) != 0;
  const auto cluster = std::make_shared<SheepCluster>(setting);
  cluster->makeVdi("vm", 9 << 20);
  SheepdogDouble::Options options;
  options.cache = setting.era == SheepEra::k09;
  options.reorder = (data[0] & 8U) != 0;
  options.seed = data[0];
  options.keepLog = false;
  SheepdogDouble sheep(cluster, options);
  std::size_t at = 1;
  bool lies = false;
  for (std::size_t i = 0; i < kMostRules && size - at >= kRuleBytes; ++i, at += kRuleBytes) {
    SheepRule rule(kOps[data[at] % std::size(kOps)], kActions[data[at + 1] % std::size(kActions)], data[at + 2]);
    rule.skip = data[at + 3] & 7U;
    rule.count = 1 + (data[at + 3] >> 6U);
    rule.dataOnly = (data[at + 3] & 8U) != 0;
    if ((data[at + 3] & 16U) != 0) rule.oidBits = sheepdog::kInodeBit;
    lies = lies || rule.action == SheepRule::Action::kPayload || rule.action == SheepRule::Action::kResult;
    rule.bytes.resize(size);
    std::memcpy(rule.bytes.data(), data, size);
    if ((data[at + 3] & 32U) != 0) rule.argument = rule.argument * 257 + 1;
    sheep.add(std::move(rule));
  }
  sheepdog::Settings settings;
  settings.vdi = "vm";
  sheepdog::Address server;
  server.host = "127.0.0.1";
  server.port = std::to_string(sheep.port());
  settings.link.servers.push_back(server);
  settings.link.depth = 8;
  settings.link.pause = std::chrono::microseconds(50);
  const bool direct = (data[0] & 16U) != 0;
  if (!rhea::test::runTask(*loop, all(std::move(settings), direct, !lies))) {
    fmt::print(stderr, "what was written is not read\n");
    __builtin_trap();
  }
  return 0;
}
