// Environment: what a Cpu needs from the machine around it.
#pragma once

#include <functional>
#include <optional>

#include "emu/cpu/perf-map.h"
#include "emu/cpu/trace-log.h"
#include "emu/cpu/write-rounds.h"
#include "emu/mem/address-space.h"
#include "emu/object/tick-scale.h"
#include "target/x86/model.h"

namespace rhea {
class Log;
}

namespace rhea::x86 {

class Cpu;

struct Environment {
  mem::AddressSpace& memory;
  mem::AddressSpace& ports;
  const Model& model;
  // The time-stamp counter, before TSC_ADJUST; follows virtual time.
  std::function<std::uint64_t()> tsc;
  Log* log = nullptr;
  // FERR#: an unmasked x87 exception with CR0.NE = 0 (IRQ 13).
  std::function<void(bool)> ferr;
  // How every other vCPU forgets its write entries; nullptr on a machine with one vCPU.
  cpu::WriteRounds* writeRounds = nullptr;
  // Does the work while every other vCPU stands between two of its blocks; empty likewise.
  std::function<void(Cpu&, const std::function<void()>&)> alone{};
  cpu::TraceLog* trace = nullptr;                 // what guest code does, for those who asked
  cpu::PerfMap* perfMap = nullptr;                // likewise, the names of translated code
  std::size_t codeCache = std::size_t{64} << 20;  // bytes for translated code, at the most
  bool oneInsn = false;                           // a block is one instruction
  // What `tsc` is computed from, for translated code; nullptr: it always asks.
  const object::TickScale* scale = nullptr;
  // -icount: waits until devices have done what the last write to a register asked for; virtual time stands.
  std::function<void(Cpu&)> settle = {};
  std::optional<std::uint64_t> seed = {};  // of random numbers; nothing: the host's
};

}  // namespace rhea::x86
