// DriverInfo: a driver's entry in the table: its name, what it is, and how to open or create one.
//
// Each driver's folder offers one, as `const DriverInfo& rawDriver();`; block/driver/table.cc lists them all; main and
// the tools make a DriverRegistry of the table.
#pragma once

#include "block/core/abilities.h"
#include "block/core/image.h"
#include "emu/io/services.h"

namespace rhea {
class Loop;
}

namespace rhea::block {

class Child;
class DriverRegistry;
class GraphObserver;
class ThrottleGroups;

enum class DriverKind : std::uint8_t {
  kProtocol,  // has storage of its own; the bottom of a chain
  kFormat,    // interprets its child's data
  kFilter,    // passes its kFiltered child's data through
};

enum class DriverThreads : std::uint8_t {
  kAny,   // runs on the loop of whoever sends the request
  kHome,  // runs on the node's home loop only; the core hops there and back
};

struct ChildSpec {
  std::string_view name;  // "file"
  ChildRole role = ChildRole::kData;
  bool required = true;
  bool replaceable = true;  // by a reopen, while the node is drained
};

// The children of a node being opened, by name. The edges live as long as the driver.
class Children {
 public:
  void add(std::string name, Child* child) { children_.emplace_back(std::move(name), child); }
  // Null: the driver knows no such child. An optional one may be without a node (Child::isAttached); a reopen may give
  // it one later.
  Child* find(std::string_view name) const;
  // Of a required child.
  Child& get(std::string_view name) const;

 private:
  std::vector<std::pair<std::string, Child*>> children_;
};

struct OpenContext {
  OpenContext(Loop& homeLoop, const Services& theServices, ThrottleGroups& groups)
      : home(homeLoop), services(theServices), throttleGroups(groups) {}
  Loop& home;
  const Services& services;        // descriptor sets and secrets, where this program has them
  ThrottleGroups& throttleGroups;  // of this graph; outlives the driver
  std::string nodeName;
  OpenFlags flags;
  GraphObserver* observer = nullptr;        // outlives the driver; null where nobody listens
  const DriverRegistry* drivers = nullptr;  // for a driver that has to find out what its children are
  CancelToken cancel;
};

struct CreateContext {
  CreateContext(Loop& runsOn, const Services& theServices, Progress& theProgress)
      : loop(runsOn), services(theServices), progress(theProgress) {}
  Loop& loop;
  const Services& services;
  Progress& progress;
  Children children;  // nodes named by the options, attached for the time of the creation
  CancelToken cancel;
};

struct DriverInfo {
  std::string_view name;  // "raw", as in blockdev-add
  DriverKind kind = DriverKind::kProtocol;
  DriverThreads threads = DriverThreads::kAny;
  // A write beyond length() grows it (a file); the writer's edge must have the permission to resize.
  bool growable = false;
  // Data and flushes go to the kFiltered or kData child as they are, nothing is kept here (raw, throttle): what is
  // written but not flushed is accounted to that child alone.
  bool passThrough = false;
  // A flush takes about as long as one stable write, however much it covers (a host file's fdatasync): stable writes
  // that are many at a time are written plainly and share one.
  bool flushesGroups = false;
  // A failed flush latches on this node (always so for protocols); for a filter that injects faults.
  bool latchesFlush = false;
  std::vector<ChildSpec> children;

  // Opens; runs on context.home. Files are opened and statted off the loop. Error: what, where, why; nothing is left.
  Task<Result<std::unique_ptr<Driver>>> (*open)(OpenContext context, DriverOptions options,
                                                Children children) = nullptr;

  // Optional, null where the answer is the usual one.
  // Children that the image itself names; asked when those that the options give are open. They are opened and attached
  // next, but for those of which the options say something (if only that there is to be none).
  Task<Result<std::vector<ChildOptions>>> (*impliedChildren)(OpenContext context, DriverOptions options,
                                                             Children children) = nullptr;
  // Rights that the edge to the child takes, for the rights that the node's own users have in sum.
  Rights (*childRights)(const ChildSpec& child, Rights ofParent, const DriverOptions& options) = nullptr;
  // For a driver without Reopener: the first of its own options that a reopen would change, which is refused; "" where
  // it asks for what is there already.
  std::string_view (*changedOption)(const DriverOptions& now, const DriverOptions& asked) = nullptr;
  // Creates an image (blockdev-create); `options` is the driver's create struct.
  Task<Result<void>> (*create)(CreateContext context, DriverOptions options) = nullptr;
  // How large the file of an image made by `options` (the driver's create struct) would be, if it took the content of
  // `source`; null: an empty disk of the size in the options.
  Task<Result<ImageSizes>> (*measure)(DriverOptions options, Child* source, CancelToken cancel) = nullptr;
  // How likely `head`, the first bytes of an image called `fileName`, is this format: 0 no .. 100 certain.
  int (*probe)(std::span<const std::byte> head, std::string_view fileName) = nullptr;
};

class DriverRegistry {
 public:
  DriverRegistry() = default;
  explicit DriverRegistry(std::span<const DriverInfo* const> drivers);
  void add(const DriverInfo& driver);
  // Error: names the nearest that exist.
  Result<const DriverInfo*> find(std::string_view name) const;
  const std::vector<const DriverInfo*>& all() const { return drivers_; }

 private:
  std::vector<const DriverInfo*> drivers_;
};

}  // namespace rhea::block
