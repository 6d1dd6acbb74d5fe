#include "block/driver/sheepdog/link.h"

#include <cerrno>

namespace rhea::block::sheepdog {

void Link::List::append(Call& call) {
  call.next_ = nullptr;
  call.previous_ = last;
  (last == nullptr ? first : last->next_) = &call;
  last = &call;
}

void Link::List::remove(Call& call) {
  (call.previous_ == nullptr ? first : call.previous_->next_) = call.next_;
  (call.next_ == nullptr ? last : call.next_->previous_) = call.previous_;
  call.next_ = call.previous_ = nullptr;
}

Call* Link::List::takeFirst() {
  Call* const taken = first;
  if (taken != nullptr) remove(*taken);
  return taken;
}

Link::Link(LinkSettings settings, Greeter& greeter) : settings_(std::move(settings)), greeter_(greeter) {
  std::size_t slots = 16;
  while (slots < 2 * (std::size_t{settings_.depth} + 8)) slots *= 2;
  table_.resize(slots);
}

Link::~Link() = default;

std::string Link::where() const {
  return fmt::format("the Sheepdog server {}{}{}", server().text(), settings_.about.empty() ? "" : ", ",
                     settings_.about);
}

// False: it has been answered already.
bool Link::enqueue(Call& call, List& list) {
  call.lost = false;
  call.failure.reset();
  call.sent_ = 0;
  const bool urgent = &list == &urgent_;
  const bool possible = urgent ? state_ == State::kGreeting || state_ == State::kUp : state_ != State::kClosed;
  if (!possible) {
    call.lost = urgent;
    call.failure = Error::fromErrno(urgent ? ENOTCONN : ESHUTDOWN);
    return false;
  }
  if (!urgent && refusing_) {
    call.failure = Error::fromErrno(EIO, trouble_);
    return false;
  }
  list.append(call);
  if (state_ == State::kUp || urgent) loop_->wantRoundEnd();
  return true;
}

void Link::answer(Call& call) {
  call.waiting_.run = [](Loop::Mail* mail) { static_cast<Call::Waiting*>(mail)->waiter.resume(); };
  loop_->post(static_cast<Loop::Mail&>(call.waiting_));
}

void Link::fail(Call& call, const Error& why) {
  call.failure = why;
  answer(call);
}

void Link::failAll(const Error& why) {
  for (List* const list : {&urgent_, &pending_, &sending_, &sent_, &held_}) {
    while (Call* const call = list->takeFirst()) fail(*call, why);
  }
  onTheirWay_ = 0;
  std::fill(table_.begin(), table_.end(), nullptr);
}

}  // namespace rhea::block::sheepdog
