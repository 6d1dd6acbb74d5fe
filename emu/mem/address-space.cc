#include "emu/mem/address-space.h"

#include "emu/mem/flatten.h"

namespace rhea::mem {

const FlatRange* FlatView::find(GuestAddress address) const {
  const auto after = std::ranges::upper_bound(ranges_, address, {}, &FlatRange::first);
  if (after == ranges_.begin()) return nullptr;
  const FlatRange& range = *std::prev(after);
  return address <= range.last ? &range : nullptr;
}

AddressSpace::AddressSpace(std::string name, std::uint64_t size)
    : name_(std::move(name)), last_(size - 1), view_(std::make_shared<const FlatView>(std::vector<FlatRange>())) {}

AddressSpace::~AddressSpace() = default;

AddressSpace::Mapping::~Mapping() {
  if (space_ != nullptr) space_->unmap(id_);
}

AddressSpace::Mapping AddressSpace::map(Region region) {
  const Change change(*this);
  stale_ = true;
  const std::uint64_t id = nextId_++;
  auto name = std::make_shared<const std::string>(region.name);
  placed_.push_back({id, std::move(region), std::move(name)});
  return {*this, id};
}

void AddressSpace::unmap(std::uint64_t id) {
  const Change change(*this);
  stale_ = true;
  std::erase_if(placed_, [id](const Placed& placed) { return placed.id == id; });
}

AddressSpace::Change::Change(AddressSpace& space) : space_(space) {
  space_.mutex_.lock();
  ++space_.open_;
}

AddressSpace::Change::~Change() {
  if (--space_.open_ == 0 && std::exchange(space_.stale_, false)) space_.publish();
  space_.mutex_.unlock();
}

void AddressSpace::publish() {
  std::vector<FlatRange> layers;
  // The one that hides comes first: highest priority, then the latest.
  std::vector<const Placed*> order;
  for (const Placed& placed : placed_) order.push_back(&placed);
  std::ranges::sort(order, [](const Placed* a, const Placed* b) {
    return a->region.priority != b->region.priority ? a->region.priority > b->region.priority : a->id > b->id;
  });
  for (const Placed* placed : order) {
    const Region& region = placed->region;
    if (region.size == 0 || region.base > last_) continue;
    FlatRange range;
    range.first = region.base;
    range.last = std::min(last_, region.base + std::min(region.size - 1, ~std::uint64_t{0} - region.base));
    range.target = region.target;
    range.name = placed->name;
    layers.push_back(std::move(range));
  }
  view_.store(std::make_shared<const FlatView>(flatten(std::move(layers))), std::memory_order_release);
  version_.fetch_add(1, std::memory_order_release);
  const FlatViewPtr now = view();
  for (Listener* listener : listeners_) listener->mapChanged(now);
}

void AddressSpace::listen(Listener& listener) {
  const std::scoped_lock lock(mutex_);
  listeners_.push_back(&listener);
  listener.mapChanged(view());
}

void AddressSpace::forget(Listener& listener) {
  const std::scoped_lock lock(mutex_);
  std::erase(listeners_, &listener);
}

std::vector<AddressSpace::Region> AddressSpace::regions() const {
  const std::scoped_lock lock(mutex_);
  std::vector<Region> all;
  for (const Placed& placed : placed_) all.push_back(placed.region);
  std::ranges::stable_sort(all, {}, &Region::base);
  return all;
}

}  // namespace rhea::mem
