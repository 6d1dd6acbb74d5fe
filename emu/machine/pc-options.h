// PcOptions: what -m, -smp, -cpu, -kernel and their like say about a PC, checked as far as that goes without making it.
#pragma once

#include "emu/base/base.h"
#include "emu/object/command-line.h"
#include "qapi/types-machine.h"

namespace rhea::machine {

// What follows when the guest wishes something of the machine as a whole; set-action changes it.
struct GuestActions {
  qapi::RebootAction reboot = qapi::RebootAction::reset;
  qapi::ShutdownAction shutdown = qapi::ShutdownAction::poweroff;
  qapi::PanicAction panic = qapi::PanicAction::shutdown;
};

// -rtc.
struct RtcOptions {
  enum class Follows : std::uint8_t { kWallClock, kHostUptime, kVirtualTime };
  std::optional<std::int64_t> start;  // seconds since 1970 that it shows at first; nothing: the host's time
  bool localTime = false;             // the host's, in its zone
  Follows follows = Follows::kWallClock;
  bool catchesUp = false;  // with periodic interrupts
};

// -icount: virtual time follows from the instructions that were executed.
struct CountOptions {
  unsigned shift = 0;  // an instruction takes 2^shift ns
  bool sleeps = true;  // a machine that is idle waits for as long on the host
};

struct PcOptions {
  static constexpr std::uint64_t kMostMemory = std::uint64_t{512} << 30;
  static constexpr unsigned kMostCpus = 255;

  std::uint64_t memory = std::uint64_t{128} << 20;
  std::string memoryBackend;  // an object's id; empty: memory of the board's own
  unsigned cpus = 1;
  unsigned cores = 1, threads = 1;  // of one package, of one core
  std::string cpu;                  // -cpu as given; empty: the board's default
  std::string kernel, initrd, append;
  bool hpet = true;
  // Guest code is translated (-accel tcg, the default) where the build and the host can, else interpreted.
  // `translateAsked`: in so many words, so that it is worth a warning.
  bool translate = true, translateAsked = false;
  std::optional<std::uint64_t> codeCache;  // -accel tcg,tb-size=: bytes for the translated code of all CPUs
  bool oneInsn = false;                    // a block is one instruction
  bool perfMap = false;
  std::optional<CountOptions> count;  // -icount
  GuestActions actions;
  RtcOptions rtc;

  std::size_t codeCacheOfEach() const;
};

// Errors name the option and what would do; exit status 2.
Result<PcOptions> readPcOptions(const object::CommandLine& line);
// For a board without CPUs and memory: an option that it cannot follow is refused rather than ignored.
Result<void> refusePcOptions(const object::CommandLine& line, std::string_view board);

}  // namespace rhea::machine
