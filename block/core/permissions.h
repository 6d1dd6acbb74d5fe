// Permissions: what a user of a node does with it, and what it lets the others do.
#pragma once

#include "emu/base/base.h"

namespace rhea::block {

class Permissions {
 public:
  constexpr Permissions() = default;
  constexpr explicit Permissions(std::uint8_t bits) : bits_(bits) {}

  static constexpr Permissions consistentRead() { return Permissions(1); }
  static constexpr Permissions write() { return Permissions(2); }
  static constexpr Permissions writeUnchanged() { return Permissions(4); }
  static constexpr Permissions resize() { return Permissions(8); }
  static constexpr Permissions none() { return Permissions(0); }
  static constexpr Permissions all() { return Permissions(15); }

  constexpr bool has(Permissions other) const { return (bits_ & other.bits_) == other.bits_; }
  constexpr bool isNone() const { return bits_ == 0; }
  constexpr Permissions without(Permissions other) const {
    return Permissions(static_cast<std::uint8_t>(bits_ & ~other.bits_));
  }
  friend constexpr Permissions operator|(Permissions one, Permissions two) {
    return Permissions(static_cast<std::uint8_t>(one.bits_ | two.bits_));
  }
  friend constexpr Permissions operator&(Permissions one, Permissions two) {
    return Permissions(static_cast<std::uint8_t>(one.bits_ & two.bits_));
  }
  friend constexpr bool operator==(Permissions, Permissions) = default;
  constexpr std::uint8_t bits() const { return bits_; }

  // The schema's names: "consistent-read", "write", "write-unchanged", "resize".
  std::vector<std::string_view> names() const;

 private:
  std::uint8_t bits_ = 0;
};

// What an edge takes and what it lets other edges to the same node take. The bit order is that of the lock bytes of
// image files (byte 100 + bit for what is used, 200 + bit for what is not shared).
struct Rights {
  constexpr Rights() = default;
  constexpr Rights(Permissions taken, Permissions others) : used(taken), shared(others) {}
  Permissions used;
  Permissions shared = Permissions::all();
  friend constexpr bool operator==(Rights, Rights) = default;
};

// What a child is to its parent; decides the rights that the edge takes unless the driver says otherwise.
enum class ChildRole : std::uint8_t {
  kFiltered,   // the parent shows this child's content: it takes what its own users take
  kData,       // holds the parent's data and metadata (qcow2's file): exclusive while the parent may write
  kBacking,    // content shows through where the parent has none: read only, everything shared but writing
  kAuxiliary,  // something else of the parent's (a log): written exclusively
};

}  // namespace rhea::block
