// AddressSpace: which memory and which registers answer at which guest address. One for guest memory, one of 64 KiB for
// x86's ports, one per bus master that sees the world otherwise.
//
// What is mapped is a list of regions with priorities; readers see an immutable FlatView of it, so a lookup takes no
// lock. A change makes a new view and tells the listeners (vCPUs drop what they cached). Any thread.
#pragma once

#include "emu/mem/io-handler.h"
#include "emu/mem/ram-block.h"

namespace rhea::mem {

// What a stretch of addresses leads to.
struct Target {
  enum class Kind : std::uint8_t {
    kRam,
    kRom,  // reads like RAM, writes are dropped
    kIo,
  };
  static Target ram(RamBlockPtr block, std::uint64_t offset = 0) {
    return {Kind::kRam, std::move(block), offset, nullptr};
  }
  static Target rom(RamBlockPtr block, std::uint64_t offset = 0) {
    return {Kind::kRom, std::move(block), offset, nullptr};
  }
  static Target io(IoHandler& handler) { return {Kind::kIo, nullptr, 0, &handler}; }

  Kind kind = Kind::kIo;
  RamBlockPtr block;
  std::uint64_t offset = 0;  // of the stretch's first byte: in the block, or in the region
  IoHandler* handler = nullptr;
};

struct FlatRange {
  GuestAddress first = 0;
  GuestAddress last = 0;  // inclusive, so that the top of the address space fits
  Target target;
  std::shared_ptr<const std::string> name;

  bool isRam() const { return target.kind == Target::Kind::kRam; }
  bool isIo() const { return target.kind == Target::Kind::kIo; }
  std::uint64_t offsetOf(GuestAddress address) const { return target.offset + (address - first); }
  // Memory only.
  std::byte* hostOf(GuestAddress address) const { return target.block->host() + offsetOf(address); }
};

// Sorted, without overlaps; gaps answer all ones and swallow writes.
class FlatView {
 public:
  explicit FlatView(std::vector<FlatRange> ranges) : ranges_(std::move(ranges)) {}
  const FlatRange* find(GuestAddress address) const;
  std::span<const FlatRange> ranges() const { return ranges_; }

 private:
  std::vector<FlatRange> ranges_;
};
using FlatViewPtr = std::shared_ptr<const FlatView>;

// How an access of any size ended. kPartly: some of it met nothing at all.
enum class Access : std::uint8_t { kDone, kPartly };

class AddressSpace {
 public:
  AddressSpace(std::string name, std::uint64_t size);  // size 0: all of 2^64
  ~AddressSpace();
  AddressSpace(const AddressSpace&) = delete;
  AddressSpace& operator=(const AddressSpace&) = delete;
  const std::string& name() const { return name_; }

  // A region in its place; destroyed = unmapped. Outlived by the space.
  class Mapping {
   public:
    Mapping() = default;
    Mapping(Mapping&& other) noexcept : space_(std::exchange(other.space_, nullptr)), id_(other.id_) {}
    Mapping& operator=(Mapping&& other) noexcept {
      std::swap(space_, other.space_);
      std::swap(id_, other.id_);
      return *this;
    }
    ~Mapping();
    explicit operator bool() const { return space_ != nullptr; }
    void reset() { *this = Mapping(); }

   private:
    friend class AddressSpace;
    Mapping(AddressSpace& space, std::uint64_t id) : space_(&space), id_(id) {}
    AddressSpace* space_ = nullptr;
    std::uint64_t id_ = 0;
  };

  struct Region {
    Region(std::string theName, GuestAddress theBase, std::uint64_t theSize, Target theTarget, int thePriority = 0)
        : name(std::move(theName)), base(theBase), size(theSize), target(std::move(theTarget)), priority(thePriority) {}
    std::string name;  // as info mtree shows it
    GuestAddress base;
    std::uint64_t size;
    Target target;
    int priority;  // the higher one hides the lower; of equals, the later one hides
  };
  [[nodiscard]] Mapping map(Region region);

  // Several changes that readers see at once.
  class Change {
   public:
    explicit Change(AddressSpace& space);
    ~Change();
    Change(const Change&) = delete;
    Change& operator=(const Change&) = delete;

   private:
    AddressSpace& space_;
  };

  // Told after each change, on the thread that made it, before map() or the Change returns.
  class Listener {
   public:
    virtual ~Listener() = default;
    virtual void mapChanged(const FlatViewPtr& view) = 0;
  };
  void listen(Listener& listener);  // tells it at once, too
  void forget(Listener& listener);

  FlatViewPtr view() const { return view_.load(std::memory_order_acquire); }
  // Another number for each view; whoever finds one finds that view, or a later one. From 1 on.
  std::uint64_t version() const { return version_.load(std::memory_order_acquire); }
  // Every region as it was mapped, hidden ones too, by address; for info mtree.
  std::vector<Region> regions() const;

  // Copies of any length through RAM and registers alike.
  Access read(GuestAddress address, std::span<std::byte> to) const;
  Access write(GuestAddress address, std::span<const std::byte> from) const;
  // A register-like access of 1, 2, 4 or 8 bytes; all ones where nothing answers.
  std::uint64_t readValue(GuestAddress address, unsigned size) const;
  void writeValue(GuestAddress address, std::uint64_t value, unsigned size) const;

 private:
  struct Placed {
    std::uint64_t id;
    Region region;
    std::shared_ptr<const std::string> name;
  };
  void unmap(std::uint64_t id);
  void publish();

  const std::string name_;
  const GuestAddress last_;
  mutable std::recursive_mutex mutex_;  // of changes; a listener may look at the space
  std::vector<Placed> placed_;
  std::uint64_t nextId_ = 1;
  int open_ = 0;  // Changes
  bool stale_ = false;
  std::vector<Listener*> listeners_;
  std::atomic<FlatViewPtr> view_;
  std::atomic<std::uint64_t> version_{1};
};

// An access to registers, cut and widened as the handler wants it. `offset` is within the region.
std::uint64_t readRegister(IoHandler& handler, IoHandler::AccessSizes sizes, std::uint64_t offset, unsigned size);
void writeRegister(IoHandler& handler, IoHandler::AccessSizes sizes, std::uint64_t offset, std::uint64_t value,
                   unsigned size);
inline std::uint64_t readRegister(IoHandler& handler, std::uint64_t offset, unsigned size) {
  return readRegister(handler, handler.accessSizes(), offset, size);
}
inline void writeRegister(IoHandler& handler, std::uint64_t offset, std::uint64_t value, unsigned size) {
  writeRegister(handler, handler.accessSizes(), offset, value, size);
}

}  // namespace rhea::mem
