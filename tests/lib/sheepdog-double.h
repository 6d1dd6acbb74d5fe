// A Sheepdog gateway for tests: a thread that speaks the protocol on a loopback port (or a local socket) for a cluster
// in memory, on which several gateways may stand. It can lose power, go and come back, answer late, out of order,
// wrongly, in part or never, and notes what a client must not do: requests that overlap while they are on their way,
// writes that straddle the parts of an inode, second creations.
#pragma once

#include <chrono>
#include <condition_variable>
#include <list>
#include <memory>
#include <random>
#include <thread>

#include "emu/io/fd.h"
#include "tests/lib/sheepdog-store.h"

namespace rhea::test {

// What is done to requests that fit, instead of answering them. Rules are looked at in their order.
struct SheepRule {
  enum class Action : std::uint8_t {
    kResult,       // answers `argument` without doing anything
    kCloseBefore,  // closes the connection without doing anything
    kCloseAfter,   // does it and closes the connection
    kHold,         // waits for release(); then it is done
    kLate,         // is done `argument` microseconds later; others overtake it
    kWrongId,      // does it; the reply has another id
    kWrongOp,
    kTooLong,   // the reply says that `argument` more bytes follow than were asked for
    kShort,     // the reply's payload is `argument` bytes shorter
    kCutReply,  // half of the reply, then the end
    kTail,      // the reply and at once bytes that are none, and the end
    kGarbage,   // something that is no reply, `bytes` or what a web server says, and the end
    kPayload,   // bytes of the reply's payload from `argument` on are replaced by `bytes`
  };
  SheepRule(block::sheepdog::Op which, Action does, std::uint32_t with = 0) : op(which), action(does), argument(with) {}
  block::sheepdog::Op op;
  Action action;
  std::uint32_t argument = 0;
  std::uint64_t oid = 0;      // 0: any
  std::uint64_t oidBits = 0;  // any whose type bits are these
  bool dataOnly = false;      // of objects of disks
  int skip = 0;               // so many that fit pass first
  int count = 1;              // then so many are hit; -1: all
  std::vector<std::byte> bytes;
};

struct SheepSeen {
  int connection = 0;    // from 1 on, in the order of their making
  SheepRequest request;  // without the payload where it is longer than 512 bytes
  std::uint64_t payloadBytes = 0;
  std::uint32_t result = 0;
};

class SheepdogDouble {
 public:
  struct Options {
    bool cache = false;
    bool reorder = false;  // requests that are there together are done in any order
    std::uint64_t seed = 1;
    std::string unixPath;    // empty: TCP
    std::uint16_t port = 0;  // 0: one that is free
    bool keepLog = true;
    std::chrono::microseconds latency{0};  // that each request takes, side by side
  };
  explicit SheepdogDouble(std::shared_ptr<SheepCluster> cluster) : SheepdogDouble(std::move(cluster), Options()) {}
  SheepdogDouble(std::shared_ptr<SheepCluster> cluster, Options options);
  ~SheepdogDouble();
  SheepdogDouble(const SheepdogDouble&) = delete;
  SheepdogDouble& operator=(const SheepdogDouble&) = delete;

  std::uint16_t port() const { return port_; }
  SheepCluster& cluster() { return *cluster_; }
  // "sheepdog://127.0.0.1:PORT/NAME".
  std::string uri(const std::string& name) const;

  // The gateway dies: connections end, nobody listens. Its cache is kept on its disk, unless power went.
  void stop();
  void start();  // again, at the same address
  // Everything that was not flushed is gone.
  void powerCut();
  // Connections end; new ones are taken.
  void closeConnections();
  // Connections are taken, and nothing is read from them, until thaw().
  void freeze();
  void thaw();

  void add(SheepRule rule);
  void clearRules();
  // Requests that are held, at the moment; waits until there are as many.
  std::size_t held();
  void awaitHeld(std::size_t count);
  void release(bool backwards = false);

  std::vector<SheepSeen> log();
  void clearLog();
  std::size_t seen(block::sheepdog::Op op);
  // Of the cluster and of this gateway; empty: the client did everything right.
  std::vector<std::string> violations();

 private:
  struct Connection {
    Fd fd;
    int number = 0;
    std::vector<std::byte> in;
    std::vector<std::byte> out;
    bool closing = false;
  };
  struct Pending {
    std::shared_ptr<Connection> from;
    SheepRequest request;
    bool held = false;
    bool released = false;
    std::chrono::steady_clock::time_point due;
    std::optional<SheepRule> rule;
  };

  void listen();
  void run();
  bool turn(std::chrono::nanoseconds timeout);
  bool takeIn(const std::shared_ptr<Connection>& connection);
  void parse(const std::shared_ptr<Connection>& connection);
  void noteOverlap(const Pending& pending);
  std::optional<SheepRule> ruleFor(const SheepRequest& request);
  void perform(Pending& pending);
  void reply(Pending& pending, SheepAnswer answer);
  static void sendOut(Connection& connection);
  void wake();
  void endConnections();

  std::shared_ptr<SheepCluster> cluster_;
  Options options_;
  std::mutex guard_;  // all below; taken before the cluster's
  std::condition_variable changed_;
  SheepCache cache_;
  Fd listener_;
  Fd keeper_;
  std::uint16_t port_ = 0;
  std::list<std::shared_ptr<Connection>> connections_;
  std::list<Pending> pending_;
  std::vector<SheepRule> rules_;
  std::vector<SheepSeen> log_;
  std::vector<std::string> violations_;
  std::mt19937_64 random_;
  int made_ = 0;
  bool frozen_ = false;
  bool ending_ = false;
  Fd wakeup_;
  std::thread thread_;
};

}  // namespace rhea::test
