// CacheSides: keeps writes through the host's page cache and writes past it (O_DIRECT) apart in time, on one file.
//
// While a description is exchanged, requests of the old one still run beside those of the new one. For writes of the
// two kinds that is not safe, however far apart they are: a direct write that completes while a buffered one holds the
// same folio dirty cannot drop that folio from the cache. Linux then notes EIO for the file (mm/filemap.c,
// dio_warn_stale_pagecache), and the next fdatasync fails although nothing is wrong with the storage. So the first
// write of one side waits until those of the other have ended. Reads may run beside either.
#pragma once

#include "emu/io/sync.h"

namespace rhea::block {

class CacheSides {
 public:
  enum class Side : std::uint8_t { kBuffered, kDirect };

  // One write, from its start to its end.
  class Hold {
   public:
    Hold() = default;
    Hold(Hold&& other) noexcept : sides_(std::exchange(other.sides_, nullptr)), side_(other.side_) {}
    Hold& operator=(Hold&& other) noexcept {
      std::swap(sides_, other.sides_);
      std::swap(side_, other.side_);
      return *this;
    }
    ~Hold() {
      if (sides_ != nullptr) sides_->leave(side_);
    }
    explicit operator bool() const { return sides_ != nullptr; }

   private:
    friend class CacheSides;
    Hold(CacheSides& sides, Side side) : sides_(&sides), side_(side) {}
    CacheSides* sides_ = nullptr;
    Side side_ = Side::kBuffered;
  };

  // Any thread. Empty where the other side still writes, or somebody waits already: enter() then.
  Hold tryEnter(Side side);
  // First come, first served. Waits for system calls of this file only, so nothing that waits here can be waited for.
  Task<Hold> enter(Side side);

 private:
  static constexpr std::uint64_t kWaited = std::uint64_t{1} << 63;
  static constexpr unsigned shiftOf(Side side) { return side == Side::kBuffered ? 0 : 31; }
  static constexpr std::uint64_t oneOf(Side side) { return std::uint64_t{1} << shiftOf(side); }
  static constexpr std::uint64_t countOf(Side side) { return std::uint64_t{0x7fffffff} << shiftOf(side); }
  static constexpr Side opposite(Side side) { return side == Side::kBuffered ? Side::kDirect : Side::kBuffered; }
  void leave(Side side);

  // Both counts and whether somebody waits, in one word: entering is one atomic step.
  std::atomic<std::uint64_t> word_{0};
  Mutex turn_;  // of those who wait
  Event left_;
};

}  // namespace rhea::block
