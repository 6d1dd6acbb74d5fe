// Writes of 4 KiB at depth 32 into a qcow2 image: an empty one, where each allocates a cluster, and one that is
// allocated; beside qemu-img bench on an image of the same kind, with the same steps over the disk, alternating.
//
//   BUILD/bench/qcow2 [REQUESTS [MODE...]]      (RHEA_SCRATCH: folder of the images)
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <filesystem>

#include "block/core/graph.h"
#include "block/driver/table.h"
#include "block/options/open-drive.h"
#include "emu/base/base.h"
#include "emu/io/offload.h"
#include "tests/lib/bench-peer.h"
#include "tests/support/run-task.h"

namespace rhea::block {
namespace {

constexpr std::uint64_t kDisk = std::uint64_t{4} << 30U;
constexpr std::uint64_t kBlock = 4096;
constexpr std::uint64_t kStep = kBlock * 17;  // another cluster each time
constexpr unsigned kDepth = 32;
constexpr int kRepeats = 3;

struct Run {
  Run(DiskPtr theDisk, std::uint64_t requests) : disk(std::move(theDisk)), left(requests) {}
  DiskPtr disk;
  std::uint64_t left;
  std::uint64_t next = 0;
};

Task<void> worker(Run& run, const std::byte* memory) {
  while (run.left > 0) {
    --run.left;
    const Extent at(run.next, kBlock);
    run.next = run.next + kStep + kBlock > kDisk ? (run.next + kStep) % kBlock : run.next + kStep;
    const IoVector data(memory, kBlock);
    const Result<void> outcome = co_await run.disk->write(at, data);
    if (!outcome.ok()) {
      fmt::print(stderr, "{}\n", outcome.error().message());
      std::abort();
    }
  }
}

// As qemu-img bench: without a flush at the end.
Task<bool> all(Run& run, const std::byte* memory) {
  TaskGroup group;
  for (unsigned i = 0; i < kDepth; ++i) group.spawn(worker(run, memory));
  co_await group.join();
  co_return true;
}

class Bench {
 public:
  Bench(const std::string& path, std::string_view mode) : drivers_(allDrivers()) {
    const GraphContext context(*loop_, drivers_, services_, observer_);
    graph_ = std::make_unique<BlockGraph>(context);
    Result<DriveOptions> options =
        parseDrive(fmt::format("if=none,id=d0,format=qcow2,file={},cache={}", path, mode), 0);
    if (!options.ok()) std::abort();
    Result<DiskPtr> disk = run(openDrive(*graph_, *std::move(options), {}, {}));
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
  double measure(std::uint64_t requests) {
    const std::unique_ptr<std::byte, decltype(&std::free)> memory(
        static_cast<std::byte*>(std::aligned_alloc(4096, kBlock)), &std::free);
    std::memset(memory.get(), 'x', kBlock);
    Run state(disk_, requests);
    const TimePoint begin = Clock::now();
    if (!run(all(state, memory.get()))) std::abort();
    return static_cast<double>(requests) / std::chrono::duration<double>(Clock::now() - begin).count();
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

double measurePeer(const std::string& path, std::string_view mode, std::uint64_t requests) {
  const std::string text =
      test::outputOf(fmt::format("qemu-img bench -f qcow2 -t {} -i io_uring -c {} -d {} -s {} -S {} -w {} 2>&1", mode,
                                 requests, kDepth, kBlock, kStep, path));
  const std::size_t at = text.find("completed in ");
  const double took = at == std::string::npos ? 0 : std::atof(text.c_str() + at + 13);
  return took > 0 ? static_cast<double>(requests) / took : 0;
}

}  // namespace
}  // namespace rhea::block

int main(int count, char** words) {
  using namespace rhea;
  using namespace rhea::block;
  const std::uint64_t requests = count > 1 ? std::strtoull(words[1], nullptr, 10) : 20000;
  std::vector<std::string_view> modes(words + std::min(count, 2), words + count);
  if (modes.empty()) modes = {"writeback", "none", "directsync"};
  const char* const scratch = std::getenv("RHEA_SCRATCH");
  const std::string path =
      (scratch != nullptr ? std::string(scratch) : std::filesystem::temp_directory_path().string()) + "/qcow2-" +
      std::to_string(::getpid());
  if (test::outputOf("qemu-img --version").empty()) {
    fmt::print("no qemu-img here to make images and to compare with\n");
    return 0;
  }
  fmt::print("requests a second: 4 KiB writes at depth {}, best of {} runs\n", kDepth, kRepeats);
  fmt::print("{:<32}{:>10}{:>10}{:>8}\n", "", "rhea", "qemu-img", "ratio");
  for (const std::string_view mode : modes) {
    const bool stable = mode == "directsync" || mode == "writethrough";
    const std::uint64_t number = stable ? requests / 20 : requests;
    std::array<double, 2> own{};
    std::array<double, 2> peer{};
    const std::string fresh = fmt::format("rm -f {0}; qemu-img create -f qcow2 {0} {1}", path, kDisk);
    for (int repeat = 0; repeat < kRepeats; ++repeat) {
      test::outputOf(fresh);
      for (double& best : own) best = std::max(best, Bench(path, mode).measure(number));
      test::outputOf(fresh);
      for (double& best : peer) best = std::max(best, measurePeer(path, mode, number));
    }
    for (std::size_t i = 0; i < own.size(); ++i) {
      const std::string name = fmt::format("{}, {}", mode, i == 0 ? "allocating" : "allocated");
      fmt::print("{:<32}{:>10.0f}{:>10.0f}{:>8.2f}\n", name, own[i], peer[i], peer[i] > 0 ? own[i] / peer[i] : 0);
      std::fflush(stdout);
    }
  }
  ::unlink(path.c_str());
  return 0;
}
