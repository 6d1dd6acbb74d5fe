// Mailbox: many senders, one receiver, no lock; the receiver may sleep on an eventfd in between.
//
// The whole state is one word: null (empty), a list of mails (newest first), or the mark "asleep". A sender swaps its
// mail in; only the one that finds the mark there writes the eventfd, so that a mail to a loop that runs costs no
// system call. The eventfd is watched edge-triggered and never read.
#pragma once

#include "emu/base/base.h"
#include "emu/io/fd.h"
#include "emu/io/loop-tuning.h"
#include "emu/io/loop.h"

namespace rhea {

class Mailbox {
 public:
  explicit Mailbox(Fd wake) : wake_(std::move(wake)) {}
  ~Mailbox();
  Mailbox(const Mailbox&) = delete;
  Mailbox& operator=(const Mailbox&) = delete;

  // How the receiver waits; any thread.
  LoopTuning tuning;

  int wakeFd() const { return wake_.get(); }

  // Any thread. False where the mailbox was closed; then the mail is not taken.
  bool put(Loop::Mail& mail);

  // The receiver's side.
  Loop::Mail* takeAll();  // a list in the order of arrival; wakes up
  bool empty() const { return head_.load(std::memory_order_relaxed) == nullptr; }
  bool sleep();  // sets the mark; false when there is mail
  bool wake();   // takes the mark away; true when there is mail
  void close();  // after this put() refuses

 private:
  std::atomic<Loop::Mail*> head_{nullptr};
  Loop::Mail asleep_;  // its address is the mark
  Loop::Mail closed_;
  std::uint64_t wakesPromised_ = 0;  // how often a sender took the mark away, and so writes the eventfd
  Fd wake_;
};

}  // namespace rhea
