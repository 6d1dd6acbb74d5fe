// What a second vCPU costs the first: processor time of the same loop on one vCPU and on two at once, on work that has
// nothing in common. Twice the time of one for two of them is scaling without loss, whatever else the host runs; the
// wall clock's factor beside it needs two processors with nothing else to do.
#include <chrono>
#include <cstdio>
#include <ctime>
#include <thread>

#include "emu/cpu/vcpu-set.h"
#include "emu/io/loop.h"
#include "emu/io/offload.h"
#include "target/x86/cpu.h"

namespace {

using namespace rhea;

class NoEvents final : public EventSink {
 public:
  void emit(const EventInfo&, std::string, std::string_view) override {}
};

struct Work {
  const char* name;
  std::uint32_t passes;
  std::vector<std::uint8_t> code;  // ends by hlt; RDI is a MiB of its own, RCX counts
};

const Work kWorks[] = {
    // 1: add rax,rbx; xor rdx,rax; lea rsi,[rsi+rax*2]; dec rcx; jnz 1b
    {"registers",
     150'000'000,
     {0x48, 0x01, 0xd8, 0x48, 0x31, 0xc2, 0x48, 0x8d, 0x34, 0x46, 0x48, 0xff, 0xc9, 0x75, 0xf1, 0xf4}},
    // 1: mov edx,ecx; and edx,0xffff8; mov rax,[rdi+rdx]; add rax,rcx; mov [rdi+rdx],rax; dec rcx; jnz 1b
    {"memory", 60'000'000, {0x89, 0xca, 0x81, 0xe2, 0xf8, 0xff, 0x0f, 0x00, 0x48, 0x8b, 0x04, 0x17, 0x48,
                            0x01, 0xc8, 0x48, 0x89, 0x04, 0x17, 0x48, 0xff, 0xc9, 0x75, 0xe8, 0xf4}},
    // 1: call 2f; dec rcx; jnz 1b; hlt; 2: push rbx; pop rbx; ret
    {"calls", 60'000'000, {0xe8, 0x06, 0x00, 0x00, 0x00, 0x48, 0xff, 0xc9, 0x75, 0xf6, 0xf4, 0x53, 0x5b, 0xc3}},
    // 1: lock add [rdi],rcx; dec rcx; jnz 1b
    {"locked", 60'000'000, {0xf0, 0x48, 0x01, 0x0f, 0x48, 0xff, 0xc9, 0x75, 0xf7, 0xf4}},
};

struct Times {
  double processor = 0, wall = 0;
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
    x86::storeHost<std::uint64_t>(bytes + 0x1000, 0x2003);
    for (std::uint64_t n = 0; n < 4; ++n) x86::storeHost<std::uint64_t>(bytes + 0x2000 + n * 8, (n << 30) | 0x83);
  }

  Times run(const Work& what, unsigned count) {
    cpu::VcpuSet set(runState_, clock_);
    for (unsigned n = 0; n < count; ++n) {
      x86::Environment environment{memory_, ports_, model_, [] { return std::uint64_t{0}; }, nullptr, {}};
      environment.writeRounds = &set.writeRounds();
      auto cpu = std::make_unique<x86::Cpu>(0, environment);
      if (!cpu->translateCode().ok()) std::printf("(interpreted) ");
      begin(*cpu, what, n);
      set.add(std::move(cpu));
    }
    const auto start = std::chrono::steady_clock::now();
    const double before = processorTime();
    set.start();
    for (unsigned n = 0; n < count; ++n) {
      while (!set.at(n).halted()) std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
    const std::chrono::duration<double> wall = std::chrono::steady_clock::now() - start;
    return {processorTime() - before, wall.count()};
  }

 private:
  void begin(x86::Cpu& cpu, const Work& what, unsigned n) {
    const std::uint64_t code = 0x10000 + n * 0x1000;
    std::memcpy(ram_->host() + code, what.code.data(), what.code.size());
    x86::State& st = cpu.st;
    for (x86::Segment& s : st.segments) s = {0x10, 0xc093, 0xffffffff, 0};
    st.segments[x86::kCs] = {0x8, 0xa09b, 0xffffffff, 0};
    st.cr0 = x86::kCr0Pe | x86::kCr0Pg | x86::kCr0Et | x86::kCr0Ne | x86::kCr0Wp;
    st.cr4 = x86::kCr4Pae;
    st.msr.efer = x86::kEferLme | x86::kEferLma;
    st.cr3 = 0x1000;
    st.gpr[x86::kRipRegister] = code;
    st.gpr[x86::kRsp] = 0x80000 + n * 0x4000;
    st.gpr[x86::kRdi] = 0x100000 * (n + 1);
    st.gpr[x86::kRcx] = what.passes;
    cpu.updateMode();
  }

  WorkerPool workers_;
  std::unique_ptr<Loop> loop_ = Loop::create("main", workers_).value();
  NoEvents events_;
  object::RunState runState_{*loop_, events_, false};
  object::VirtualClock clock_;
  mem::RamBlockPtr ram_ = *mem::RamBlock::anonymous("ram", 4 << 20);
  mem::AddressSpace memory_{"memory", 0};
  mem::AddressSpace ports_{"ports", 0x10000};
  mem::AddressSpace::Mapping mapping_ = memory_.map({"ram", 0, ram_->size(), mem::Target::ram(ram_)});
  x86::Model model_ = *x86::findModel("max");
};

}  // namespace

int main() {
  Machine machine;
  std::printf("%-10s %12s %12s %10s %10s\n", "loop", "one, CPU s", "two, CPU s", "by CPU", "by wall");
  for (const Work& work : kWorks) {
    const Times one = machine.run(work, 1);
    const Times two = machine.run(work, 2);
    std::printf("%-10s %12.2f %12.2f %10.2f %10.2f\n", work.name, one.processor, two.processor,
                4 * one.processor / two.processor, 2 * one.wall / two.wall);
  }
  return 0;
}
