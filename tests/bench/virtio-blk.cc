// 4 KiB reads through virtio-blk: requests per second and host CPU per request, with a driver that plays the guest.
// What the device, the block layer and the kernel cost is told apart from the driver's own thread, whose work a guest's
// vCPU would do.
//
//   BUILD/bench/virtio-blk [SECONDS per run]     (RHEA_SCRATCH: folder of the file, default the temporary one)
#include <fcntl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <random>
#include <vector>

#include "tests/support/virtio-driver.h"

namespace rhea::test {
namespace {

constexpr std::uint64_t kFileSize = std::uint64_t{256} << 20;

struct Run {
  const char* name;
  const char* node;
  const char* more;
  unsigned depth;
  const char* thread = "";  // more options of the I/O thread
};

double cpuOf(int who) {
  rusage usage{};
  ::getrusage(who, &usage);
  const auto seconds = [](timeval time) {
    return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e6;
  };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

class Load {
 public:
  Load(const Run& run, const std::string& file, double seconds) : run_(run), seconds_(seconds) {
    const std::string node = std::string(run.node) == "null-co"
                                 ? fmt::format("driver=null-co,node-name=n0,size={}", kFileSize)
                                 : fmt::format("driver=file,node-name=n0,filename={}{}", file, run.node);
    const bool made = rig_.object(fmt::format("iothread,id=io0{}", run.thread)).ok() && rig_.blockdev(node).ok() &&
                      rig_.device(fmt::format("virtio-blk-pci,drive=n0,addr=3{}", run.more)).ok();
    if (!made) std::abort();
  }

  void measure() {
    VirtioDriver driver(rig_, 3);
    if (!driver.negotiate(virtio::kVersion1 | virtio::bit(9) | virtio::kEventIndex | virtio::kIndirect)) std::abort();
    driver.enableMsix(2, 0x40);
    GuestQueue queue = driver.setUpQueue(0, BlkDriver::kRing);
    driver.driverOk();
    std::minstd_rand random(1);
    const auto submit = [&](unsigned slot) {
      const std::uint64_t header = BlkDriver::kHeaderAt + 64 * slot;
      rig_.at<std::uint32_t>(header) = 0;
      rig_.at<std::uint64_t>(header + 8) = random() % (kFileSize / 4096) * 8;
      queue.indirect(slot,
                     {{header, 16, false}, {BlkDriver::kDataAt + 4096 * slot, 4096, true}, {header + 32, 1, true}});
      queue.offer(slot);
    };
    const double all = cpuOf(RUSAGE_SELF);
    const double own = cpuOf(RUSAGE_THREAD);
    const TimePoint start = Clock::now();
    for (unsigned slot = 0; slot < run_.depth; ++slot) submit(slot);
    driver.notify(0);
    std::uint64_t done = 0;
    TimePoint now = start;
    while (std::chrono::duration<double>(now - start).count() < seconds_) {
      if (!rig_.waitForMessage(0x41, std::chrono::milliseconds(100))) {
        // An interrupt that came while we were still taking: nothing was lost.
      }
      unsigned again = 0;
      while (const auto completed = queue.take()) {
        submit(completed->first);
        ++done;
        ++again;
      }
      if (again > 0) driver.notify(0);
      now = Clock::now();
    }
    const double took = std::chrono::duration<double>(now - start).count();
    const double device = cpuOf(RUSAGE_SELF) - all - (cpuOf(RUSAGE_THREAD) - own);
    std::printf("%-44s %9.0f /s  %6.2f us of host CPU outside the driver per request\n", run_.name,
                static_cast<double>(done) / took, device / static_cast<double>(done) * 1e6);
    std::fflush(stdout);
  }

 private:
  const Run& run_;
  double seconds_;
  PciRig rig_;
};

}  // namespace
}  // namespace rhea::test

int main(int argc, char** argv) {
  using namespace rhea::test;
  const double seconds = argc > 1 ? std::atof(argv[1]) : 2;
  const char* scratch = std::getenv("RHEA_SCRATCH");
  const std::filesystem::path folder = scratch == nullptr ? std::filesystem::temp_directory_path() : scratch;
  const std::string file = (folder / fmt::format("virtio-blk-{}", ::getpid())).string();
  const int fd = ::open(file.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  // Written, not only allocated: an unwritten extent is read by zeroing a new page of the cache for each first touch.
  const std::vector<char> bytes(1 << 20, 'r');
  bool written = fd >= 0;
  for (std::uint64_t at = 0; written && at < kFileSize; at += bytes.size()) {
    written = ::write(fd, bytes.data(), bytes.size()) == static_cast<ssize_t>(bytes.size());
  }
  if (!written) {
    std::fprintf(stderr, "no room for the file %s\n", file.c_str());
    ::unlink(file.c_str());
    return 1;
  }
  ::fsync(fd);
  ::close(fd);
  // An I/O thread looks for the next request before it sleeps (poll-max-ns), which is time of the processor as well.
  const char* const asleep = ",poll-max-ns=0";
  const std::array<Run, 8> runs{{{"null-co, iothread, depth 1", "null-co", ",iothread=io0", 1},
                                 {"null-co, iothread that never looks, depth 1", "null-co", ",iothread=io0", 1, asleep},
                                 {"null-co, iothread, depth 32", "null-co", ",iothread=io0", 32},
                                 {"file in the page cache, iothread, depth 1", "", ",iothread=io0", 1},
                                 {"file in the page cache, never looks, depth 1", "", ",iothread=io0", 1, asleep},
                                 {"file in the page cache, iothread, depth 32", "", ",iothread=io0", 32},
                                 {"file in the page cache, main loop, depth 32", "", "", 32},
                                 {"file, O_DIRECT, iothread, depth 32", ",cache.direct=on", ",iothread=io0", 32}}};
  for (const Run& run : runs) Load(run, file, seconds).measure();
  ::unlink(file.c_str());
  return 0;
}
