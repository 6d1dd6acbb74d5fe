#include "block/driver/sheepdog/claims.h"

namespace rhea::block::sheepdog {

Claim::Claim(Claims& claims, Extent at) : claims_(claims), at_(at), previous_(claims.last_) {
  (previous_ == nullptr ? claims.first_ : previous_->next_) = this;
  claims.last_ = this;
}

Claim::~Claim() {
  const Extent had = std::exchange(at_, Extent(at_.offset, 0));
  claims_.wake(*this, had);
  (previous_ == nullptr ? claims_.first_ : previous_->next_) = next_;
  (next_ == nullptr ? claims_.last_ : next_->previous_) = previous_;
}

void Claim::shrink(Extent to) {
  const Extent had = std::exchange(at_, to);
  claims_.wake(*this, had);
}

bool Claim::Wait::await_ready() const noexcept { return claim_.claims_.isFree(claim_); }

void Claim::Wait::await_suspend(std::coroutine_handle<> waiter) noexcept {
  waiter_ = waiter;
  run = [](Loop::Mail* mail) { static_cast<Wait*>(mail)->waiter_.resume(); };
  claim_.waiting_ = this;
}

bool Claims::isFree(const Claim& claim) const {
  for (const Claim* earlier = claim.previous_; earlier != nullptr; earlier = earlier->previous_) {
    if (earlier->at_.overlaps(claim.at_)) return false;
  }
  return true;
}

void Claims::wake(const Claim& from, Extent given) {
  for (Claim* later = from.next_; later != nullptr; later = later->next_) {
    if (later->waiting_ == nullptr || !later->at_.overlaps(given) || !isFree(*later)) continue;
    Claim::Wait* const wait = std::exchange(later->waiting_, nullptr);
    Loop::current()->post(static_cast<Loop::Mail&>(*wait));
  }
}

}  // namespace rhea::block::sheepdog
