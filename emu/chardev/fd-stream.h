// FdStream: a stream over host descriptors: sockets, terminals, pipes, and regular files.
//
// What the host can poll is read and written on the loop; what it cannot (regular files, /dev/null) goes through the
// worker threads, because a file on a dead server would stop the loop.
#pragma once

#include "emu/base/base.h"
#include "emu/chardev/outlet.h"
#include "emu/chardev/stream.h"
#include "emu/io/fd.h"
#include "emu/io/file-sink.h"
#include "emu/io/loop.h"

namespace rhea::chardev {

class FdStream final : public Stream, public Flushable {
 public:
  struct Ends {
    explicit Ends(Fd both) : in(std::move(both)) {}
    Ends(Fd input, Fd output) : in(std::move(input)), out(std::move(output)), split(true) {}
    Fd in;                    // invalid: nothing ever comes
    Fd out;                   // where split
    bool split = false;       // else `in` serves both ways
    bool closesAtEnd = true;  // end of input ends the conversation (not: a file that is only written)
  };

  // `onClosed` is called once, after the receiver was told.
  FdStream(Outlet& outlet, Ends ends, std::string address, std::function<void()> onClosed);
  ~FdStream() override;

  void receive(Receiver* receiver) override;
  void write(std::string_view bytes) override;
  std::size_t pending() const override { return sink_ ? sink_->pending() : output_.size() - sent_; }
  void pause(bool paused) override;
  void close() override;
  void finish() override;
  bool isOpen() const override { return open_; }
  bool passesFds() const override { return inUnix_; }
  int terminal() const override { return terminal_; }
  void setRaw(bool raw) override;
  // For a terminal: its descriptor, and what switches it.
  void setTerminal(int fd, std::function<void(bool raw)> switchRaw);
  void setCredentials(Credentials credentials) { Stream::setCredentials(std::move(credentials)); }

  void flush() override;
  // Writes what is queued, waiting for the host up to `until`.
  void drain(TimePoint until);

 private:
  int outFd() const { return ends_.split ? ends_.out.get() : ends_.in.get(); }
  void updateReading();
  void readable();
  bool readOnce();
  void inputEnded(bool regularly);
  void deliver(std::string_view bytes, std::vector<Fd> fds);
  bool send();
  void written(std::size_t count);
  void shut();
  // `self` keeps the stream until the worker is done with its descriptor.
  Task<void> readByWorker(std::shared_ptr<FdStream> self);
  Task<void> writeByWorker(std::shared_ptr<FdStream> self);

  Outlet& outlet_;
  Ends ends_;
  std::function<void()> onClosed_;
  Receiver* receiver_ = nullptr;
  std::unique_ptr<Loop::Watch> readWatch_;
  std::unique_ptr<Loop::Watch> writeWatch_;
  std::string output_;
  std::shared_ptr<FileSink> sink_;  // in place of output_ where the host cannot poll
  std::size_t sent_ = 0;            // bytes at the front of output_ that the host has taken
  std::function<void(bool)> switchRaw_;
  int terminal_ = -1;
  bool open_ = true;
  bool paused_ = false;
  bool inputOver_ = false;
  bool finishing_ = false;
  bool flushQueued_ = false;
  bool waited_ = false;  // output had to wait since the last drained()
  bool inSocket_ = false;
  bool inUnix_ = false;
  bool outSocket_ = false;
  bool inPolls_ = false;
  bool outPolls_ = false;
  bool reading_ = false;  // by a worker
};

// Whether the host can tell when `fd` is ready; not so for regular files.
bool isPollable(int fd);

}  // namespace rhea::chardev
