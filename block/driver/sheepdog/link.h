// Link: the way to the cluster: one connection at a time to one of several gateways, on which requests go out without
// waiting for one another and replies come in any order.
//
// When a connection is lost the link calls again, with growing pauses, for as long as it lives. Requests that were on
// their way wait, and are sent again: each is answered once to whoever sent it. What must not be done twice
// (Call::once) is answered with lost instead, and whoever sent it finds out what has become of it.
//
// Lives on one loop at a time.
#pragma once

#include "block/driver/sheepdog/address.h"
#include "block/driver/sheepdog/reply-reader.h"
#include "emu/io/sync.h"

namespace rhea::block::sheepdog {

class Link;

// One request; lives in the frame of whoever waits for it.
class Call {
 public:
  // `out`: the payload; `in`: the room for the reply's. Both are the caller's memory until it is answered.
  explicit Call(const Request& what, IoVector out = {}, IoVector in = {}) : request(what), payload(out), room(in) {}
  Call(const Call&) = delete;
  Call& operator=(const Call&) = delete;

  Request request;
  IoVector payload;
  IoVector room;
  bool once = false;  // not to be sent again when a connection is lost after some of it went out

  // --- The outcome. Either a reply, whatever its result; or lost, with `once`; or failure.
  Reply reply;
  bool lost = false;
  std::optional<Error> failure;
  bool succeeded() const { return !lost && !failure && reply.result == 0; }

 private:
  friend class Link;
  struct Waiting : Loop::Mail {
    std::coroutine_handle<> waiter;
  };
  Waiting waiting_;
  Call* next_ = nullptr;
  Call* previous_ = nullptr;
  std::uint32_t id_ = 0;
  std::uint64_t sent_ = 0;  // of header and payload, bytes
  unsigned strikes_ = 0;    // conversations that broke on nonsense while it was on its way
};

// What is said first on each connection, before anything else goes out.
class Greeter {
 public:
  virtual ~Greeter() = default;
  // By Link::urgent() alone. Error: the gateway cannot be used; the next one is tried.
  virtual Task<Result<void>> greet() = 0;
};

struct LinkSettings {
  std::vector<Address> servers;                     // the first is preferred until another one worked
  std::string about;                                // "VDI 'x'": what it is called for, in errors
  std::uint32_t depth = 64;                         // requests on their way at a time
  Duration pause = std::chrono::milliseconds(100);  // before the first new call, and before asking again; grows tenfold
  std::optional<Duration> patience;                 // requests fail after so long without a gateway; none: never
};

// Changed on the link's loop, read anywhere.
struct LinkCounts {
  std::atomic<std::uint64_t> connections{0};
  std::atomic<std::uint64_t> requests{0};
  std::atomic<std::uint64_t> replies{0};
  std::atomic<std::uint64_t> resent{0};
  std::atomic<std::uint64_t> lost{0};  // connections
};

class Link final : private Loop::RoundEnd, private ReplySink {
 public:
  Link(LinkSettings settings, Greeter& greeter);
  ~Link() override;

  // The first connection: each server once. Error: of the last one, where there are several of all of them.
  Task<Result<void>> open(CancelToken cancel);
  // As after a connection that was lost: begins to call, and requests wait.
  void openLater(const Error& why);
  // Requests that wait fail; no more calls. The link can be opened again, on another loop.
  Task<void> close();

  // `co_await link.perform(call)`. In the order of calling, as far as the depth allows.
  auto perform(Call& call) { return Awaiter(*this, call, pending_); }
  // For greetings: goes out before all others. Lost with the connection, always.
  auto urgent(Call& call) {
    call.once = true;
    return Awaiter(*this, call, urgent_);
  }
  // The connection is no use any more: as if it had been lost.
  void drop(const std::string& why) { lose(Error(why), false); }

  bool isUp() const { return state_ == State::kUp; }
  // The gateway of the present or the last connection.
  const Address& server() const { return settings_.servers[current_]; }
  // "the Sheepdog server 127.0.0.1:7000, VDI 'x'": what errors begin with.
  std::string where() const;
  const LinkSettings& settings() const { return settings_; }
  // Why there is no connection; empty: there is one.
  const std::string& trouble() const { return trouble_; }
  const LinkCounts& counts() const { return counts_; }
  int descriptor() const { return fd_.get(); }

 private:
  enum class State : std::uint8_t { kClosed, kCalling, kGreeting, kUp };

  // Intrusive, in order; a call is on one list at most.
  struct List {
    Call* first = nullptr;
    Call* last = nullptr;
    bool empty() const { return first == nullptr; }
    void append(Call& call);
    void remove(Call& call);
    Call* takeFirst();
  };

  class Awaiter {
   public:
    Awaiter(Link& link, Call& call, List& list) : link_(link), call_(call), list_(list) {}
    bool await_ready() const noexcept { return false; }
    bool await_suspend(std::coroutine_handle<> waiter) {
      call_.waiting_.waiter = waiter;
      return link_.enqueue(call_, list_);
    }
    void await_resume() const noexcept {}

   private:
    Link& link_;
    Call& call_;
    List& list_;
  };

  bool enqueue(Call& call, List& list);
  void answer(Call& call);
  void fail(Call& call, const Error& why);
  void failAll(const Error& why);

  // --- link-calls.cc: the life of connections.
  void prepare();
  Task<void> stayConnected();
  Task<Result<void>> connectOnce(CancelToken cancel);
  Task<Result<void>> connectTo(std::size_t server, CancelToken cancel);
  void start(Fd fd);
  void lose(const Error& why, bool nonsense);
  void resume();
  void startPatience();

  // --- link-wire.cc: bytes.
  void endOfRound() override { send(); }
  void send();
  bool fillSending();
  bool advance(std::size_t bytes);
  void receive();
  Result<IoVector> begin(const Reply& reply) override;
  void end(const Reply& reply) override;
  Call*& slotOf(std::uint32_t id) { return table_[id & (table_.size() - 1)]; }

  LinkSettings settings_;
  Greeter& greeter_;
  Loop* loop_ = nullptr;
  State state_ = State::kClosed;
  std::size_t current_ = 0;
  Fd fd_;
  std::unique_ptr<Loop::Watch> readable_;
  std::unique_ptr<Loop::Watch> writable_;
  bool blocked_ = false;  // the socket takes nothing at the moment

  List urgent_;                 // not sent yet
  List pending_;                // not sent yet
  List sending_;                // got an id; the first may be sent in part
  List sent_;                   // wait for their replies, in the order of sending
  List held_;                   // were on their way when the connection was lost
  std::size_t onTheirWay_ = 0;  // sending_ and sent_
  std::vector<Call*> table_;    // by id
  std::uint32_t nextId_ = 0;
  ReplyReader reader_;
  std::vector<std::byte> buffer_;

  Event lostEvent_;
  bool refusing_ = false;  // patience is over
  std::unique_ptr<Loop::Watch> patience_;
  std::unique_ptr<CancelSource> closing_;
  TaskGroup tasks_;
  std::string trouble_;
  LinkCounts counts_;
};

}  // namespace rhea::block::sheepdog
