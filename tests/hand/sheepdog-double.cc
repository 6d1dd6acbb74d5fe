// A Sheepdog gateway to try the emulator and its tools on, where no daemon is at hand: the tests' double, until it is
// told to end. What it keeps is gone then. See docs/drivers/sheepdog.md.
//
//   BUILD/hand/sheepdog-double [OPTION...]
//     --daemon=0.8|0.9|1.0  whose behaviour (1.0)      --cache           with an object cache (0.9)
//     --locks               a cluster with locks       --reorder         requests are done in any order
//     --port=N              of 127.0.0.1 (any)         --socket=PATH     a local socket instead
//     --latency=N           microseconds of a request  --make=NAME:SIZE  a disk that is there from the beginning
//
// It says where it listens, and ends on SIGINT or SIGTERM with status 1 where a client did what none must do.
#include "tests/lib/sheepdog-double.h"

#include <charconv>
#include <csignal>
#include <cstdio>
#include <cstdlib>

#include "emu/base/size.h"

namespace {

using namespace rhea;
using rhea::test::SheepCluster;
using rhea::test::SheepdogDouble;
using rhea::test::SheepEra;

[[noreturn]] void refuse(std::string_view word, std::string_view expected) {
  fmt::print(stderr, "sheepdog-double: '{}' is not understood; expected {}\n", word, expected);
  std::exit(2);
}

struct Wish {
  test::SheepSetting setting;
  SheepdogDouble::Options options;
  std::vector<std::pair<std::string, std::uint64_t>> disks;
};

unsigned numberOf(std::string_view word, std::string_view value, unsigned most) {
  unsigned number = 0;
  const auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), number);
  if (error != std::errc() || end != value.data() + value.size() || number > most) {
    refuse(word, fmt::format("a number up to {}", most));
  }
  return number;
}

SheepEra eraOf(std::string_view word, std::string_view value) {
  if (value == "0.8") return SheepEra::k08;
  if (value == "0.9") return SheepEra::k09;
  if (value == "1.0") return SheepEra::k10;
  refuse(word, "--daemon=0.8, 0.9 or 1.0");
}

void take(Wish& wish, std::string_view word) {
  const std::size_t equals = word.find('=');
  const std::string_view key = word.substr(0, equals);
  const std::string_view value = equals == std::string_view::npos ? std::string_view() : word.substr(equals + 1);
  if (key == "--daemon") {
    wish.setting.era = eraOf(word, value);
  } else if (word == "--cache") {
    wish.options.cache = true;
  } else if (word == "--locks") {
    wish.setting.locks = true;
  } else if (word == "--reorder") {
    wish.options.reorder = true;
  } else if (key == "--port") {
    wish.options.port = static_cast<std::uint16_t>(numberOf(word, value, 65535));
  } else if (key == "--socket" && !value.empty()) {
    wish.options.unixPath = value;
  } else if (key == "--latency") {
    wish.options.latency = std::chrono::microseconds(numberOf(word, value, 10'000'000));
  } else if (const std::size_t colon = value.rfind(':'); key == "--make" && colon != std::string_view::npos) {
    const Result<std::uint64_t> bytes = parseSize(value.substr(colon + 1));
    if (!bytes.ok() || colon == 0) refuse(word, "--make=NAME:SIZE");
    wish.disks.emplace_back(value.substr(0, colon), *bytes);
  } else {
    refuse(word, "--daemon=, --cache, --locks, --reorder, --port=, --socket=, --latency= or --make=NAME:SIZE");
  }
}

}  // namespace

int main(int count, char** words) {
  Wish wish;
  for (int i = 1; i < count; ++i) take(wish, words[i]);
  wish.options.keepLog = false;
  // The double's thread has them blocked as well: this one waits for them.
  sigset_t ends;
  sigemptyset(&ends);
  sigaddset(&ends, SIGINT);
  sigaddset(&ends, SIGTERM);
  pthread_sigmask(SIG_BLOCK, &ends, nullptr);
  const auto cluster = std::make_shared<SheepCluster>(wish.setting);
  for (const auto& [name, bytes] : wish.disks) cluster->makeVdi(name, bytes);
  SheepdogDouble sheep(cluster, wish.options);
  fmt::print("{}\n", sheep.uri("NAME"));
  std::fflush(stdout);
  int which = 0;
  sigwait(&ends, &which);
  const std::vector<std::string> violations = sheep.violations();
  for (const std::string& violation : violations) fmt::print("a client did wrong: {}\n", violation);
  return violations.empty() ? 0 : 1;
}
