// A code cache that is smaller than the guest's code: generations of it are dropped while others stay, and the guest
// computes what it computes interpreted. Snippets of 64 bytes that jump to the next one of their page, called in random
// order, so that links lead from young code into old; code beside them that is called every time; stores into snippets.
#include <gtest/gtest.h>
#include <unistd.h>

#include <fstream>
#include <sstream>
#include <thread>

#include "emu/cpu/vcpu-set.h"
#include "target/x86/cpu.h"
#include "target/x86/t1/engine.h"
#include "tests/support/loops.h"
#include "tests/target/random-values.h"

namespace rhea::x86::test {
namespace {

class NoEvents final : public EventSink {
 public:
  void emit(const EventInfo&, std::string, std::string_view) override {}
};

constexpr std::uint64_t kTables = 0x1000, kDriver = 0x10000, kStacks = 0x20000, kHot = 0x30000, kCold = 0x100000,
                        kData = 0x300000, kRam = 0x400000;
constexpr std::size_t kSnippet = 64, kPerPage = 4096 / kSnippet;

struct Program {
  std::uint32_t calls = 2000;
  std::uint32_t pages = 128;     // of cold code; a power of two
  std::uint8_t writesEach = 15;  // one call in so many plus one stores into the snippet; 255: one in 256
  bool changes = false;          // what it stores is another value
};

struct Found {
  std::vector<std::uint64_t> sums;  // RAX of each vCPU
  std::uint32_t memory = 0;
  t1::Statistics statistics;

  bool isAs(const Found& other) const { return sums == other.sums && memory == other.memory; }
};

class Code {
 public:
  Code(mem::RamBlock& ram, std::uint64_t at) : to_(ram.host()), at_(at) {}
  Code& operator()(std::initializer_list<unsigned> bytes) {
    for (const unsigned byte : bytes) to_[at_++] = static_cast<std::byte>(byte);
    return *this;
  }
  Code& dword(std::uint64_t value) {
    for (unsigned n = 0; n < 4; ++n) to_[at_++] = static_cast<std::byte>(value >> (n * 8));
    return *this;
  }
  // The end of a jump or call to there.
  Code& distanceTo(std::uint64_t target) { return dword(target - (at_ + 4)); }
  std::uint64_t at() const { return at_; }

 private:
  std::byte* to_;
  std::uint64_t at_;
};

class Footprint : public rhea::test::LoopTest {
 protected:
  void SetUp() override {
    if (!Cpu::translationIsBuilt()) GTEST_SKIP() << "this build does not translate";
  }
  void TearDown() override { set_.reset(); }

  // RBP is where its data are. Keeps RBX, RCX and RDX.
  void snippet(std::uint64_t at, std::size_t number, bool last, Random& random) {
    Code code(*ram_, at);
    const std::uint64_t word = number % 256 * 4;
    code({0x05}).dword(random.next());            // add eax, imm
    code({0xc1, 0xc0, 0x03});                     // rol eax, 3
    code({0x33, 0x85}).dword(word);               // xor eax, [rbp + word]
    code({0x89, 0x85}).dword(word);               // mov [rbp + word], eax
    code({0x69, 0xc0}).dword(random.next() | 1);  // imul eax, eax, imm
    code({0xa8, 0x10, 0x74, 0x05});               // test al, 16; jz over the next
    code({0x2d}).dword(random.next());            // sub eax, imm
    if (last)
      code({0xc3});
    else
      code({0xe9}).distanceTo(at + kSnippet);
  }

  void driver(const Program& program) {
    const std::size_t snippets = program.pages * kPerPage;
    Code code(*ram_, kDriver);
    code({0xb9}).dword(program.calls);  // mov ecx, calls
    const std::uint64_t loop = code.at();
    code({0x48, 0x69, 0xdb}).dword(0x5851f42d);          // imul rbx, rbx, imm
    code({0x48, 0x81, 0xc3}).dword(0x14057b7e);          // add rbx, imm
    code({0x48, 0x89, 0xda, 0x48, 0xc1, 0xea, 0x18});    // mov rdx, rbx; shr rdx, 24
    code({0x81, 0xe2}).dword(snippets - 1);              // and edx, snippets - 1
    code({0xc1, 0xe2, 0x06, 0x81, 0xc2}).dword(kCold);   // shl edx, 6; add edx, kCold
    code({0xff, 0xd2});                                  // call rdx
    code({0xe8}).distanceTo(kHot);                       // call kHot
    code({0xf6, 0xc1, program.writesEach, 0x75, 0x08});  // test cl, writesEach; jnz over
    code({0x8b, 0x72, 0x01});                            // mov esi, [rdx + 1]
    code({0x01, program.changes ? 0xceU : 0xfeU});       // add esi, ecx or edi, which is zero
    code({0x89, 0x72, 0x01});                            // mov [rdx + 1], esi
    code({0xff, 0xc9, 0x0f, 0x85}).distanceTo(loop);     // dec ecx; jnz loop
    code({0xf4});
  }

  void begin(Cpu& cpu, unsigned index) {
    State& st = cpu.st;
    for (Segment& s : st.segments) s = {0x10, 0xc093, 0xffffffff, 0};
    st.segments[kCs] = {0x8, 0xa09b, 0xffffffff, 0};
    st.cr0 = kCr0Pe | kCr0Et | kCr0Ne | kCr0Pg;
    st.cr3 = kTables;
    st.cr4 = kCr4Pae;
    st.msr.efer = kEferLme | kEferLma;
    st.gpr[kRipRegister] = kDriver;
    st.gpr[kRsp] = kStacks + 0x1000 * (index + 1);
    st.gpr[kRbp] = kData + 0x1000 * index;
    st.gpr[kRdi] = 0;
    cpu.updateMode();
  }

  // `cache`: bytes, 0: interpreted.
  Found run(const Program& program, unsigned vcpus, std::size_t cache, cpu::PerfMap* map = nullptr) {
    std::memset(ram_->host(), 0, kRam);
    const std::uint64_t entries[] = {kTables + 0x1003, kTables + 0x2003};
    std::memcpy(ram_->host() + kTables, &entries[0], 8);
    std::memcpy(ram_->host() + kTables + 0x1000, &entries[1], 8);
    for (std::uint64_t n = 0; n < kRam >> 21; ++n) {
      const std::uint64_t large = n << 21 | 0x83;
      std::memcpy(ram_->host() + kTables + 0x2000 + n * 8, &large, 8);
    }
    Random random(7);
    for (std::size_t n = 0; n < program.pages * kPerPage; ++n)
      snippet(kCold + n * kSnippet, n, n % kPerPage == kPerPage - 1, random);
    for (std::size_t n = 0; n < kHotSnippets; ++n) snippet(kHot + n * kSnippet, n, n == kHotSnippets - 1, random);
    driver(program);
    set_ = std::make_unique<cpu::VcpuSet>(runState_, clock_);
    for (unsigned n = 0; n < vcpus; ++n) {
      Environment environment{memory_, ports_, model_, [] { return std::uint64_t{0}; }, nullptr, {}};
      environment.codeCache = cache;
      environment.perfMap = map;
      environment.writeRounds = &set_->writeRounds();
      environment.alone = [this](Cpu& self, const std::function<void()>& work) { set_->alone(self, work); };
      set_->add(std::make_unique<Cpu>(0, environment));
      if (cache != 0) {
        EXPECT_TRUE(at(n).translateCode().ok());
      }
      begin(at(n), n);
    }
    set_->start();
    for (unsigned n = 0; n < vcpus; ++n) {
      while (!at(n).halted()) std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
    Found found;
    for (unsigned n = 0; n < vcpus; ++n) {
      found.sums.push_back(at(n).st.gpr[kRax]);
      if (cache != 0) found.statistics += at(n).engine()->statistics();
    }
    for (std::uint64_t n = 0; n < kRam; n += 4) found.memory = std::rotl(found.memory, 5) * 31 + word(n);
    set_.reset();
    return found;
  }

  Cpu& at(std::size_t n) { return static_cast<Cpu&>(set_->at(n)); }
  std::uint32_t word(std::uint64_t address) const {
    std::uint32_t value;
    std::memcpy(&value, ram_->host() + address, 4);
    return value;
  }

  static constexpr std::size_t kHotSnippets = 12;
  static constexpr std::size_t kMiB = std::size_t{1} << 20;
  NoEvents events_;
  object::RunState runState_{*loop_, events_, false};
  object::VirtualClock clock_;
  mem::RamBlockPtr ram_ = *mem::RamBlock::anonymous("ram", kRam);
  mem::AddressSpace memory_{"memory", 0};
  mem::AddressSpace ports_{"ports", 0x10000};
  mem::AddressSpace::Mapping mapping_ = memory_.map({"ram", 0, kRam, mem::Target::ram(ram_)});
  Model model_ = *findModel("max");
  std::unique_ptr<cpu::VcpuSet> set_;
};

TEST_F(Footprint, ComputesTheSameHoweverSmallTheCacheIs) {
  const Program program;
  const Found expected = run(program, 1, 0);
  for (const std::size_t cache : {kMiB / 2, kMiB, 2 * kMiB, 3 * kMiB, 64 * kMiB}) {
    const Found found = run(program, 1, cache);
    EXPECT_TRUE(found.isAs(expected)) << "with " << cache << " bytes for translated code";
    if (cache <= 2 * kMiB) {
      EXPECT_GT(found.statistics.dropped, 8U);
      EXPECT_GT(found.statistics.unlinked, 0U) << "no link led from code that stayed into code that went";
    }
    if (cache == 64 * kMiB) {
      EXPECT_EQ(found.statistics.dropped, 0U);
    }
  }
}

TEST_F(Footprint, ComputesTheSameWhileItIsRewritten) {
  const Program program{.calls = 3000, .writesEach = 3, .changes = true};
  const Found expected = run(program, 1, 0);
  for (const std::size_t cache : {kMiB, 2 * kMiB}) {
    const Found found = run(program, 1, cache);
    EXPECT_TRUE(found.isAs(expected)) << "with " << cache << " bytes for translated code";
    EXPECT_GT(found.statistics.dropped, 8U);
  }
}

// Both store into the same code, which makes it stale for both, and each in its own time.
TEST_F(Footprint, ComputesTheSameOnSeveralVcpusThatRewriteIt) {
  const Program program{.calls = 1500, .writesEach = 3};
  const Found expected = run(program, 2, 0);
  const Found found = run(program, 2, kMiB);
  EXPECT_TRUE(found.isAs(expected));
  EXPECT_GT(found.statistics.dropped, 16U);
}

// perf looks for names in the map only where the memory is anonymous by the kernel's word.
TEST(CodeCache, IsExecutedInMemoryThatPerfTakesForAnonymous) {
  const auto cache = t1::CodeCache::make(std::size_t{8} << 20, t1::CodeCache::Memory::kOfNoFile);
  ASSERT_TRUE(cache.ok()) << cache.error().message();
  const std::uint64_t at = (*cache)->address(0);
  std::ifstream maps("/proc/self/maps");
  bool found = false;
  for (std::string line; std::getline(maps, line);) {
    std::uint64_t first = 0, end = 0;
    std::string rights;
    char dash = 0;
    std::istringstream words(line);
    words >> std::hex >> first >> dash >> end >> rights;
    if (at < first || at >= end) continue;
    found = true;
    EXPECT_EQ(rights, "r-xs");
    EXPECT_TRUE(line.find(" /dev/zero") != std::string::npos) << line;
  }
  EXPECT_TRUE(found);
}

// The names in perf's map are of guest addresses, and tell what was translated how often.
TEST_F(Footprint, TranslatesWhatRunsAllTheTimeAgainOnlyWhenItsOwnGenerationGoes) {
  Result<std::unique_ptr<cpu::PerfMap>> map = cpu::PerfMap::create();
  if (!map.ok()) GTEST_SKIP() << map.error().message();
  const Program program{.calls = 2000, .writesEach = 255};
  const Found found = run(program, 1, 2 * kMiB, map->get());
  const std::string path = fmt::format("/tmp/perf-{}.map", ::getpid());
  std::ifstream lines(path);
  std::set<std::uint64_t> hot, addresses;
  std::size_t hotTimes = 0, all = 0;
  std::uint64_t address, size;
  std::string name;
  while (lines >> std::hex >> address >> size >> name) {
    ++all;
    addresses.insert(address);
    ASSERT_TRUE(name.starts_with("guest-kernel-0x")) << name;
    const std::uint64_t rip = std::stoull(name.substr(13), nullptr, 16);
    if (rip >> 12 == kHot >> 12) {
      ++hotTimes;
      hot.insert(rip);
    } else {
      EXPECT_TRUE(rip >> 12 == kDriver >> 12 || (rip >= kCold && rip < kCold + program.pages * 4096)) << name;
    }
    EXPECT_GT(size, 0U);
  }
  ::unlink(path.c_str());
  EXPECT_EQ(all, found.statistics.blocks);
  ASSERT_FALSE(addresses.empty());
  EXPECT_LT(*addresses.rbegin() - *addresses.begin(), 2 * kMiB);
  ASSERT_GE(hot.size(), kHotSnippets);
  EXPECT_GT(found.statistics.dropped, 16U);
  // Eight generations: all of it once in eight turns.
  EXPECT_LE(hotTimes, hot.size() * (found.statistics.dropped / 8 + 2))
      << found.statistics.dropped << " generations dropped, " << hot.size() << " blocks of hot code";
}

}  // namespace
}  // namespace rhea::x86::test
