// Reads and writes of a raw file through a disk of the block core, in each cache mode, beside fio (io_uring) and
// qemu-img bench on the same file where these are installed.
//
//   BUILD/bench/block-core [SECONDS per run [MODE...]]      (RHEA_SCRATCH: folder of the file, default the temporary
//   one)
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <random>

#include "block/core/graph.h"
#include "block/driver/table.h"
#include "emu/base/base.h"
#include "emu/io/offload.h"
#include "qapi/types-block-options.h"
#include "tests/lib/bench-peer.h"
#include "tests/support/run-task.h"

namespace rhea::block {
namespace {

constexpr std::uint64_t kFileSize = std::uint64_t{256} << 20;
constexpr int kRepeats = 3;  // the best counts, on all sides

struct Load {
  const char* name;
  bool write;
  bool random;
  unsigned depth;
  std::uint64_t block;
};
constexpr std::array<Load, 6> kLoads{{{"4 KiB random read, depth 1", false, true, 1, 4096},
                                      {"4 KiB random read, depth 32", false, true, 32, 4096},
                                      {"4 KiB random write, depth 1", true, true, 1, 4096},
                                      {"4 KiB random write, depth 32", true, true, 32, 4096},
                                      {"1 MiB sequential read", false, false, 4, 1 << 20},
                                      {"1 MiB sequential write", true, false, 4, 1 << 20}}};
constexpr std::array<std::string_view, 5> kModes{"writeback", "none", "writethrough", "directsync", "unsafe"};

// What "random" is: really so, as fio's, or in steps over the file, as qemu-img's, which has no other. The kernel takes
// six times as long for a random buffered write as for one that steps (ext4, 2026-11-22), so each is compared with its
// own kind.
enum class Order : std::uint8_t { kRandom, kStepping };
constexpr std::uint64_t kStep = 17;  // blocks

struct Run {
  Run(DiskPtr theDisk, const Load& theLoad, Order theOrder, TimePoint until)
      : disk(std::move(theDisk)), load(theLoad), order(theOrder), end(until) {}
  DiskPtr disk;
  const Load& load;
  Order order;
  TimePoint end;
  std::uint64_t done = 0;
  std::uint64_t next = 0;  // sequential loads: the block that is next
};

Task<void> untilEnd(Run& run, unsigned seed) {
  std::minstd_rand random(seed);
  const std::uint64_t block = run.load.block;
  const std::uint64_t blocks = kFileSize / block;
  const std::unique_ptr<char, decltype(&std::free)> memory(static_cast<char*>(std::aligned_alloc(4096, block)),
                                                           &std::free);
  std::memset(memory.get(), 'x', block);
  const IoVector data(memory.get(), block);
  for (unsigned i = 0; (i & 15U) != 0 || Clock::now() < run.end; i++) {
    const std::uint64_t step = run.load.random ? kStep : 1;
    const bool jumps = run.load.random && run.order == Order::kRandom;
    const Extent at((jumps ? random() : run.next++ * step) % blocks * block, block);
    Result<void> outcome = success();
    if (run.load.write) {
      outcome = co_await run.disk->write(at, data);
    } else {
      outcome = co_await run.disk->read(at, data);
    }
    if (!outcome.ok()) std::abort();
    run.done++;
  }
}

Task<void> atDepth(Run& run) {
  TaskGroup group;
  for (unsigned i = 0; i < run.load.depth; i++) group.spawn(untilEnd(run, i + 1));
  co_await group.join();
}

Task<bool> always(Task<void> task) {
  co_await std::move(task);
  co_return true;
}

// The disk, its graph and its loop.
class Bench {
 public:
  explicit Bench(const std::string& path) : drivers_(allDrivers()) {
    GraphContext context(*loop_, drivers_, services_, observer_);
    graph_ = std::make_unique<BlockGraph>(context);
    qapi::BlockdevOptionsFile own;
    own.filename = path;
    own.aio = qapi::BlockdevAioOptions::ioUring;
    NodeOptions options("file", DriverOptions::of(own));
    Task<Result<DiskPtr>> add = graph_->addDrive(DiskOptions("disk0"), options, {});
    Result<DiskPtr> disk = run(std::move(add));
    if (!disk.ok()) {
      fmt::print(stderr, "{}\n", disk.error().describe());
      std::exit(1);
    }
    disk_ = *disk;
  }
  ~Bench() {
    disk_.reset();
    if (!run(graph_->shutdown({})).ok()) std::abort();
  }

  // Requests a second.
  double measure(const Load& load, Order order, Duration time) {
    const TimePoint begin = Clock::now();
    Run state(disk_, load, order, begin + time);
    run(always(atDepth(state)));
    return static_cast<double>(state.done) / std::chrono::duration<double>(Clock::now() - begin).count();
  }
  void setMode(std::string_view mode) {
    CacheRequest request;
    request.mode = std::string(mode);
    const Result<CacheChange> change = run(graph_->setCache("disk0", request, {}));
    if (!change.ok()) {
      fmt::print(stderr, "{}\n", change.error().describe());
      std::exit(1);
    }
  }

 private:
  template <class T>
  T run(Task<T> task) {
    return rhea::test::runTask(*loop_, std::move(task));
  }

  WorkerPool workers_;
  std::unique_ptr<Loop> loop_ = Loop::create("bench", workers_).value();
  DriverRegistry drivers_;
  Services services_;
  GraphObserver observer_;
  std::unique_ptr<BlockGraph> graph_;
  DiskPtr disk_;
};

double measureFio(const std::string& path, const Load& load, CacheSwitches mode, double seconds) {
  const std::string text = test::outputOf(fmt::format(
      "fio --name=peer --filename={} --size={} --bs={} --rw={}{} --ioengine=io_uring --iodepth={} --direct={} {} "
      "--runtime={} --time_based --invalidate=0 --gtod_reduce=1 --randrepeat=0 --minimal 2>/dev/null",
      path, kFileSize, load.block, load.random ? "rand" : "", load.write ? "write" : "read", load.depth,
      mode.direct ? 1 : 0, load.write && !mode.writeback ? "--sync=dsync" : "", seconds));
  return test::field(text, ';', load.write ? 48 : 7);
}

double measureQemu(const std::string& path, const Load& load, std::string_view mode, double rate, double seconds) {
  const auto count = std::max<std::uint64_t>(static_cast<std::uint64_t>(rate * seconds), 50);
  const std::string text = test::outputOf(
      fmt::format("qemu-img bench -f raw -t {} -i io_uring -c {} -d {} -s {} -S {} {} {} 2>/dev/null", mode, count,
                  load.depth, load.block, load.random ? load.block * kStep : load.block, load.write ? "-w" : "", path));
  const std::size_t at = text.find("completed in ");
  const double took = at == std::string::npos ? 0 : std::atof(text.c_str() + at + 13);
  return took > 0 ? static_cast<double>(count) / took : 0;
}

std::string beside(double own, double peer) {
  return peer > 0 ? fmt::format("{:>10.0f}{:>8.2f}", peer, own / peer) : fmt::format("{:>10}{:>8}", "-", "-");
}

}  // namespace
}  // namespace rhea::block

int main(int count, char** words) {
  using namespace rhea;
  using namespace rhea::block;
  const double seconds = count > 1 ? std::atof(words[1]) : 0.5;
  std::vector<std::string_view> modes(words + std::min(count, 2), words + count);
  if (modes.empty()) modes.assign(kModes.begin(), kModes.end());
  const auto time = std::chrono::duration_cast<Duration>(std::chrono::duration<double>(seconds));
  const char* const scratch = std::getenv("RHEA_SCRATCH");
  const std::string path =
      (scratch != nullptr ? std::string(scratch) : std::filesystem::temp_directory_path().string()) + "/block-core-" +
      std::to_string(::getpid());
  test::fillFile(path, kFileSize);
  fmt::print("requests a second on a raw file of 256 MiB, best of {} runs of {} s each\n", kRepeats, seconds);
  for (const std::string_view mode : modes) {
    fmt::print("\n{:<30}{:>10}{:>10}{:>8}{:>10}{:>10}{:>8}\n", mode, "rhea", "fio", "ratio", "stepping", "qemu-img",
               "ratio");
    for (const Load& load : kLoads) {
      double own = 0;
      double fio = 0;
      double stepping = 0;
      double qemu = 0;
      for (int repeat = 0; repeat < kRepeats; repeat++) {
        {
          Bench bench(path);
          bench.setMode(mode);
          own = std::max(own, bench.measure(load, Order::kRandom, time));
          stepping = load.random ? std::max(stepping, bench.measure(load, Order::kStepping, time)) : own;
        }
        fio = std::max(fio, measureFio(path, load, cacheSwitchesOf(mode).value(), seconds));
        qemu = std::max(qemu, measureQemu(path, load, mode, stepping, seconds));
      }
      fmt::print("{:<30}{:>10.0f}{}{:>10.0f}{}\n", load.name, own, beside(own, fio), stepping, beside(stepping, qemu));
      std::fflush(stdout);
    }
  }
  ::unlink(path.c_str());
  return 0;
}
