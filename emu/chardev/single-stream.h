// SingleStream: what the back ends with one conversation at a time share: files, pipes, the terminal, memory.
#pragma once

#include "emu/base/base.h"
#include "emu/chardev/chardev.h"
#include "emu/chardev/fd-stream.h"

namespace rhea::chardev {

class SingleStream : public Backend {
 public:
  ~SingleStream() override {
    if (stream_) stream_->close();
  }
  void attach(FrontEnd& frontEnd) override {
    frontEnd_ = &frontEnd;
    if (stream_ && stream_->isOpen()) frontEnd.opened(stream_);
  }
  void detach(FrontEnd& frontEnd) override {
    if (frontEnd_ != &frontEnd) return;
    frontEnd_ = nullptr;
    if (stream_) stream_->receive(nullptr);
  }
  void drain(TimePoint until) override {
    if (auto* stream = dynamic_cast<FdStream*>(stream_.get())) stream->drain(until);
  }

 protected:
  FrontEnd* frontEnd() const { return frontEnd_; }
  Stream* stream() const { return stream_.get(); }
  // A conversation began; the one before it has ended.
  void open(std::shared_ptr<Stream> stream) {
    stream_ = std::move(stream);
    if (frontEnd_ != nullptr) frontEnd_->opened(stream_);
  }

 private:
  std::shared_ptr<Stream> stream_;
  FrontEnd* frontEnd_ = nullptr;
};

}  // namespace rhea::chardev
