// What code costs that is new: nanoseconds of processor time for each guest instruction that is decoded, and decoded
// and translated, and bytes of host code for each. Thirty thousand blocks as compilers make them, each passed once or
// twice.
#include <cstdio>
#include <ctime>
#include <thread>

#include "emu/cpu/vcpu-set.h"
#include "emu/io/loop.h"
#include "emu/io/offload.h"
#include "target/x86/cpu.h"
#include "target/x86/t1/engine.h"

namespace {

using namespace rhea;

class NoEvents final : public EventSink {
 public:
  void emit(const EventInfo&, std::string, std::string_view) override {}
};

constexpr std::uint64_t kTables = 0x1000, kData = 0x8000, kStack = 0xf000, kCode = 0x100000, kRam = 0x800000;
constexpr unsigned kBlocks = 30000;

// Each falls through into the next one; RBX points at data.
const std::vector<std::uint8_t> kBodies[] = {
    // mov rax,[rbx+0x10]; mov rcx,[rbx+0x18]; add rax,rcx; mov [rbx+0x20],rax; test ecx,ecx; jnz over nop
    {0x48, 0x8b, 0x43, 0x10, 0x48, 0x8b, 0x4b, 0x18, 0x48, 0x01,
     0xc8, 0x48, 0x89, 0x43, 0x20, 0x85, 0xc9, 0x75, 0x01, 0x90},
    // push rbp; mov rbp,rsp; push r12; lea rdi,[rax+rax*2]; pop r12; pop rbp; cmp rdi,rsi; je over nop
    {0x55, 0x48, 0x89, 0xe5, 0x41, 0x54, 0x48, 0x8d, 0x3c, 0x40, 0x41, 0x5c, 0x5d, 0x48, 0x39, 0xf7, 0x74, 0x01, 0x90},
    // movzx edx,byte [rbx+5]; and edx,0x7f; shl rdx,4; add edx,[rbx+rdx*8]; jmp over nop
    {0x0f, 0xb6, 0x53, 0x05, 0x83, 0xe2, 0x7f, 0x48, 0xc1, 0xe2, 0x04, 0x03, 0x14, 0xd3, 0xeb, 0x01, 0x90},
    // mov r10,[rbx]; xor r11d,r11d; cmp dword [rbx+0x40],7; setz r11b; add dword [rbx+0x44],1; jc over nop
    {0x4c, 0x8b, 0x13, 0x45, 0x31, 0xdb, 0x83, 0x7b, 0x40, 0x07, 0x41,
     0x0f, 0x94, 0xc3, 0x83, 0x43, 0x44, 0x01, 0x72, 0x01, 0x90},
};

double processorTime() {
  timespec now{};
  ::clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) * 1e-9;
}

class Machine {
 public:
  Machine() {
    auto* bytes = reinterpret_cast<std::uint8_t*>(ram_->host());
    x86::storeHost<std::uint64_t>(bytes + kTables, (kTables + 0x1000) | 3);
    for (std::uint64_t n = 0; n < 4; ++n)
      x86::storeHost<std::uint64_t>(bytes + kTables + 0x1000 + n * 8, (n << 30) | 0x83);
    std::uint64_t at = kCode;
    for (unsigned n = 0; n < kBlocks; ++n) {
      const std::vector<std::uint8_t>& body = kBodies[n % std::size(kBodies)];
      std::memcpy(bytes + at, body.data(), body.size());
      at += body.size();
    }
    // dec r14d; jnz back to the start; hlt
    const std::uint8_t end[] = {0x41, 0xff, 0xce, 0x0f, 0x85};
    std::memcpy(bytes + at, end, sizeof end);
    at += sizeof end;
    x86::storeHost<std::uint32_t>(bytes + at, static_cast<std::uint32_t>(kCode - (at + 4)));
    bytes[at + 4] = 0xf4;
  }

  // Processor time of so many passes through all blocks.
  double run(unsigned passes, bool translated) {
    cpu::VcpuSet set(runState_, clock_);
    x86::Environment environment{memory_, ports_, model_, [] { return std::uint64_t{0}; }, nullptr, {}, {}};
    auto made = std::make_unique<x86::Cpu>(0, environment);
    if (translated && made->translateCode().ok()) made->engine()->setWarm(0);
    x86::State& st = made->st;
    for (x86::Segment& s : st.segments) s = {0x10, 0xc093, 0xffffffff, 0};
    st.segments[x86::kCs] = {0x8, 0xa09b, 0xffffffff, 0};
    st.cr0 = x86::kCr0Pe | x86::kCr0Pg | x86::kCr0Et | x86::kCr0Ne | x86::kCr0Wp;
    st.cr4 = x86::kCr4Pae;
    st.msr.efer = x86::kEferLme | x86::kEferLma;
    st.cr3 = kTables;
    st.gpr[x86::kRipRegister] = kCode;
    st.gpr[x86::kRsp] = kStack;
    st.gpr[x86::kRbx] = kData;
    st.gpr[14] = passes;
    made->updateMode();
    set.add(std::move(made));
    const double before = processorTime();
    set.start();
    while (!set.at(0).halted()) std::this_thread::sleep_for(std::chrono::milliseconds(1));
    const double spent = processorTime() - before;
    if (translated) statistics_ = static_cast<x86::Cpu&>(set.at(0)).engine()->statistics();
    return spent;
  }

  // The least of some runs.
  double best(unsigned passes, bool translated) {
    double least = run(passes, translated);
    for (int n = 0; n < 8; ++n) least = std::min(least, run(passes, translated));
    return least;
  }
  const x86::t1::Statistics& statistics() const { return statistics_; }

 private:
  WorkerPool workers_;
  std::unique_ptr<Loop> loop_ = Loop::create("main", workers_).value();
  NoEvents events_;
  object::RunState runState_{*loop_, events_, false};
  object::VirtualClock clock_;
  mem::RamBlockPtr ram_ = *mem::RamBlock::anonymous("ram", kRam);
  mem::AddressSpace memory_{"memory", 0};
  mem::AddressSpace ports_{"ports", 0x10000};
  mem::AddressSpace::Mapping mapping_ = memory_.map({"ram", 0, ram_->size(), mem::Target::ram(ram_)});
  x86::Model model_ = *x86::findModel("max");
  x86::t1::Statistics statistics_;
};

}  // namespace

int main() {
  Machine machine;
  const double decoded = machine.best(1, false), interpreted = machine.best(2, false) - decoded;
  const double translated = machine.best(1, true), ran = machine.best(2, true) - translated;
  const x86::t1::Statistics& found = machine.statistics();
  if (found.instructions == 0) {
    std::printf("this build does not translate\n");
    return 0;
  }
  const auto instructions = static_cast<double>(found.instructions);
  const auto nanoseconds = [&](double seconds) { return seconds / instructions * 1e9; };
  std::printf("%llu blocks, %.1f instructions and %.1f guest bytes each\n",
              static_cast<unsigned long long>(found.blocks), instructions / static_cast<double>(found.blocks),
              static_cast<double>(found.guestBytes) / static_cast<double>(found.blocks));
  std::printf("decoded         %7.1f ns an instruction\n", nanoseconds(decoded - interpreted));
  std::printf("and translated  %7.1f ns more, %.1f bytes of host code\n",
              nanoseconds(translated - ran - (decoded - interpreted)),
              static_cast<double>(found.hostBytes) / instructions);
  return 0;
}
