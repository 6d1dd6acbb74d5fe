// rhea-img snapshot: the snapshots inside an image.
#include <ctime>

#include "block/core/image.h"
#include "block/tool/img/open.h"
#include "block/tool/img/print.h"
#include "block/tool/img/verbs.h"

namespace rhea::block {

namespace {

SnapshotInfo newSnapshot(std::string name) {
  SnapshotInfo info;
  info.name = std::move(name);
  std::timespec now{};
  std::timespec_get(&now, TIME_UTC);
  info.dateSeconds = now.tv_sec;
  info.dateNanoseconds = static_cast<std::uint32_t>(now.tv_nsec);
  info.instructions = 0;  // no machine ran
  return info;
}

}  // namespace

Task<Result<int>> imgSnapshot(ImgSession& session, ImgCall call) {
  const std::vector<std::string_view> actions = {"list", "create", "apply", "delete"};
  std::string_view action = "list";
  unsigned given = 0;
  for (const std::string_view each : actions) {
    if (!call.has(each)) continue;
    action = each;
    ++given;
  }
  if (given > 1) co_return Error("snapshot: only one of -l, -c, -a and -d at a time");
  const std::string which = call.valueOr(action, "");
  OpenWish wish;
  wish.writable = action != "list";
  wish.chain = action == "list" ? OpenChain::kNone : OpenChain::kFull;
  wish.forceShare = call.has("force-share");
  RHEA_CO_TRY(const OpenedImage image, co_await openImage(session, imageNameOf(call, 0), wish));
  auto* const snapshots = image.abilityBelow<SnapshotAble>();
  if (snapshots == nullptr) co_return notAble(image, "internal snapshots");
  if (action == "list") {
    RHEA_CO_TRY(const std::vector<SnapshotInfo> all, co_await snapshots->snapshots());
    if (!all.empty()) session.print("Snapshot list:\n{}", snapshotTable(all));
    co_return 0;
  }
  Result<void> done = success();
  if (action == "create") {
    SnapshotInfo info = newSnapshot(which);
    done = co_await snapshots->createSnapshot(std::move(info));
  } else if (action == "apply") {
    done = co_await snapshots->revertToSnapshot(which);
  } else {
    done = co_await snapshots->deleteSnapshot(which);
  }
  if (!done.ok()) co_return done.takeError().context(fmt::format("snapshot: '{}'", call.words[0]));
  RHEA_CO_CHECK(co_await closeImage(session, image));
  co_return 0;
}

}  // namespace rhea::block
