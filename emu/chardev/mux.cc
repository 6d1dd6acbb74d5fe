#include "emu/chardev/mux.h"

namespace rhea::chardev {

namespace {

constexpr char kEscape = 0x01;  // Ctrl-A
constexpr std::size_t kMostFrontEnds = 8;
constexpr std::string_view kHelp =
    "\r\n"
    "Ctrl-A h    this help\r\n"
    "Ctrl-A c    next console (monitor, serial ports)\r\n"
    "Ctrl-A x    end the program\r\n"
    "Ctrl-A s    flush the disks\r\n"
    "Ctrl-A b    send a break\r\n"
    "Ctrl-A Ctrl-A   send Ctrl-A\r\n";

class Mux;

// What one front end of the mux talks to.
class MuxStream final : public Stream {
 public:
  MuxStream(std::string address, Mux& mux) : Stream(std::move(address)), mux_(&mux) {}
  void receive(Receiver* receiver) override { receiver_ = receiver; }
  void write(std::string_view bytes) override;
  std::size_t pending() const override;
  void pause(bool paused) override;
  void close() override;
  bool isOpen() const override { return mux_ != nullptr; }
  int terminal() const override;
  void setRaw(bool raw) override;

  Receiver* receiver() const { return receiver_; }
  bool paused() const { return paused_; }
  // The mux goes, or its outside ended the conversation.
  void end() {
    mux_ = nullptr;
    if (Receiver* receiver = std::exchange(receiver_, nullptr)) receiver->closed();
  }

 private:
  Mux* mux_;
  Receiver* receiver_ = nullptr;
  bool paused_ = false;
};

class Mux final : public Backend, public FrontEnd, public Receiver {
 public:
  Mux(Chardev& base, const MuxActions& actions) : base_(base), actions_(actions) {}
  ~Mux() override {
    endStreams();
    base_.detach(*this);
  }
  Result<void> start() { return base_.attach(*this); }

  // As a back end.
  std::string filename() const override { return "mux"; }
  std::size_t mostFrontEnds() const override { return kMostFrontEnds; }
  void attach(FrontEnd& frontEnd) override {
    users_.push_back({&frontEnd, nullptr});
    if (outside_) openFor(users_.size() - 1);
  }
  void detach(FrontEnd& frontEnd) override {
    const auto found = std::ranges::find(users_, &frontEnd, &User::frontEnd);
    if (found == users_.end()) return;
    const auto stream = found->stream;
    users_.erase(found);
    if (focus_ >= users_.size()) focus_ = 0;
    if (stream) stream->end();
    giveFocus(true);
  }
  void drain(TimePoint until) override { base_.backend().drain(until); }

  // As the front end of the chardev below.
  std::string description() const override { return fmt::format("mux on '{}'", base_.id()); }
  bool isOpen() const override {
    return std::ranges::any_of(users_, [](const User& user) { return user.frontEnd->isOpen(); });
  }
  void opened(std::shared_ptr<Stream> stream) override {
    outside_ = std::move(stream);
    outside_->setRaw(true);
    for (std::size_t user = 0; user < users_.size(); ++user) openFor(user);
    outside_->receive(this);
  }

  // As the receiver of its bytes.
  void received(std::string_view bytes, std::vector<Fd> /*fds*/) override {
    std::string plain;
    for (const char byte : bytes) {
      if (escaped_) {
        escaped_ = false;
        if (byte == kEscape) {
          plain.push_back(byte);
        } else {
          pass(std::exchange(plain, {}));
          command(byte);
        }
      } else if (byte == kEscape) {
        escaped_ = true;
      } else {
        plain.push_back(byte);
      }
    }
    pass(std::move(plain));
  }
  void drained() override {
    for (const auto& stream : streams()) {
      if (stream->receiver() != nullptr) stream->receiver()->drained();
    }
  }
  void breakReceived() override {
    if (Receiver* receiver = focused()) receiver->breakReceived();
  }
  void closed() override {
    outside_.reset();
    endStreams();
  }

  Stream* outside() const { return outside_.get(); }
  // Nothing is read while the one with the keyboard does not want it.
  void updatePause() {
    if (outside_ && focus_ < users_.size() && users_[focus_].stream) outside_->pause(users_[focus_].stream->paused());
  }
  void left(const MuxStream& stream) {
    for (User& user : users_) {
      if (user.stream.get() == &stream) user.stream.reset();
    }
  }

 private:
  struct User {
    FrontEnd* frontEnd;
    std::shared_ptr<MuxStream> stream;
  };
  std::vector<std::shared_ptr<MuxStream>> streams() const {
    std::vector<std::shared_ptr<MuxStream>> result;
    for (const User& user : users_) {
      if (user.stream) result.push_back(user.stream);
    }
    return result;
  }
  Receiver* focused() const {
    return focus_ < users_.size() && users_[focus_].stream ? users_[focus_].stream->receiver() : nullptr;
  }
  void openFor(std::size_t index) {
    User& user = users_[index];
    user.stream = std::make_shared<MuxStream>(outside_->address(), *this);
    user.frontEnd->opened(user.stream);
    if (index == focus_) giveFocus(true);
  }
  void giveFocus(bool mine) {
    if (Receiver* receiver = focused()) receiver->focused(mine);
    updatePause();
  }
  void endStreams() {
    for (const auto& stream : streams()) stream->end();
    for (User& user : users_) user.stream.reset();
  }
  void pass(std::string bytes) {
    Receiver* receiver = focused();
    if (receiver != nullptr && !bytes.empty()) receiver->received(bytes, {});
  }
  void command(char key) {
    switch (key) {
      case 'c':
        if (users_.size() < 2) return;
        giveFocus(false);
        focus_ = (focus_ + 1) % users_.size();
        giveFocus(true);
        return;
      case 'x':
        if (outside_) outside_->write("\r\n");
        if (actions_.quit) actions_.quit();
        return;
      case 's':
        if (actions_.saveDisks) actions_.saveDisks();
        return;
      case 'b':
        breakReceived();
        return;
      default:
        if (outside_) outside_->write(kHelp);
    }
  }

  Chardev& base_;
  const MuxActions& actions_;
  std::shared_ptr<Stream> outside_;
  std::vector<User> users_;
  std::size_t focus_ = 0;
  bool escaped_ = false;
};

void MuxStream::write(std::string_view bytes) {
  if (mux_ != nullptr && mux_->outside() != nullptr) mux_->outside()->write(bytes);
}
std::size_t MuxStream::pending() const {
  return mux_ != nullptr && mux_->outside() != nullptr ? mux_->outside()->pending() : 0;
}
void MuxStream::pause(bool paused) {
  paused_ = paused;
  if (mux_ != nullptr) mux_->updatePause();
}
void MuxStream::close() {
  if (mux_ == nullptr) return;
  const auto self = shared_from_this();
  mux_->left(*this);
  end();
}
int MuxStream::terminal() const {
  return mux_ != nullptr && mux_->outside() != nullptr ? mux_->outside()->terminal() : -1;
}
void MuxStream::setRaw(bool /*raw*/) {}  // always raw: the keys after Ctrl-A are the mux's

}  // namespace

Result<std::unique_ptr<Backend>> makeMux(Chardev& base, const MuxActions& actions) {
  auto mux = std::make_unique<Mux>(base, actions);
  RHEA_CHECK(mux->start());
  return std::unique_ptr<Backend>(std::move(mux));
}

}  // namespace rhea::chardev
