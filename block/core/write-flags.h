// WriteFlags: how a write, a write of zeroes or a discard is to be done; FlushTo: how far a flush goes.
#pragma once

#include "emu/base/base.h"

namespace rhea::block {

class WriteFlags {
 public:
  constexpr WriteFlags() = default;

  // On stable storage at completion, with the metadata needed to read it back (RWF_DSYNC, FUA). A driver that cannot do
  // it in one request answers EOPNOTSUPP before it wrote anything; the core then writes, flushes and remembers.
  static constexpr WriteFlags stable() { return WriteFlags(1); }
  // Zeroes only: the range may become a hole.
  static constexpr WriteFlags mayUnmap() { return WriteFlags(2); }
  // Zeroes only: fail with EOPNOTSUPP rather than write real zeroes.
  static constexpr WriteFlags noFallback() { return WriteFlags(4); }
  // The content does not change for whoever reads (copy-on-read, commit of what is there already); needs only the
  // permission "write-unchanged".
  static constexpr WriteFlags unchanged() { return WriteFlags(8); }

  constexpr bool isStable() const { return has(stable()); }
  constexpr bool isMayUnmap() const { return has(mayUnmap()); }
  constexpr bool isNoFallback() const { return has(noFallback()); }
  constexpr bool isUnchanged() const { return has(unchanged()); }

  constexpr bool has(WriteFlags other) const { return (bits_ & other.bits_) == other.bits_; }
  constexpr WriteFlags without(WriteFlags other) const {
    return WriteFlags(static_cast<std::uint8_t>(bits_ & ~other.bits_));
  }
  friend constexpr WriteFlags operator|(WriteFlags one, WriteFlags two) {
    return WriteFlags(static_cast<std::uint8_t>(one.bits_ | two.bits_));
  }
  friend constexpr bool operator==(WriteFlags, WriteFlags) = default;

 private:
  constexpr explicit WriteFlags(std::uint8_t bits) : bits_(bits) {}
  std::uint8_t bits_ = 0;
};

enum class FlushTo : std::uint8_t {
  kHost,    // metadata that the driver caches in memory is handed to the host (or to the child); no system call waits
            // for a device. A file driver has nothing to do.
  kStable,  // as above, then everything completed before is on stable storage
};

}  // namespace rhea::block
