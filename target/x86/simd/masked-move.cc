// Moves of chosen lanes: maskmovdqu, vmaskmov*, vpmaskmov*, and the gathers. Lanes that are not chosen are not accessed
// and cannot fault; a store changes nothing unless all of it can be done.
#include "target/x86/simd/arith.h"
#include "target/x86/simd/exec.h"

namespace rhea::x86 {
namespace {

using namespace simd;

template <class T>
struct Chosen {
  std::array<bool, 32 / sizeof(T)> lane{};
  unsigned count = 0;
};
template <class T>
Chosen<T> chosenBy(Vec256 mask, bool wide) {
  using S = std::make_signed_t<T>;
  constexpr unsigned kHalf = 16 / sizeof(T);
  Chosen<T> chosen;
  chosen.count = wide ? 2 * kHalf : kHalf;
  for (unsigned n = 0; n < chosen.count; ++n) {
    chosen.lane[n] = as<S>(n < kHalf ? mask.lower : mask.upper)[n % kHalf] < 0;
  }
  return chosen;
}

// Offsets wrap and segment limits count lane by lane.
template <class T>
bool laneAddress(Cpu& cpu, SegmentIndex segment, bool slow, std::uint64_t offset, AccessKind kind,
                 std::uint64_t& address) {
  if (slow) return cpu.segmented(segment, offset, sizeof(T), kind, address);
  address = offset;
  return true;
}

std::uint64_t startOffset(const Cpu& cpu, const Insn& i) {
  return i.slowAddress() ? cpu.effectiveMasked(i) : cpu.effective(i);
}

template <class T>
Outcome loadChosen(Cpu& cpu, const Insn& i) {
  const bool wide = i.vexL();
  const Chosen<T> chosen = chosenBy<T>({half(cpu, i.vvvv), half(cpu, i.vvvv, 1)}, wide);
  std::array<T, 32 / sizeof(T)> values{};
  const std::uint64_t start = startOffset(cpu, i);
  for (unsigned n = 0; n < chosen.count; ++n) {
    std::uint64_t address;
    if (!chosen.lane[n]) continue;
    if (!laneAddress<T>(cpu, i.segment(), i.slowAddress(), start + n * sizeof(T), AccessKind::kRead, address) ||
        !cpu.load(address, values[n], i.segment())) {
      return Outcome::kFault;
    }
  }
  Vec256 result;
  std::memcpy(static_cast<void*>(&result), values.data(), sizeof result);
  setVex(cpu, i.reg, result.lower, result.upper);
  return Outcome::kNext;
}

template <class T>
bool storeChosenAt(Cpu& cpu, SegmentIndex segment, bool slow, std::uint64_t start, const Chosen<T>& chosen,
                   const T* values) {
  std::array<std::uint64_t, 32 / sizeof(T)> addresses{};
  for (unsigned n = 0; n < chosen.count; ++n) {
    if (!chosen.lane[n]) continue;
    std::uint8_t* host = nullptr;
    if (!laneAddress<T>(cpu, segment, slow, start + n * sizeof(T), AccessKind::kWrite, addresses[n]) ||
        !cpu.writable(addresses[n], sizeof(T), segment, host)) {
      return false;
    }
  }
  for (unsigned n = 0; n < chosen.count; ++n) {
    if (chosen.lane[n] && !cpu.store(addresses[n], values[n], segment)) return false;
  }
  return true;
}

template <class T>
Outcome storeChosen(Cpu& cpu, const Insn& i) {
  const Chosen<T> chosen = chosenBy<T>({half(cpu, i.vvvv), half(cpu, i.vvvv, 1)}, i.vexL());
  std::array<T, 32 / sizeof(T)> values;
  std::memcpy(values.data(), cpu.st.vector[i.reg].bytes.data(), 32);
  const bool done = storeChosenAt(cpu, i.segment(), i.slowAddress(), startOffset(cpu, i), chosen, values.data());
  return done ? Outcome::kNext : Outcome::kFault;
}

// maskmovdqu and maskmovq store at DS:rDI; the decoder gives them that as their memory operand's segment only.
Outcome storeBytesAtRdi(Cpu& cpu, const Insn& i, Vec values, const Chosen<std::uint8_t>& chosen) {
  const std::uint64_t rdi = cpu.st.gpr[kRdi];
  const std::uint64_t offset = i.addressBytes() == 8 ? rdi : i.addressBytes() == 4 ? rdi & 0xffffffff : rdi & 0xffff;
  std::array<std::uint8_t, 16> bytes;
  storeVec(bytes.data(), values);
  return storeChosenAt(cpu, i.segment(), true, offset, chosen, bytes.data()) ? Outcome::kNext : Outcome::kFault;
}

// --- gathers. Lanes are loaded in order; a fault leaves the destination and the mask as the lanes before it made them,
// so that the instruction can be started again.
template <class T, class Index>
Outcome gather(Cpu& cpu, const Insn& i) {
  if (i.reg == i.index || i.reg == i.vvvv || i.index == i.vvvv) return cpu.undefined();
  constexpr unsigned kBigger = sizeof(T) > sizeof(Index) ? sizeof(T) : sizeof(Index);
  const unsigned count = (i.vexL() ? 32 : 16) / kBigger;
  std::array<T, 32 / sizeof(T)> values{};
  std::array<T, 32 / sizeof(T)> mask{};
  std::array<Index, 32 / sizeof(Index)> indices;
  std::memcpy(values.data(), cpu.st.vector[i.reg].bytes.data(), count * sizeof(T));
  std::memcpy(mask.data(), cpu.st.vector[i.vvvv].bytes.data(), count * sizeof(T));
  std::memcpy(indices.data(), cpu.st.vector[i.index].bytes.data(), sizeof indices);
  using S = std::make_signed_t<T>;

  bool done = true;
  for (unsigned n = 0; n < count && done; ++n) {
    if (static_cast<S>(mask[n]) >= 0) {
      mask[n] = 0;
      continue;
    }
    std::uint64_t offset = cpu.st.gpr[i.base] +
                           (static_cast<std::uint64_t>(std::int64_t{indices[n]}) << (i.scale & 3)) +
                           static_cast<std::uint64_t>(std::int64_t{i.disp});
    if (i.addressBytes() == 4) offset &= 0xffffffff;
    std::uint64_t address;
    T value;
    done = cpu.segmented(i.segment(), offset, sizeof(T), AccessKind::kRead, address) &&
           cpu.load(address, value, i.segment());
    if (done) values[n] = value, mask[n] = 0;
  }
  auto& destination = cpu.st.vector[i.reg].bytes;
  auto& left = cpu.st.vector[i.vvvv].bytes;
  // A fault keeps what lies above the lanes, and the masks of lanes that are still to be loaded; completion clears all.
  if (done) mask = {};
  std::memcpy(destination.data(), values.data(), done ? 32 : count * sizeof(T));
  std::memcpy(left.data(), mask.data(), done ? 32 : count * sizeof(T));
  return done ? Outcome::kNext : Outcome::kFault;
}

}  // namespace

RHEA_EXEC_BODY(vmaskmov_d, &loadChosen<std::uint32_t>)
RHEA_EXEC_BODY(vmaskmov_q, &loadChosen<std::uint64_t>)
RHEA_EXEC_BODY(vmaskmov_store_d, &storeChosen<std::uint32_t>)
RHEA_EXEC_BODY(vmaskmov_store_q, &storeChosen<std::uint64_t>)

RHEA_EXEC(maskmovdqu) {
  return storeBytesAtRdi(cpu, i, half(cpu, i.reg), chosenBy<std::uint8_t>({half(cpu, i.rm), kZero}, false));
}
RHEA_EXEC(maskmovq) {
  if (fpu::exceptionPending(cpu)) return Outcome::kFault;
  const Outcome outcome =
      storeBytesAtRdi(cpu, i, mm(cpu, i.reg), chosenBy<std::uint8_t>({mm(cpu, i.rm), kZero}, false));
  if (outcome == Outcome::kNext) enterMmx(cpu);
  return outcome;
}

// First letter: the data, second: the index.
RHEA_EXEC_BODY(vgather_dd, &gather<std::uint32_t, std::int32_t>)
RHEA_EXEC_BODY(vgather_dq, &gather<std::uint32_t, std::int64_t>)
RHEA_EXEC_BODY(vgather_qd, &gather<std::uint64_t, std::int32_t>)
RHEA_EXEC_BODY(vgather_qq, &gather<std::uint64_t, std::int64_t>)

}  // namespace rhea::x86
