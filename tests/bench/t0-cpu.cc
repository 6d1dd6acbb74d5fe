// The interpreter's speed: guest instructions per second on small loops in 64-bit mode, and the host's own time for the
// same loop.
#include <chrono>
#include <cstdio>

#include "target/x86/cpu.h"

namespace {

using namespace rhea;

struct Port final : mem::IoHandler {
  cpu::Vcpu* vcpu = nullptr;
  std::uint64_t read(std::uint64_t, unsigned) override { return 0; }
  void write(std::uint64_t, std::uint64_t, unsigned) override { vcpu->post(cpu::kPause); }
};

struct Loop {
  const char* name;
  std::vector<std::uint8_t> code;  // ends by out %al, $0xf4
  double instructions;             // of one pass of the loop
};

// Each runs rcx times.
const Loop kLoops[] = {
    // 1: add rax,rbx; xor rdx,rax; lea rsi,[rsi+rax*2]; dec rcx; jnz 1b
    {"registers",
     {0x48, 0x01, 0xd8, 0x48, 0x31, 0xc2, 0x48, 0x8d, 0x34, 0x46, 0x48, 0xff, 0xc9, 0x75, 0xf1, 0xe6, 0xf4},
     5},
    // 1: mov rax,[rdi]; add rax,rcx; mov [rdi+8],rax; add [rdi],rax; dec rcx; jnz 1b
    {"memory",
     {0x48, 0x8b, 0x07, 0x48, 0x01, 0xc8, 0x48, 0x89, 0x47, 0x08,
      0x48, 0x01, 0x07, 0x48, 0xff, 0xc9, 0x75, 0xee, 0xe6, 0xf4},
     6},
    // 1: call 2f; dec rcx; jnz 1b; out; 2: push rbx; pop rbx; ret
    {"calls", {0xe8, 0x07, 0x00, 0x00, 0x00, 0x48, 0xff, 0xc9, 0x75, 0xf6, 0xe6, 0xf4, 0x53, 0x5b, 0xc3}, 6},
    // 1: mov eax,ecx; and eax,7; cmp eax,3; jb 2f; imul rdx,rcx; jmp 3f; 2: shl rdx,3; 3: dec rcx; jnz 1b
    {"branches",
     {0x89, 0xc8, 0x83, 0xe0, 0x07, 0x83, 0xf8, 0x03, 0x72, 0x06, 0x48, 0x0f, 0xaf, 0xd1,
      0xeb, 0x04, 0x48, 0xc1, 0xe2, 0x03, 0x48, 0xff, 0xc9, 0x75, 0xe7, 0xe6, 0xf4},
     7.6},
};

void flatSegments(x86::State& st) {
  for (x86::Segment& s : st.segments) s = {0x10, 0xc093, 0xffffffff, 0};
  st.segments[x86::kCs] = {0x8, 0xa09b, 0xffffffff, 0};
  st.cr0 = x86::kCr0Pe | x86::kCr0Pg | x86::kCr0Et | x86::kCr0Ne | x86::kCr0Wp;
  st.cr4 = x86::kCr4Pae;
  st.msr.efer = x86::kEferLme | x86::kEferLma;
  st.cr3 = 0x1000;
}

}  // namespace

int main() {
  auto ram = *mem::RamBlock::anonymous("ram", 16 << 20);
  mem::AddressSpace memory("memory", 0);
  mem::AddressSpace ports("io", 0x10000);
  Port port;
  const auto ramMap = memory.map({"ram", 0, ram->size(), mem::Target::ram(ram)});
  const auto portMap = ports.map({"exit", 0xf4, 4, mem::Target::io(port)});
  const x86::Model model = *x86::findModel("max");
  auto* bytes = reinterpret_cast<std::uint8_t*>(ram->host());
  // 1 GiB pages: PML4 at 0x1000, PDPT at 0x2000.
  x86::storeHost<std::uint64_t>(bytes + 0x1000, 0x2003);
  for (std::uint64_t n = 0; n < 4; ++n) x86::storeHost<std::uint64_t>(bytes + 0x2000 + n * 8, (n << 30) | 0x83);
  std::printf("%-12s %12s %10s\n", "loop", "passes", "MIPS");
  for (const Loop& loop : kLoops) {
    x86::Cpu cpu(0, {memory, ports, model, [] { return std::uint64_t{0}; }, nullptr, {}, {}});
    port.vcpu = &cpu;
    flatSegments(cpu.st);
    cpu.updateMode();
    std::memcpy(bytes + 0x10000, loop.code.data(), loop.code.size());
    ram->written(0x10000, loop.code.size());
    cpu.st.gpr[x86::kRipRegister] = 0x10000;
    cpu.st.gpr[x86::kRsp] = 0x80000;
    cpu.st.gpr[x86::kRdi] = 0x90000;
    cpu.st.gpr[x86::kRbx] = 12345;
    constexpr std::uint64_t kPasses = 20'000'000;
    cpu.st.gpr[x86::kRcx] = kPasses;
    const auto start = std::chrono::steady_clock::now();
    cpu.run();
    const std::chrono::duration<double> time = std::chrono::steady_clock::now() - start;
    std::printf("%-12s %12llu %10.0f\n", loop.name, static_cast<unsigned long long>(kPasses),
                static_cast<double>(kPasses) * loop.instructions / time.count() / 1e6);
  }
  return 0;
}
