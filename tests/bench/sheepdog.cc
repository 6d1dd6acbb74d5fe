// What the Sheepdog driver costs: reads and writes of 4 KiB on an allocated disk of the double, on loopback, at depths
// 1 and 32; beside them the same loads on a raw file. The processor time is that of the thread that runs the graph,
// kernel included, so that what the double itself costs is not counted.
//
//   BUILD/bench/sheepdog [REQUESTS [MICROSECONDS]]      (RHEA_SCRATCH: folder of the file; latency of the double)
#include <sys/resource.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <random>

#include "block/core/graph.h"
#include "block/driver/table.h"
#include "block/options/open-drive.h"
#include "emu/io/offload.h"
#include "tests/lib/sheepdog-double.h"
#include "tests/support/run-task.h"

namespace rhea::block {
namespace {

constexpr std::uint64_t kDisk = std::uint64_t{64} << 20U;
constexpr std::size_t kBlock = 4096;

struct Run {
  DiskPtr disk;
  std::uint64_t left = 0;
  bool writing = false;
  std::mt19937_64 random{1};
};

Task<void> worker(Run& run, std::byte* memory) {
  while (run.left > 0) {
    --run.left;
    const Extent at(run.random() % (kDisk / kBlock) * kBlock, kBlock);
    const IoVector data(memory, kBlock);
    Result<void> outcome = success();
    if (run.writing) {
      outcome = co_await run.disk->write(at, data);
    } else {
      outcome = co_await run.disk->read(at, data);
    }
    if (!outcome.ok()) {
      fmt::print(stderr, "{}\n", outcome.error().message());
      std::abort();
    }
  }
}

Task<bool> all(Run& run, std::vector<std::byte>& memory, unsigned depth) {
  TaskGroup group;
  for (unsigned i = 0; i < depth; ++i) group.spawn(worker(run, memory.data() + i * kBlock));
  co_await group.join();
  co_return true;
}

struct Measured {
  double perSecond = 0;
  double user = 0;  // us for each request, of this thread
  double system = 0;
  double others = 0;  // of all other threads: the double's
};

double seconds(const timeval& time) {
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e6;
}

class Bench {
 public:
  explicit Bench(const std::string& drive) : drivers_(allDrivers()) {
    const GraphContext context(*loop_, drivers_, services_, observer_);
    graph_ = std::make_unique<BlockGraph>(context);
    Result<DriveOptions> options = parseDrive(drive, 0);
    if (!options.ok()) std::abort();
    Result<DiskPtr> disk = run(openDrive(*graph_, *std::move(options), {}, {}));
    if (!disk.ok()) {
      fmt::print(stderr, "{}\n", disk.error().describe());
      std::exit(1);
    }
    disk_ = *disk;
    // Every object is there.
    std::vector<std::byte> memory(std::size_t{1} << 20U, std::byte{1});
    for (std::uint64_t at = 0; at < kDisk; at += memory.size()) {
      const IoVector data(memory.data(), memory.size());
      if (!run(disk_->write(Extent(at, memory.size()), data)).ok()) std::abort();
    }
    if (!run(disk_->flush()).ok()) std::abort();
  }
  ~Bench() {
    disk_.reset();
    if (!run(graph_->shutdown({})).ok()) std::abort();
  }
  Measured measure(std::uint64_t requests, unsigned depth, bool writing) {
    Run state;
    state.disk = disk_;
    state.left = requests;
    state.writing = writing;
    std::vector<std::byte> memory(depth * kBlock, std::byte{7});
    rusage before{};
    rusage after{};
    rusage allBefore{};
    rusage allAfter{};
    getrusage(RUSAGE_THREAD, &before);
    getrusage(RUSAGE_SELF, &allBefore);
    const TimePoint begin = Clock::now();
    if (!run(all(state, memory, depth))) std::abort();
    const double took = std::chrono::duration<double>(Clock::now() - begin).count();
    getrusage(RUSAGE_THREAD, &after);
    getrusage(RUSAGE_SELF, &allAfter);
    const auto each = static_cast<double>(requests);
    Measured measured;
    measured.perSecond = each / took;
    measured.user = (seconds(after.ru_utime) - seconds(before.ru_utime)) * 1e6 / each;
    measured.system = (seconds(after.ru_stime) - seconds(before.ru_stime)) * 1e6 / each;
    const double whole = seconds(allAfter.ru_utime) - seconds(allBefore.ru_utime) + seconds(allAfter.ru_stime) -
                         seconds(allBefore.ru_stime);
    measured.others = whole * 1e6 / each - measured.user - measured.system;
    return measured;
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

void show(const char* what, Bench& bench, std::uint64_t requests) {
  for (const bool writing : {false, true}) {
    const Measured one = bench.measure(requests / 4, 1, writing);
    const Measured many = bench.measure(requests, 32, writing);
    for (const auto& [depth, row] : {std::pair(1, one), std::pair(32, many)}) {
      fmt::print(
          "  {:<22} {:<6} depth {:>2}  {:>9.0f}/s   user {:5.2f} us, system {:5.2f} us each, others {:5.2f} us\n", what,
          writing ? "writes" : "reads", depth, row.perSecond, row.user, row.system, row.others);
    }
    fmt::print("  {:<22} {:<6} depth 32 is {:.1f} times depth 1\n", what, writing ? "writes" : "reads",
               many.perSecond / one.perSecond);
  }
}

}  // namespace
}  // namespace rhea::block

int main(int count, char** words) {
  using namespace rhea;
  using namespace rhea::block;
  const std::uint64_t requests = count > 1 ? std::strtoull(words[1], nullptr, 10) : 40000;
  const long latency = count > 2 ? std::strtol(words[2], nullptr, 10) : 200;
  for (const long wait : {0L, latency}) {
    const auto cluster = std::make_shared<test::SheepCluster>();
    cluster->makeVdi("vm", kDisk);
    test::SheepdogDouble::Options options;
    options.keepLog = false;
    options.latency = std::chrono::microseconds(wait);
    test::SheepdogDouble sheep(cluster, options);
    Bench bench(fmt::format("if=none,id=d0,format=raw,cache=none,file={}", sheep.uri("vm")));
    show(fmt::format("double, {} us", wait).c_str(), bench, wait == 0 ? requests : requests / 2);
  }
  const char* const scratch = std::getenv("RHEA_SCRATCH");
  const std::filesystem::path folder =
      scratch != nullptr ? std::filesystem::path(scratch) : std::filesystem::temp_directory_path();
  const std::filesystem::path file = folder / fmt::format("rhea-bench-sheepdog-{}.raw", getpid());
  {
    std::FILE* const made = std::fopen(file.c_str(), "w");
    if (made == nullptr) std::abort();
    std::fclose(made);
    std::filesystem::resize_file(file, kDisk);
    Bench bench(fmt::format("if=none,id=d0,format=raw,cache=writeback,file={}", file.string()));
    show("file, in page cache", bench, requests);
  }
  std::filesystem::remove(file);
  return 0;
}
