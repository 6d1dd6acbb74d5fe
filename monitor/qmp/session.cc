#include "monitor/qmp/session.h"

#include "emu/base/json-writer.h"
#include "emu/io/offload.h"

namespace rhea::monitor {

namespace {

// Commands that wait behind the one that runs before the session stops reading.
constexpr std::size_t kMostQueued = 256;
// Longer messages are taken apart by a worker: at 10 ns a byte they would keep the loop from everybody else.
constexpr std::size_t kReadAtOnce = std::size_t{64} << 10;
// Output that the client has not read before the session stops reading and running.
constexpr std::size_t kMostOutput = std::size_t{1} << 20;
// Events that the client has not read before further ones are dropped.
constexpr std::size_t kMostEventBytes = std::size_t{4} << 20;

Peer peerOf(const Session::Settings& settings, const chardev::Stream& stream) {
  Peer peer;
  peer.session = settings.id;
  peer.who = describe(stream.credentials());
  if (peer.who.empty()) peer.who = stream.address();
  peer.pid = stream.credentials().pid;
  peer.uid = stream.credentials().uid;
  peer.mayChange = settings.mayChange;
  return peer;
}

}  // namespace

Session::Session(QmpEnvironment& environment, Settings settings, std::shared_ptr<chardev::Stream> stream,
                 std::function<void()> closed)
    : environment_(environment),
      settings_(std::move(settings)),
      stream_(std::move(stream)),
      closed_(std::move(closed)),
      fds_(std::make_shared<ReceivedFds>(stream_->passesFds())),
      caller_(std::make_shared<const Caller>(peerOf(settings_, *stream_), fds_)),
      since_(Clock::now()) {
  environment_.clients.add(*this);
  environment_.events.add(*this);
}

Session::~Session() {
  if (!open_) return;
  stream_->receive(nullptr);
  environment_.events.remove(*this);
  environment_.clients.remove(*this);
}

void Session::start() {
  send(fmt::format(R"({{"QMP": {{"version": {}, "capabilities": ["oob"]}}}})", environment_.version));
  stream_->receive(this);
}

void Session::close() {
  const auto self = shared_from_this();
  stream_->close();
}

void Session::closed() {
  const auto self = shared_from_this();
  open_ = false;
  queue_.clear();
  environment_.events.remove(*this);
  environment_.clients.remove(*this);
  if (const auto told = std::exchange(closed_, nullptr)) told();
}

bool Session::inputEnded() {
  inputEnded_ = true;
  pump();
  return true;
}

void Session::received(std::string_view bytes, std::vector<Fd> fds) {
  framer_.feed(bytes);
  if (fds.empty()) return pump();
  // All messages that end in these bytes are cut out now, so that it is known to which of them the descriptors belong.
  const std::uint64_t first = messages_;
  while (auto frame = framer_.nextFrame()) {
    frame->keep();
    waiting_.push_back({*std::move(frame), messages_++});
  }
  const bool unfinished = framer_.held() > 0;
  fds_->came(std::move(fds), first, unfinished || messages_ == first ? messages_ : messages_ - 1);
  pump();
}

void Session::drained() {
  tellDropped();
  // In a turn of its own: a client whose requests are short and whose replies are long must not keep the loop.
  environment_.dispatcher.loop().post([weak = weak_from_this()] {
    if (const auto self = weak.lock()) self->pump();
  });
}

bool Session::outputFull() const { return stream_->pending() > kMostOutput; }

bool Session::queueFull() const { return queue_.size() + oobRunning_ >= kMostQueued; }

// Goes on as far as it can: runs what waits, reads what came.
void Session::pump() {
  if (pumping_ || !open_) return;
  const auto self = shared_from_this();
  pumping_ = true;
  while (open_ && !outputFull()) {
    if (!running_ && !queue_.empty()) {
      Request next = std::move(queue_.front());
      queue_.pop_front();
      begin(std::move(next));
    } else if (queueFull() || !takeMessage()) {
      break;
    }
  }
  pumping_ = false;
  if (!open_) return;
  const bool idle = !running_ && !reading_ && oobRunning_ == 0 && queue_.empty();
  if (inputEnded_ && idle && !outputFull()) return stream_->finish();
  const bool pause = reading_ || queueFull() || outputFull();
  if (pause == paused_) return;
  paused_ = pause;
  stream_->pause(pause);
}

std::optional<Session::Waiting> Session::nextWaiting() {
  if (!waiting_.empty()) {
    Waiting first = std::move(waiting_.front());
    waiting_.pop_front();
    return first;
  }
  std::optional<json::Frame> frame = framer_.nextFrame();
  if (!frame && inputEnded_) frame = framer_.finishFrame();
  if (!frame) return std::nullopt;
  return Waiting{*std::move(frame), messages_++};
}

bool Session::takeMessage() {
  if (reading_) return false;
  std::optional<Waiting> next = nextWaiting();
  if (!next) return false;
  if (next->frame.size() > kReadAtOnce) {
    reading_ = true;
    next->frame.keep();
    readElsewhere(weak_from_this(), *std::move(next), environment_.dispatcher.loop());
    return false;
  }
  take(readMessage(next->frame), next->number);
  return true;
}

// The client may go meanwhile.
Detached Session::readElsewhere(std::weak_ptr<Session> session, Waiting waiting, Loop& loop) {
  const std::uint64_t number = waiting.number;
  auto read = [frame = std::move(waiting.frame)]() mutable {
    const json::Frame last = std::move(frame);  // its memory goes here, too
    return readMessage(last);
  };
  ReadMessage message = co_await offload(std::move(read));
  // What is left of it when it has been answered is given back by a worker: unmapping tens of megabytes takes time.
  const std::shared_ptr<Session> self = session.lock();
  if (self && self->open_) {
    const json::Value document = message.document;
    self->reading_ = false;
    self->take(std::move(message), number);
    self->pump();
    std::function<void()> drop = [document] {};
    loop.workers().submit(std::move(drop));
  }
}

void Session::take(ReadMessage message, std::uint64_t number) {
  if (!message.request.ok()) return reply(message.request.error(), message.id);
  message.request->id = std::move(message.id);
  message.request->number = number;
  admit(*std::move(message.request));
}

void Session::admit(Request request) {
  ++commands_;
  if (request.oob) {
    if (!oob_) {
      return reply(Error("exec-oob was not negotiated")
                       .where("exec-oob")
                       .hint(R"(ask for it first: {"execute": "qmp_capabilities", "arguments": {"enable": ["oob"]}})"),
                   request.id);
    }
    if (const CommandEntry* entry = environment_.dispatcher.find(request.command);
        entry != nullptr && !entry->info->allowOob) {
      return reply(Error(fmt::format("'{}' cannot run out of band", request.command)).hint("send it by execute"),
                   request.id);
    }
    return begin(std::move(request));
  }
  if (running_ || !queue_.empty()) return queue_.push_back(std::move(request));
  begin(std::move(request));
}

// The handshake: one command before it, any but that one after it.
Result<void> Session::mayRunNow(const Request& request) const {
  constexpr std::string_view kNegotiate = "qmp_capabilities";
  if (!negotiated_ && request.command != kNegotiate) {
    return Error(ErrorClass::kCommandNotFound,
                 fmt::format("'{}' has to wait: capabilities are not negotiated yet", request.command.substr(0, 80)))
        .expected(R"({"execute": "qmp_capabilities"})")
        .hint("send qmp_capabilities first, once");
  }
  return success();
}

void Session::begin(Request request) {
  if (Result<void> now = mayRunNow(request); !now.ok()) return reply(now.error(), request.id);
  Result<const CommandEntry*> entry = environment_.dispatcher.lookUp(request.command);
  if (!entry.ok()) return reply(entry.error(), request.id);
  const bool inBand = !request.oob;
  if (inBand) {
    running_ = true;
    fds_->beginMessage(request.number);
  } else {
    ++oobRunning_;
  }
  Dispatcher::Call call(**entry, std::move(request.arguments));
  call.timeout = request.timeout;
  environment_.dispatcher.start(
      caller_, std::move(call),
      [weak = weak_from_this(), id = std::move(request.id), inBand](Dispatcher::Outcome outcome) {
        if (const auto self = weak.lock()) self->answer(id, inBand, std::move(outcome));
      });
}

void Session::answer(const std::string& id, bool inBand, Dispatcher::Outcome outcome) {
  if (inBand) {
    running_ = false;
  } else {
    --oobRunning_;
  }
  if (!open_) return;
  std::string line;
  if (outcome.result.ok()) {
    line.reserve(outcome.result->size() + id.size() + 32);
    appendReply(line, *outcome.result, id);
  } else {
    appendError(line, outcome.result.error(), id, outcome.operation);
  }
  send(std::move(line));
  pump();
}

void Session::reply(const Error& error, const std::string& id) {
  std::string line;
  appendError(line, error, id);
  send(std::move(line));
}

void Session::send(std::string line) {
  if (settings_.pretty) {
    if (const Result<json::Value> value = json::parse(line); value.ok()) line = json::pretty(*value);
  }
  line += "\r\n";
  stream_->write(line);
}

bool Session::wants(std::string_view event) const {
  return !subscribed_ || std::ranges::binary_search(*subscribed_, event);
}

void Session::heard(std::string_view name, std::string_view message) {
  if (!open_ || !negotiated_ || !wants(name)) return;
  if (stream_->pending() == 0) {
    eventsQueued_ = 0;
    eventBytes_ = 0;
  }
  if (dropped_ > 0 || eventBytes_ > kMostEventBytes) {
    ++dropped_;
    ++droppedEver_;
    return;
  }
  ++eventsQueued_;
  eventBytes_ += message.size();
  send(std::string(message));
}

void Session::tellDropped() {
  eventsQueued_ = 0;
  eventBytes_ = 0;
  if (dropped_ == 0) return;
  send(EventHub::render("EVENTS_DROPPED", fmt::format("{{\"count\": {}}}", std::exchange(dropped_, 0)),
                        std::chrono::system_clock::now()));
}

Client::Info Session::info() const {
  Info result;
  result.id = settings_.id;
  result.mayChange = settings_.mayChange;
  result.address = stream_->address();
  result.who = describe(stream_->credentials());
  result.commands = commands_;
  result.eventsQueued = stream_->pending() == 0 ? 0 : eventsQueued_;
  result.eventsDropped = droppedEver_;
  result.oob = oob_;
  result.since = since_;
  return result;
}

Result<void> Session::negotiate(bool oob) {
  if (negotiated_) {
    return Error(ErrorClass::kCommandNotFound, "capabilities were negotiated already")
        .hint("connect anew to negotiate again");
  }
  negotiated_ = true;
  oob_ = oob;
  return success();
}

Result<void> Session::subscribe(std::optional<std::vector<std::string>> names) {
  subscribed_ = std::move(names);
  return success();
}

}  // namespace rhea::monitor
