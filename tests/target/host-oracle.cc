#include "tests/target/host-oracle.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <ucontext.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstdlib>
#include <cstring>
#include <new>
#include <stdexcept>
#include <string>
#include <system_error>

namespace rhea::x86::test {
namespace {

// The child's gate, at an address that 32-bit displacements reach, since no register may be lost on the way in or out.
constexpr std::uint64_t kGateAt = 0x10100000;
struct Gate {
  CpuImage image;  // in before, out after
  std::uint64_t ownStack;
  std::uint64_t target;
  std::uint64_t hasAvx;
};
static_assert(offsetof(CpuImage, rip) == 128 && offsetof(CpuImage, rflags) == 136 && offsetof(CpuImage, fx) == 192 &&
              offsetof(CpuImage, ymm) == 704 && sizeof(CpuImage) == 1216);
static_assert(offsetof(Gate, ownStack) == 1216 && offsetof(Gate, target) == 1224 && offsetof(Gate, hasAvx) == 1232);

}  // namespace
}  // namespace rhea::x86::test

// clang-format off
asm(R"(
.set GATE, 0x10100000
.text
.globl rhea_oracle_enter
rhea_oracle_enter:
  push %rbx
  push %rbp
  push %r12
  push %r13
  push %r14
  push %r15
  mov %rsp, GATE+1216
  fxrstor64 GATE+192
  cmpq $0, GATE+1232
  je 1f
  vmovdqu GATE+704+0*32, %ymm0
  vmovdqu GATE+704+1*32, %ymm1
  vmovdqu GATE+704+2*32, %ymm2
  vmovdqu GATE+704+3*32, %ymm3
  vmovdqu GATE+704+4*32, %ymm4
  vmovdqu GATE+704+5*32, %ymm5
  vmovdqu GATE+704+6*32, %ymm6
  vmovdqu GATE+704+7*32, %ymm7
  vmovdqu GATE+704+8*32, %ymm8
  vmovdqu GATE+704+9*32, %ymm9
  vmovdqu GATE+704+10*32, %ymm10
  vmovdqu GATE+704+11*32, %ymm11
  vmovdqu GATE+704+12*32, %ymm12
  vmovdqu GATE+704+13*32, %ymm13
  vmovdqu GATE+704+14*32, %ymm14
  vmovdqu GATE+704+15*32, %ymm15
1:
  pushq GATE+136
  popfq
  mov GATE+0*8, %rax
  mov GATE+1*8, %rcx
  mov GATE+2*8, %rdx
  mov GATE+3*8, %rbx
  mov GATE+5*8, %rbp
  mov GATE+6*8, %rsi
  mov GATE+7*8, %rdi
  mov GATE+8*8, %r8
  mov GATE+9*8, %r9
  mov GATE+10*8, %r10
  mov GATE+11*8, %r11
  mov GATE+12*8, %r12
  mov GATE+13*8, %r13
  mov GATE+14*8, %r14
  mov GATE+15*8, %r15
  mov GATE+4*8, %rsp
  jmp *GATE+1224

.globl rhea_oracle_exit
rhea_oracle_exit:
  mov %rsp, GATE+4*8
  mov GATE+1216, %rsp
  pushfq
  popq GATE+136
  pushq $0x202
  popfq
  mov %rax, GATE+0*8
  mov %rcx, GATE+1*8
  mov %rdx, GATE+2*8
  mov %rbx, GATE+3*8
  mov %rbp, GATE+5*8
  mov %rsi, GATE+6*8
  mov %rdi, GATE+7*8
  mov %r8, GATE+8*8
  mov %r9, GATE+9*8
  mov %r10, GATE+10*8
  mov %r11, GATE+11*8
  mov %r12, GATE+12*8
  mov %r13, GATE+13*8
  mov %r14, GATE+14*8
  mov %r15, GATE+15*8
  fxsave64 GATE+192
  cmpq $0, GATE+1232
  je 2f
  vmovdqu %ymm0, GATE+704+0*32
  vmovdqu %ymm1, GATE+704+1*32
  vmovdqu %ymm2, GATE+704+2*32
  vmovdqu %ymm3, GATE+704+3*32
  vmovdqu %ymm4, GATE+704+4*32
  vmovdqu %ymm5, GATE+704+5*32
  vmovdqu %ymm6, GATE+704+6*32
  vmovdqu %ymm7, GATE+704+7*32
  vmovdqu %ymm8, GATE+704+8*32
  vmovdqu %ymm9, GATE+704+9*32
  vmovdqu %ymm10, GATE+704+10*32
  vmovdqu %ymm11, GATE+704+11*32
  vmovdqu %ymm12, GATE+704+12*32
  vmovdqu %ymm13, GATE+704+13*32
  vmovdqu %ymm14, GATE+704+14*32
  vmovdqu %ymm15, GATE+704+15*32
2:
.globl rhea_oracle_leave
rhea_oracle_leave:
  fninit
  pushq $0x1f80
  ldmxcsr (%rsp)
  pop %rax
  cmpq $0, GATE+1232
  je 3f
  vzeroupper
3:
  pop %r15
  pop %r14
  pop %r13
  pop %r12
  pop %rbp
  pop %rbx
  ret
)");
// clang-format on

extern "C" {
void rhea_oracle_enter();
void rhea_oracle_exit();
void rhea_oracle_leave();
}

namespace rhea::x86::test {
namespace {

Gate& gate() { return *reinterpret_cast<Gate*>(kGateAt); }
bool hostHasAvx() { return __builtin_cpu_supports("avx"); }

constexpr std::size_t kBatch = 1024;

[[noreturn]] void fail(const char* what) { throw std::system_error(errno, std::generic_category(), what); }

void mapAt(std::uint64_t address, std::size_t size, int protection) {
  void* const wanted = reinterpret_cast<void*>(address);
  if (mmap(wanted, size, protection, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0) != wanted) {
    fail("mapping the oracle's fixed pages");
  }
}

// In the child only: the trial that runs now. The handler writes into it.
Trial* current = nullptr;

void onTrap(int, siginfo_t*, void* context) {
  auto& machine = static_cast<ucontext_t*>(context)->uc_mcontext;
  constexpr std::array<int, 16> kOrder{REG_RAX, REG_RCX, REG_RDX, REG_RBX, REG_RSP, REG_RBP, REG_RSI, REG_RDI,
                                       REG_R8,  REG_R9,  REG_R10, REG_R11, REG_R12, REG_R13, REG_R14, REG_R15};
  Trial& trial = *current;
  for (std::size_t i = 0; i < 16; ++i) trial.out.gpr[i] = static_cast<std::uint64_t>(machine.gregs[kOrder[i]]);
  trial.out.rip = static_cast<std::uint64_t>(machine.gregs[REG_RIP]);
  trial.out.rflags = static_cast<std::uint64_t>(machine.gregs[REG_EFL]);
  trial.trap = static_cast<int>(machine.gregs[REG_TRAPNO]);
  trial.errorCode = static_cast<std::uint32_t>(machine.gregs[REG_ERR]);
  trial.faultAddress = trial.trap == 14 ? static_cast<std::uint64_t>(machine.gregs[REG_CR2]) : 0;
  auto* const area = reinterpret_cast<std::uint8_t*>(machine.fpregs);
  std::memcpy(trial.out.fx.data(), area, 512);
  for (std::size_t i = 0; i < 16; ++i) {
    std::memcpy(trial.out.ymm[i].data(), area + 160 + 16 * i, 16);
    if (gate().hasAvx) std::memcpy(trial.out.ymm[i].data() + 16, area + 576 + 16 * i, 16);
  }
  // Back to the runner, with a floating-point state that lets it run.
  const std::uint16_t controlWord = 0x37f;
  const std::uint32_t mxcsr = 0x1f80;
  std::memset(area, 0, 24);
  std::memcpy(area, &controlWord, 2);
  std::memcpy(area + 24, &mxcsr, 4);
  machine.gregs[REG_RSP] = static_cast<greg_t>(gate().ownStack);
  machine.gregs[REG_RIP] = reinterpret_cast<greg_t>(&rhea_oracle_leave);
  machine.gregs[REG_EFL] = 0x202;
}

void runNatively(Trial& trial) {
  auto* const page = reinterpret_cast<std::uint8_t*>(kCodePage);
  auto* const code = reinterpret_cast<std::uint8_t*>(kCodeAt);
  auto* const window = reinterpret_cast<std::uint8_t*>(kWindow);
  std::memset(page + 0x7c0, 0xcc, 0x80);
  std::memcpy(code, trial.code.data(), trial.codeSize);
  // jmp *0(%rip) to the exit: changes neither registers nor flags.
  std::uint8_t* const behind = code + trial.codeSize;
  const std::uint64_t exit = reinterpret_cast<std::uint64_t>(&rhea_oracle_exit);
  std::memcpy(behind, "\xff\x25\0\0\0\0", 6);
  std::memcpy(behind + 6, &exit, 8);
  std::memcpy(window, trial.memoryIn.data(), kWindowSize);
  gate().image = trial.in;
  gate().target = kCodeAt;
  for (std::size_t i = 0; i < 16; ++i) std::memcpy(gate().image.fx.data() + 160 + 16 * i, trial.in.ymm[i].data(), 16);
  current = &trial;
  trial.trap = kNoTrap;
  rhea_oracle_enter();
  if (trial.trap == kNoTrap) {
    trial.out = gate().image;
    trial.out.rip = kCodeAt + trial.codeSize;
    if (!gate().hasAvx) {
      for (std::size_t i = 0; i < 16; ++i) std::memcpy(trial.out.ymm[i].data(), trial.out.fx.data() + 160 + 16 * i, 16);
    }
  } else if (trial.trap == 3 && trial.out.rip != kCodeAt + 1) {
    --trial.out.rip;  // an int3 where a branch led
  }
  std::memcpy(trial.memoryOut.data(), window, kWindowSize);
}

void catchTraps() {
  static std::array<std::uint8_t, 128 * 1024> stack;
  stack_t alternate{};
  alternate.ss_sp = stack.data();
  alternate.ss_size = stack.size();
  sigaltstack(&alternate, nullptr);
  struct sigaction action {};
  action.sa_sigaction = onTrap;
  action.sa_flags = SA_SIGINFO | SA_ONSTACK;
  sigfillset(&action.sa_mask);
  for (int signal : {SIGSEGV, SIGILL, SIGFPE, SIGBUS, SIGTRAP}) sigaction(signal, &action, nullptr);
}

}  // namespace

struct HostOracle::Shared {
  std::array<Trial, kBatch> trials;
  std::size_t count;
  volatile std::size_t next;  // the trial that runs, or count
};

namespace {

[[noreturn]] void serve(auto* shared, int request, int reply) {
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  mapAt(kCodePage, kPageSize, PROT_READ | PROT_WRITE | PROT_EXEC);
  mapAt(kDataPage, kPageSize, PROT_READ | PROT_WRITE);
  mapAt(kGateAt, kPageSize, PROT_READ | PROT_WRITE);
  gate().hasAvx = hostHasAvx();
  std::memset(reinterpret_cast<void*>(kCodePage), 0xcc, kPageSize);
  catchTraps();
  char word = 0;
  while (read(request, &word, 1) == 1) {
    // Whoever loops for ever, in the instruction or in faults, is ended by SIGPROF; time that others take does not
    // count.
    const itimerval patience{{0, 0}, {0, 300000}};
    setitimer(ITIMER_PROF, &patience, nullptr);
    for (std::size_t i = shared->next; i < shared->count; ++i) {
      shared->next = i;
      runNatively(shared->trials[i]);
    }
    shared->next = shared->count;
    if (write(reply, &word, 1) != 1) break;
  }
  _exit(0);
}

}  // namespace

HostOracle::HostOracle() {
  void* const memory = mmap(nullptr, sizeof(Shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) fail("mapping the oracle's trials");
  shared_ = new (memory) Shared;
  start();
}

HostOracle::~HostOracle() {
  stop();
  munmap(shared_, sizeof(Shared));
}

void HostOracle::start() {
  std::array<int, 2> request{};
  std::array<int, 2> reply{};
  if (pipe2(request.data(), O_CLOEXEC) != 0 || pipe2(reply.data(), O_CLOEXEC) != 0) fail("pipe");
  child_ = fork();
  if (child_ < 0) fail("fork");
  if (child_ == 0) {
    close(request[1]);
    close(reply[0]);
    try {
      serve(shared_, request[0], reply[1]);
    } catch (const std::exception&) {
      _exit(1);
    }
  }
  close(request[0]);
  close(reply[1]);
  request_ = request[1];
  reply_ = reply[0];
}

void HostOracle::stop() {
  close(request_);
  close(reply_);
  kill(child_, SIGKILL);
  int status = 0;
  waitpid(child_, &status, 0);
}

bool HostOracle::batch() {
  char word = 0;
  if (write(request_, &word, 1) != 1) return false;
  pollfd wait{reply_, POLLIN, 0};
  constexpr int kPatienceMs = 60000;
  return poll(&wait, 1, kPatienceMs) == 1 && read(reply_, &word, 1) == 1;
}

void HostOracle::run(std::span<Trial> trials) {
  for (std::size_t done = 0; done < trials.size();) {
    shared_->count = std::min(kBatch, trials.size() - done);
    shared_->next = 0;
    std::copy_n(trials.begin() + static_cast<std::ptrdiff_t>(done), shared_->count, shared_->trials.begin());
    int deaths = 0;
    while (!batch()) {
      // A child that cannot even start would die for ever.
      if (++deaths > 20) throw std::runtime_error("the host oracle's child keeps dying");
      stop();
      if (shared_->next < shared_->count) shared_->trials[shared_->next].died = true;
      shared_->next = shared_->next + 1;
      start();
    }
    std::copy_n(shared_->trials.begin(), shared_->count, trials.begin() + static_cast<std::ptrdiff_t>(done));
    done += shared_->count;
  }
}

}  // namespace rhea::x86::test
