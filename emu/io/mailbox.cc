#include "emu/io/mailbox.h"

#include <poll.h>
#include <unistd.h>

namespace rhea {

Mailbox::~Mailbox() {
  // A sender that found the mark may not have written the eventfd yet: the descriptor must not be closed, and its
  // number not be used again, before that.
  std::uint64_t written = 0;
  while (written < wakesPromised_) {
    std::uint64_t count = 0;
    if (::read(wake_.get(), &count, sizeof count) == sizeof count) {
      written += count;
    } else {
      pollfd waiting{wake_.get(), POLLIN, 0};
      ::poll(&waiting, 1, -1);
    }
  }
}

bool Mailbox::put(Loop::Mail& mail) {
  Loop::Mail* head = head_.load(std::memory_order_relaxed);
  do {
    if (head == &closed_) return false;
    mail.next = head == &asleep_ ? nullptr : head;
  } while (!head_.compare_exchange_weak(head, &mail, std::memory_order_acq_rel, std::memory_order_relaxed));
  // From here on the mail belongs to the receiver.
  if (head == &asleep_) {
    const std::uint64_t one = 1;
    [[maybe_unused]] const auto written = ::write(wake_.get(), &one, sizeof one);
  }
  return true;
}

Loop::Mail* Mailbox::takeAll() {
  Loop::Mail* newestFirst = head_.exchange(nullptr, std::memory_order_acq_rel);
  Loop::Mail* list = nullptr;
  while (newestFirst != nullptr) {
    Loop::Mail* mail = newestFirst;
    newestFirst = mail->next;
    mail->next = list;
    list = mail;
  }
  return list;
}

bool Mailbox::sleep() {
  Loop::Mail* head = nullptr;
  return head_.compare_exchange_strong(head, &asleep_, std::memory_order_acq_rel, std::memory_order_relaxed);
}

bool Mailbox::wake() {
  Loop::Mail* head = &asleep_;
  if (head_.compare_exchange_strong(head, nullptr, std::memory_order_acq_rel, std::memory_order_relaxed)) return false;
  wakesPromised_++;
  return true;
}

void Mailbox::close() { head_.store(&closed_, std::memory_order_release); }

}  // namespace rhea
