// Claims: which parts of the disk are being changed, in the order of asking. The daemons do not order requests that
// overlap, not even on one replica; so whoever wants a part waits until nobody who came earlier has any of it.
//
// A write claims its bytes, the creation or removal of an object the whole object. Home loop only.
#pragma once

#include "block/core/extent.h"
#include "emu/io/loop.h"

namespace rhea::block::sheepdog {

class Claims;

class Claim {
 public:
  Claim(Claims& claims, Extent at);
  ~Claim();
  Claim(const Claim&) = delete;
  Claim& operator=(const Claim&) = delete;

  const Extent& at() const { return at_; }
  // `co_await claim.granted()`: goes on when nobody who came earlier has any of it.
  auto granted() { return Wait(*this); }
  // Gives up a part; what stays lies within what was claimed.
  void shrink(Extent to);

 private:
  friend class Claims;
  class Wait : Loop::Mail {
   public:
    explicit Wait(Claim& claim) : claim_(claim) {}
    bool await_ready() const noexcept;
    void await_suspend(std::coroutine_handle<> waiter) noexcept;
    void await_resume() const noexcept {}

   private:
    friend class Claims;
    Claim& claim_;
    std::coroutine_handle<> waiter_;
  };

  Claims& claims_;
  Extent at_;
  Claim* previous_ = nullptr;
  Claim* next_ = nullptr;
  Wait* waiting_ = nullptr;
};

class Claims {
 public:
  Claims() = default;
  Claims(const Claims&) = delete;
  Claims& operator=(const Claims&) = delete;
  bool empty() const { return first_ == nullptr; }

 private:
  friend class Claim;
  bool isFree(const Claim& claim) const;
  // `given`: what has become free.
  void wake(const Claim& from, Extent given);
  Claim* first_ = nullptr;
  Claim* last_ = nullptr;
};

}  // namespace rhea::block::sheepdog
