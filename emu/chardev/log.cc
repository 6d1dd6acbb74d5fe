#include "emu/chardev/log.h"

#include "emu/chardev/file.h"
#include "emu/chardev/relay.h"
#include "emu/io/file-sink.h"
#include "emu/io/offload.h"

namespace rhea::chardev {

namespace {

// Held for a file that does not take it; beyond it the log has a gap, which it tells.
constexpr std::size_t kMostPending = std::size_t{4} << 20;

class LogFile {
 public:
  LogFile(Fd fd, WorkerPool& workers) : sink_(std::make_shared<FileSink>(std::move(fd))), workers_(workers) {}

  void write(std::string_view bytes) {
    if (sink_->pending() > kMostPending) {
      lost_ += bytes.size();
      return;
    }
    std::string text;
    if (lost_ > 0) text = fmt::format("\n[{} bytes are missing here]\n", std::exchange(lost_, 0));
    text += bytes;
    if (sink_->append(text)) workers_.submit([sink = sink_] { sink->writeAll(); });
  }
  void wait(TimePoint until) { sink_->wait(until); }

 private:
  std::shared_ptr<FileSink> sink_;
  std::size_t lost_ = 0;
  WorkerPool& workers_;
};

class LoggedStream final : public Relay {
 public:
  LoggedStream(std::shared_ptr<Stream> below, std::shared_ptr<LogFile> log)
      : Relay(std::move(below)), log_(std::move(log)) {}
  void write(std::string_view bytes) override {
    log_->write(bytes);
    Relay::write(bytes);
  }

 private:
  std::shared_ptr<LogFile> log_;
};

// Stands before a front end and gives it streams with a log.
class LoggedFrontEnd final : public FrontEnd {
 public:
  LoggedFrontEnd(FrontEnd& inside, std::shared_ptr<LogFile> log) : inside_(inside), log_(std::move(log)) {}
  std::string description() const override { return inside_.description(); }
  bool servesMany() const override { return inside_.servesMany(); }
  bool isOpen() const override { return inside_.isOpen(); }
  void opened(std::shared_ptr<Stream> stream) override {
    inside_.opened(std::make_shared<LoggedStream>(std::move(stream), log_));
  }
  const FrontEnd& inside() const { return inside_; }

 private:
  FrontEnd& inside_;
  std::shared_ptr<LogFile> log_;
};

class LoggedBackend final : public Backend {
 public:
  LoggedBackend(std::unique_ptr<Backend> below, std::shared_ptr<LogFile> log)
      : log_(std::move(log)), below_(std::move(below)) {}

  std::string filename() const override { return below_->filename(); }
  void attach(FrontEnd& frontEnd) override {
    frontEnds_.push_back(std::make_unique<LoggedFrontEnd>(frontEnd, log_));
    below_->attach(*frontEnds_.back());
  }
  void detach(FrontEnd& frontEnd) override {
    const auto found = std::ranges::find_if(frontEnds_, [&](const auto& one) { return &one->inside() == &frontEnd; });
    if (found == frontEnds_.end()) return;
    below_->detach(**found);
    frontEnds_.erase(found);
  }
  std::size_t mostFrontEnds() const override { return below_->mostFrontEnds(); }
  std::string ptyName() const override { return below_->ptyName(); }
  RingBuffer* ringBuffer() override { return below_->ringBuffer(); }
  Task<Result<void>> waitForClient(CancelToken cancel) override { return below_->waitForClient(std::move(cancel)); }
  void drain(TimePoint until) override {
    below_->drain(until);
    log_->wait(until);
  }

 private:
  std::shared_ptr<LogFile> log_;
  std::vector<std::unique_ptr<LoggedFrontEnd>> frontEnds_;
  std::unique_ptr<Backend> below_;  // goes first: it ends the conversations
};

}  // namespace

Task<Result<std::unique_ptr<Backend>>> addLog(Outlet& outlet, FdSets& fdSets, LogOptions options,
                                              std::unique_ptr<Backend> backend) {
  auto open = [&fdSets, &options] { return openForWriting(fdSets, options.file, options.append); };
  Result<Fd> file = co_await offload(open);
  if (!file.ok()) co_return file.takeError().context("logfile");
  auto log = std::make_shared<LogFile>(*std::move(file), outlet.loop().workers());
  co_return std::unique_ptr<Backend>(std::make_unique<LoggedBackend>(std::move(backend), std::move(log)));
}

}  // namespace rhea::chardev
