// KillWriter: a random writer through the program rhea-io, killed with SIGKILL at a random moment; and what it was
// answered until then, for the comparison with what is left.
#pragma once

#include <random>
#include <string>

#include "block/tool/prove/history.h"

namespace rhea::test {

struct KillPlan {
  std::string program;  // rhea-io
  std::string folder;   // of the image and of the writer's files
  std::string image;    // file name in it
  std::string format;
  std::string mode;
  std::vector<std::string> changes;  // modes to go to under load
  std::uint64_t diskBytes = 1 << 20;
  bool keepsMetadata = false;
  std::uint64_t seed = 1;
};

class KillWriter {
 public:
  explicit KillWriter(KillPlan plan);
  ~KillWriter();
  KillWriter(const KillWriter&) = delete;
  KillWriter& operator=(const KillWriter&) = delete;

  // Writes until the moment of the kill, then reads what had been answered. False: it did not come to writing; why()
  // tells.
  bool run();
  const std::string& why() const { return why_; }
  block::prove::History& history() { return history_; }
  // The moment of the kill in the history.
  std::uint64_t now() const { return now_; }
  std::size_t answered() const { return answered_; }

 private:
  struct InFlight {
    std::uint32_t number = 0;
    block::Extent at;
  };
  void start();
  bool awaitPrompt();
  void end();
  bool sendNext();
  block::Extent nextPlace();
  std::string writeLine();
  // Reads what has come; false: the writer has ended.
  bool take(int waitMilliseconds);
  void takeText();
  void prompted();
  std::uint64_t below(std::uint64_t bound) {
    return std::uniform_int_distribution<std::uint64_t>(0, bound - 1)(random_);
  }

  KillPlan plan_;
  std::mt19937_64 random_;
  block::prove::History history_;
  std::uint64_t now_ = 0;
  std::size_t answered_ = 0;
  pid_t pid_ = -1;
  int to_ = -1;
  int from_ = -1;
  std::string text_;  // read, not understood yet
  bool ready_ = false;
  std::vector<InFlight> inFlight_;
  std::optional<block::prove::History::Flush> flush_;  // the line in hand
  std::optional<block::CacheSwitches> change_;         // the same
  std::size_t nextChange_ = 0;
  std::uint32_t lines_ = 0;
  std::string why_;
};

}  // namespace rhea::test
