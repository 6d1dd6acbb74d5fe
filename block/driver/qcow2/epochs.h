// RequestEpochs: lets something happen when every request that is inside now has left.
//
// A cluster that falls free may still be read or written by a request that looked its place up before. It must not
// become somebody else's until that request has ended.
#pragma once

#include <deque>

#include "emu/base/base.h"

namespace rhea::block::qcow2 {

class RequestEpochs {
  struct Epoch {
    std::size_t inside = 0;
    std::vector<std::function<void()>> after;
  };

 public:
  class Inside {
   public:
    explicit Inside(RequestEpochs& epochs) : epochs_(epochs), epoch_(epochs.epochs_.back()) { ++epoch_->inside; }
    Inside(const Inside&) = delete;
    Inside& operator=(const Inside&) = delete;
    ~Inside() {
      --epoch_->inside;
      epochs_.settle();
    }

   private:
    RequestEpochs& epochs_;
    std::shared_ptr<Epoch> epoch_;
  };

  RequestEpochs() { epochs_.push_back(std::make_shared<Epoch>()); }

  // At once where nobody is inside.
  void afterPresent(std::function<void()> then) {
    epochs_.back()->after.push_back(std::move(then));
    epochs_.push_back(std::make_shared<Epoch>());
    settle();
  }

 private:
  void settle() {
    while (epochs_.size() > 1 && epochs_.front()->inside == 0) {
      const std::shared_ptr<Epoch> over = std::move(epochs_.front());
      epochs_.pop_front();
      for (auto& then : over->after) then();
    }
  }

  std::deque<std::shared_ptr<Epoch>> epochs_;
};

}  // namespace rhea::block::qcow2
