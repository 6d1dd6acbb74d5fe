// Outlet: what all streams of a table share: the loop, the read buffer, and the flush at the end of a round.
#pragma once

#include "emu/base/base.h"
#include "emu/io/loop.h"

namespace rhea::chardev {

class Flushable {
 public:
  virtual ~Flushable() = default;
  virtual void flush() = 0;
};

class Outlet final : Loop::RoundEnd {
 public:
  static constexpr std::size_t kReadSize = std::size_t{64} << 10;

  explicit Outlet(Loop& loop);
  ~Outlet() override;
  Outlet(const Outlet&) = delete;
  Outlet& operator=(const Outlet&) = delete;

  Loop& loop() const { return loop_; }
  // For one read at a time; what came is consumed before the next.
  std::span<char> readBuffer() { return {buffer_.get(), kReadSize}; }
  // flush() is called once, at the end of this round; the stream stays alive until then.
  void flushLater(std::shared_ptr<Flushable> stream) {
    dirty_.push_back(std::move(stream));
    loop_.wantRoundEnd();
  }

 private:
  void endOfRound() override;

  Loop& loop_;
  std::unique_ptr<char[]> buffer_;
  std::vector<std::shared_ptr<Flushable>> dirty_;
  std::vector<std::shared_ptr<Flushable>> flushing_;
};

}  // namespace rhea::chardev
