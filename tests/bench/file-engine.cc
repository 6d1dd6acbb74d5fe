// 4 KiB random reads through each file engine, beside fio on the same file where fio is installed.
//
//   BUILD/bench/file-engine [SECONDS per run]      (RHEA_SCRATCH: folder of the file, default the temporary one)
#include "emu/io/file-engine.h"

#include <fcntl.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <random>

#include "emu/base/base.h"
#include "emu/io/fd.h"
#include "emu/io/loop.h"
#include "emu/io/offload.h"
#include "emu/io/sync.h"
#include "tests/lib/bench-peer.h"

namespace rhea {
namespace {

constexpr std::size_t kBlock = 4096;
constexpr std::uint64_t kFileSize = std::uint64_t{256} << 20;
constexpr int kRepeats = 3;  // the best counts, on both sides

struct Load {
  const char* name;
  bool direct;
  unsigned depth;
};
constexpr std::array<Load, 4> kLoads{{{"cached, depth 1", false, 1},
                                      {"cached, depth 32", false, 32},
                                      {"direct, depth 1", true, 1},
                                      {"direct, depth 32", true, 32}}};

struct Run {
  Run(FileEngine& theEngine, int file, TimePoint until) : engine(theEngine), fd(file), end(until) {}
  FileEngine& engine;
  int fd;
  TimePoint end;
  std::uint64_t done = 0;
};

Task<void> readUntilEnd(Run& run, unsigned seed) {
  std::minstd_rand random(seed);
  const std::unique_ptr<char, decltype(&std::free)> memory(static_cast<char*>(std::aligned_alloc(kBlock, kBlock)),
                                                           &std::free);
  const std::array<iovec, 1> data{iovec{memory.get(), kBlock}};
  for (unsigned i = 0; (i & 63U) != 0 || Clock::now() < run.end; i++) {
    FileRequest request(FileOp::kRead, run.fd, random() % (kFileSize / kBlock) * kBlock);
    request.data = data;
    const Result<std::size_t> got = co_await run.engine.submit(request);
    if (!got.ok() || *got != kBlock) std::abort();
    run.done++;
  }
}

Task<void> readAtDepth(Run& run, unsigned depth, bool& ended) {
  TaskGroup group;
  for (unsigned i = 0; i < depth; i++) group.spawn(readUntilEnd(run, i + 1));
  co_await group.join();
  ended = true;
}

// Requests a second.
double measure(const std::string& path, FileEngineKind kind, const Load& load, Duration time) {
  const Fd file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | (load.direct ? O_DIRECT : 0)));
  if (!file) return 0;
  WorkerPool workers;
  const std::unique_ptr<Loop> loop = Loop::create("bench", workers).value();
  auto engine = loop->fileEngine(kind);
  if (!engine.ok()) return 0;
  const TimePoint begin = Clock::now();
  Run run(**engine, file.get(), begin + time);
  bool ended = false;
  loop->spawn(readAtDepth(run, load.depth, ended));
  loop->waitUntil([&] { return ended; });
  return static_cast<double>(run.done) / std::chrono::duration<double>(Clock::now() - begin).count();
}

double measureFio(const std::string& path, const Load& load, double seconds) {
  const std::string command = fmt::format(
      "fio --name=peer --filename={} --size={} --bs=4k --rw=randread --ioengine=io_uring --iodepth={} --direct={} "
      "--runtime={} --time_based --invalidate=0 --gtod_reduce=1 --randrepeat=0 --minimal 2>/dev/null",
      path, kFileSize, load.depth, load.direct ? 1 : 0, seconds);
  return test::field(test::outputOf(command), ';', 7);
}

}  // namespace
}  // namespace rhea

int main(int count, char** words) {
  using namespace rhea;
  const double seconds = count > 1 ? std::atof(words[1]) : 1;
  const auto time = std::chrono::duration_cast<Duration>(std::chrono::duration<double>(seconds));
  const char* const scratch = std::getenv("RHEA_SCRATCH");
  const std::string path =
      (scratch != nullptr ? std::string(scratch) : std::filesystem::temp_directory_path().string()) + "/file-engine-" +
      std::to_string(::getpid());
  test::fillFile(path, kFileSize);
  fmt::print("4 KiB random reads a second on a file of 256 MiB, best of {} runs of {} s each\n", kRepeats, seconds);
  fmt::print("{:<18}{:>10}{:>10}{:>10}{:>10}{:>16}\n", "", "threads", "native", "io_uring", "fio", "io_uring / fio");
  for (const Load& load : kLoads) {
    constexpr std::array<FileEngineKind, 3> kKinds{FileEngineKind::kThreads, FileEngineKind::kNative,
                                                   FileEngineKind::kUring};
    std::array<double, 3> best{};
    double fio = 0;
    for (int repeat = 0; repeat < kRepeats; repeat++) {
      for (std::size_t i = 0; i < kKinds.size(); i++) best[i] = std::max(best[i], measure(path, kKinds[i], load, time));
      fio = std::max(fio, measureFio(path, load, seconds));
    }
    fmt::print("{:<18}{:>10.0f}{:>10.0f}{:>10.0f}", load.name, best[0], best[1], best[2]);
    if (fio > 0) {
      fmt::print("{:>10.0f}{:>16.2f}\n", fio, best[2] / fio);
    } else {
      fmt::print("{:>10}\n", "(none)");
    }
  }
  ::unlink(path.c_str());
  return 0;
}
