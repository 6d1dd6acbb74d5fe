#include "block/driver/sheepdog/create.h"

#include <bit>
#include <cerrno>

#include "block/driver/preallocation.h"
#include "block/driver/sheepdog/snapshots.h"
#include "block/driver/sheepdog/uri.h"

namespace rhea::block::sheepdog {

namespace {

using Options = qapi::BlockdevCreateOptionsSheepdog;

constexpr int kMostCopies = 31;

class NoGreeting final : public Greeter {
 public:
  Task<Result<void>> greet() override { co_return success(); }
};

Result<Redundancy> redundancyOf(const Options& options) {
  Redundancy kept;  // zeroes: as the cluster was formatted
  if (!options.redundancy) return kept;
  if (const auto* full = std::get_if<qapi::SheepdogRedundancyFull>(&options.redundancy->u)) {
    if (full->copies < 1 || full->copies > kMostCopies) {
      return Error(fmt::format("{} copies cannot be kept", full->copies))
          .where("redundancy.copies")
          .expected(fmt::format("1 to {}", kMostCopies));
    }
    kept.copies = static_cast<std::uint8_t>(full->copies);
    return kept;
  }
  const auto& strips = std::get<qapi::SheepdogRedundancyErasureCoded>(options.redundancy->u);
  if (strips.dataStrips != 2 && strips.dataStrips != 4 && strips.dataStrips != 8 && strips.dataStrips != 16) {
    return Error(fmt::format("{} strips of data cannot be", strips.dataStrips))
        .where("redundancy.data-strips")
        .expected("2, 4, 8 or 16");
  }
  if (strips.parityStrips < 1 || strips.parityStrips > 15) {
    return Error(fmt::format("{} strips of parity cannot be", strips.parityStrips))
        .where("redundancy.parity-strips")
        .expected("1 to 15");
  }
  // With a count of 0 the daemon would forget the strips.
  kept.copies = static_cast<std::uint8_t>(strips.dataStrips + strips.parityStrips);
  kept.policy = static_cast<std::uint8_t>(static_cast<unsigned>(strips.dataStrips) / 2U << 4U |
                                          static_cast<unsigned>(strips.parityStrips));
  return kept;
}

Result<std::optional<std::uint8_t>> shiftOf(const Options& options) {
  if (!options.objectSize) return std::optional<std::uint8_t>();
  const std::uint64_t size = *options.objectSize;
  if (!std::has_single_bit(size) || size < (1U << kLeastShift) || size > (1U << kMostShift)) {
    return Error(fmt::format("objects cannot have {} bytes", size))
        .where("object-size")
        .expected("a power of two from 1 MiB to 2 GiB");
  }
  return std::optional<std::uint8_t>(static_cast<std::uint8_t>(std::countr_zero(size)));
}

Result<void> checkSize(std::uint64_t size, std::uint8_t shift) {
  if (size <= Inode::mostBytes(shift)) return success();
  return Error(fmt::format("with objects of {} bytes a disk can have {} bytes at most, {} are asked for",
                           std::uint64_t{1} << shift, Inode::mostBytes(shift), size))
      .where("size")
      .hint("a larger object-size allows larger disks, in clusters of Sheepdog 1.0 and on");
}

// The snapshot that the new disk is to be a clone of.
Task<Result<Inode>> findBase(Link& link, const Settings& settings, std::string text) {
  RHEA_CO_TRY(const Uri uri, parseUri(text));
  if (uri.server && text.find("//") != std::string::npos && *uri.server != settings.link.servers.front()) {
    co_return Error(fmt::format("'{}' is on the server {}, the new disk on {}", text, uri.server->text(),
                                settings.link.servers.front().text()))
        .where("backing-file")
        .expected("a snapshot of the same cluster");
  }
  if (!uri.snapId && !uri.tag) {
    co_return Error(fmt::format("'{}' is no snapshot, and a disk that is in use cannot be cloned", text))
        .where("backing-file")
        .expected("sheepdog:VDI#TAG")
        .hint("rhea-img snapshot -c TAG takes one");
  }
  Desk desk(link);
  const VdiName name(uri.vdi, uri.snapId.value_or(0), uri.tag.value_or(""));
  RHEA_CO_TRY(const Reply found, co_await desk.find(name));
  if (found.result != 0) co_return desk.refused(found, "looking for what is to be cloned", name);
  RHEA_CO_TRY(Inode inode, co_await desk.readInode(found.vdi(), kFlagDirect));
  if (!inode.isSnapshot() || inode.hyper) {
    co_return Error(fmt::format("{}: it cannot be cloned", desk.where(name)))
        .where("backing-file")
        .expected("a snapshot");
  }
  co_return inode;
}

struct Plan {
  Settings settings;
  std::uint64_t size = 0;
  Redundancy kept;
  std::optional<std::uint8_t> shift;
  std::string base;
};

Task<Result<void>> make(Link& link, const Plan& plan) {
  NewVdi what;
  what.name = plan.settings.vdi;
  what.wish.size = plan.size;
  what.wish.kept = plan.kept;
  Desk desk(link);
  std::uint8_t shift = kDefaultShift;
  if (!plan.base.empty()) {
    RHEA_CO_TRY(const Inode base, co_await findBase(link, plan.settings, plan.base));
    if (plan.shift && *plan.shift != base.shift) {
      co_return Error("a clone has objects of the same size as its snapshot").where("object-size");
    }
    if (plan.size < base.size) {
      co_return Error(fmt::format("the clone is to have {} bytes, its snapshot has {}", plan.size, base.size))
          .where("size");
    }
    what.wish.base = base.vdi;
    shift = base.shift;
    if (plan.kept == Redundancy()) what.wish.kept = base.kept;
  } else if (plan.shift) {
    shift = *plan.shift;
  } else {
    RHEA_CO_TRY(const std::optional<std::uint8_t> usual, co_await desk.defaultShift());
    const bool sane = usual && *usual >= kLeastShift && *usual <= kMostShift;
    shift = sane ? *usual : kDefaultShift;
  }
  RHEA_CO_CHECK(checkSize(plan.size, shift));
  what.wish.shift = shift;
  RHEA_CO_TRY(const MadeVdi made, co_await makeVdi(link, what));
  // Daemons before 1.0 take any size and keep to 4 MiB.
  const std::uint8_t got = made.shift == 0 ? kDefaultShift : made.shift;
  if (got == shift) co_return success();
  const VdiName name(what.name);
  const Result<void> removed = co_await desk.remove(name, Desk::Heirs::kNone);
  co_return Error::fromErrno(
      ENOTSUP,
      fmt::format("{}: the daemon makes objects of {} bytes, not of {}{}", desk.where(name), std::uint64_t{1} << got,
                  std::uint64_t{1} << shift, removed.ok() ? "" : "; the disk that it made could not be deleted again"))
      .where("object-size")
      .hint("other sizes than 4 MiB need Sheepdog 1.0");
}

Task<Result<void>> fill(const Plan& plan, CancelToken cancel) {
  Volume volume(plan.settings, true, true);
  Result<void> outcome = co_await volume.open(cancel);
  if (!outcome.ok()) co_return outcome;
  outcome = co_await volume.fill();
  co_await volume.close();
  co_return outcome;
}

}  // namespace

Task<Result<void>> createImage(CreateContext context, DriverOptions options) {
  const Options& given = options.as<Options>();
  Plan plan;
  const DriverOptions location = DriverOptions::of(given.location);
  RHEA_CO_TRY(plan.settings, readSettings(location));
  if (plan.settings.isSnapshot()) {
    co_return Error("a new disk is no snapshot").where("location").hint("leave out snap-id and tag");
  }
  plan.size = given.size;
  if (plan.size > Extent::kMost)
    co_return Error(fmt::format("a disk of {} bytes is too large", plan.size)).where("size");
  RHEA_CO_TRY(plan.kept, redundancyOf(given));
  RHEA_CO_TRY(plan.shift, shiftOf(given));
  plan.base = given.backingFile.value_or("");
  const Preallocation how = preallocationOf(given.preallocation);
  if (how != Preallocation::kOff && how != Preallocation::kFull) {
    co_return Error("the disk's space can be left empty or be filled").where("preallocation").expected("off or full");
  }
  NoGreeting nothing;
  Link link(plan.settings.link, nothing);
  RHEA_CO_CHECK(co_await link.open(context.cancel));
  Result<void> made = co_await make(link, plan);
  co_await link.close();
  if (made.ok() && how == Preallocation::kFull) made = co_await fill(plan, context.cancel);
  context.progress.set(plan.size, plan.size);
  co_return made;
}

}  // namespace rhea::block::sheepdog
