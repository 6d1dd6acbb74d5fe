// Exceptions of SIMD and of the x87 unit that the guest has unmasked: translated code runs with the guest's masks, the
// host raises what the guest's program raises, at the copy of the same instruction, and the signal leads from there to
// cold code that has T0 execute it.
#include <sys/mman.h>
#include <ucontext.h>

#include "target/x86/t1/engine.h"

namespace rhea::x86::t1 {

namespace {

constexpr std::size_t kSignalStack = std::size_t{64} << 10;

// Whose translated code this thread runs.
thread_local const Engine* running = nullptr;

}  // namespace

// What was translated before does not know.
void Engine::beginRaising() {
  raises_ = true;
  cpu_.area.neededMasks = 0;
  signalStack_ = std::make_unique<std::uint8_t[]>(kSignalStack);
  takeSignals();
  struct sigaction action {};
  action.sa_sigaction = &Engine::raisedOnHost;
  action.sa_flags = SA_SIGINFO | SA_ONSTACK;
  sigfillset(&action.sa_mask);
  ::sigaction(SIGFPE, &action, nullptr);
  cpu_.clearBlocks();
}

// RSP is the guest's and may point anywhere, into the signals' stack as well.
void Engine::takeSignals() const {
  running = this;
  if (!raises_) return;
  constexpr int kWhateverRspIs = static_cast<int>(1U << 31);  // SS_AUTODISARM
  stack_t stack{};
  stack.ss_sp = signalStack_.get();
  stack.ss_size = kSignalStack;
  stack.ss_flags = kWhateverRspIs;
  ::sigaltstack(&stack, nullptr);
}

// 0: it is none of ours.
std::uint64_t Engine::coldCodeOf(std::uint64_t instruction) const {
  const std::uint64_t start = cache_->address(0);
  if (instruction < start || instruction - start >= cache_->size()) return 0;
  const auto at = static_cast<std::uint32_t>(instruction - start);
  for (const Generation& generation : generations_) {
    if (const auto found = generation.raising.find(at); found != generation.raising.end())
      return cache_->address(found->second);
  }
  return 0;
}

// The program was in translated code, so everything here is whole.
void Engine::raisedOnHost(int signal, siginfo_t*, void* context) {
  auto& rip = static_cast<ucontext_t*>(context)->uc_mcontext.gregs[REG_RIP];
  const std::uint64_t cold = running == nullptr ? 0 : running->coldCodeOf(static_cast<std::uint64_t>(rip));
  if (cold == 0) {
    // Ends the program: an instruction's own would come again, that of another program would not.
    std::signal(signal, SIG_DFL);
    std::raise(signal);
    return;
  }
  rip = static_cast<greg_t>(cold);
}

}  // namespace rhea::x86::t1
