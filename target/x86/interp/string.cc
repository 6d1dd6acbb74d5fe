// String instructions: one element at a time, whole page runs at once where movs and stos repeat over plain memory.
// A repetition looks at requests after each run, so that interrupts are taken between two elements.
#include "target/x86/interp/operands.h"

namespace rhea::x86 {

namespace {

// Elements between two looks at the requests where there are no page runs.
constexpr std::uint64_t kElementsAtOnce = 256;

class Strings {
 public:
  Strings(Cpu& cpu, const Insn& i)
      : cpu_(cpu),
        st_(cpu.st),
        i_(i),
        mask_(i.addressBytes() == 8 ? ~std::uint64_t{0} : (std::uint64_t{1} << (i.addressBytes() * 8)) - 1),
        flatSource_(cpu.st.mode64() && i.segment() < kFs),
        flatTarget_(cpu.st.mode64()) {}

  bool repeated() const { return i_.has(Insn::kRepe) || i_.has(Insn::kRepne); }
  bool backwards() const { return (st_.system & kDf) != 0; }
  // Several elements at once: not downwards, and not under single step, which wants a trap behind each.
  bool inRuns() const { return (st_.system & (kDf | kTf)) == 0; }
  std::uint64_t count() const { return st_.gpr[kRcx] & mask_; }
  void setCount(std::uint64_t value) { setMasked(kRcx, value); }
  void advance(Gpr which, std::uint64_t bytes) { setMasked(which, st_.gpr[which] + (backwards() ? 0 - bytes : bytes)); }

  bool source(std::size_t size, std::uint64_t& address) {
    address = st_.gpr[kRsi] & mask_;
    return flatSource_ || cpu_.segmented(i_.segment(), address, size, AccessKind::kRead, address);
  }
  bool target(std::size_t size, AccessKind kind, std::uint64_t& address) {
    address = st_.gpr[kRdi] & mask_;
    return flatTarget_ || cpu_.segmented(kEs, address, size, kind, address);
  }
  SegmentIndex sourceSegment() const { return i_.segment(); }

  // Whether bytes up to `wanted` may be taken as one run: forward, no wrap of the offset, within the page.
  std::uint64_t run(std::uint64_t offset, std::uint64_t linear, std::uint64_t wanted) const {
    wanted = std::min(wanted, 0x1000 - (linear & 0xfff));
    return mask_ - offset >= wanted ? wanted : 0;
  }
  std::uint64_t mask() const { return mask_; }

  // rip stays on the instruction: it goes on after what had to be done.
  Outcome again() {
    st_.gpr[kRipRegister] = cpu_.rip(i_);
    return Outcome::kEdge;
  }
  bool mustLook() const {
    return std::atomic_ref(const_cast<std::uint32_t&>(st_.pending)).load(std::memory_order_relaxed) != 0 ||
           (st_.system & kTf) != 0 || cpu_.interruptDue();
  }

  // Elements from `offset` of a page that is plain memory, at most as many as are left; 0: one by one. `host`: the
  // first.
  template <class T>
  std::uint64_t readRun(SegmentIndex segment, bool flat, std::uint64_t offset, const std::uint8_t*& host) {
    std::uint64_t address = offset;
    // Watchpoints and alignment are looked at element by element.
    if (!inRuns() || (st_.dr[7] & 0xff) != 0 || (st_.system & kAc) != 0) return 0;
    if (!flat && !cpu_.segmented(segment, offset, sizeof(T), AccessKind::kRead, address)) return 0;
    std::uint64_t bytes = run(offset, address, count() > 0x1000 ? 0x1000 : count() * sizeof(T));
    bytes -= bytes % sizeof(T);
    if (bytes < 2 * sizeof(T)) return 0;
    if (!flat && !cpu_.segmented(segment, offset, bytes, AccessKind::kRead, address)) return 0;
    return cpu_.readable(address, bytes, segment, host) && host != nullptr ? bytes / sizeof(T) : 0;
  }
  template <class T>
  std::uint64_t sourceRun(const std::uint8_t*& host) {
    return readRun<T>(sourceSegment(), flatSource_, st_.gpr[kRsi] & mask_, host);
  }
  template <class T>
  std::uint64_t targetRun(const std::uint8_t*& host) {
    return readRun<T>(kEs, flatTarget_, st_.gpr[kRdi] & mask_, host);
  }

  // Calls element() until the count is zero or stop() says so. T: element.
  template <class Element, class Stop>
  Outcome repeat(Element element, Stop stop) {
    if (!repeated()) return element() ? Outcome::kNext : Outcome::kFault;
    for (std::uint64_t done = 1; count() != 0; ++done) {
      if (!element()) return Outcome::kFault;
      setCount(count() - 1);
      if (stop()) return Outcome::kNext;
      if (count() != 0 && (done % kElementsAtOnce == 0 || (st_.system & kTf) != 0) && mustLook()) return again();
    }
    return Outcome::kNext;
  }

 private:
  void setMasked(Gpr which, std::uint64_t value) {
    if (mask_ == 0xffff)
      st_.gpr[which] = (st_.gpr[which] & ~mask_) | (value & mask_);
    else
      st_.gpr[which] = value & mask_;
  }

  Cpu& cpu_;
  State& st_;
  const Insn& i_;
  const std::uint64_t mask_;
  const bool flatSource_, flatTarget_;
};

constexpr auto kNever = [] { return false; };

// Page runs where String::run() can make them, else elements.
template <class T, class String>
Outcome repeatInRuns(Cpu& cpu, const Insn& i) {
  Strings s(cpu, i);
  const auto element = [&] { return String::template element<T>(cpu, s); };
  if (!s.inRuns()) return s.repeat(element, kNever);
  while (s.repeated() && s.count() >= 4) {
    if (String::template run<T>(cpu, s) == 0) {
      if (!element()) return Outcome::kFault;
      s.setCount(s.count() - 1);
    }
    if (s.count() != 0 && s.mustLook()) return s.again();
  }
  return s.repeat(element, kNever);
}

struct MoveString {
  // As many elements as lie in one page of both sides; 0: one by one. 1: the requests want a look.
  template <class T>
  static std::uint64_t run(Cpu& cpu, Strings& s) {
    std::uint64_t from;
    std::uint64_t to;
    if (!s.source(sizeof(T), from) || !s.target(sizeof(T), AccessKind::kWrite, to)) return 0;
    std::uint64_t bytes = s.count() * sizeof(T);
    if (s.count() > 0x1000) bytes = 0x1000;
    bytes = s.run(cpu.st.gpr[kRsi] & s.mask(), from, bytes);
    bytes = s.run(cpu.st.gpr[kRdi] & s.mask(), to, bytes);
    bytes -= bytes % sizeof(T);
    if (bytes < 2 * sizeof(T)) return 0;
    if (!s.source(bytes, from) || !s.target(bytes, AccessKind::kWrite, to)) return 0;
    const std::uint8_t* fromHost;
    std::uint8_t* toHost;
    if (!cpu.readable(from, bytes, kDs, fromHost) || !cpu.writable(to, bytes, kEs, toHost)) return 0;
    if (fromHost == nullptr || toHost == nullptr) return 0;
    // An overlap that feeds the copy its own output is done element by element.
    if (toHost > fromHost && toHost < fromHost + bytes) return 0;
    std::memmove(toHost, fromHost, bytes);
    cpu.stored();
    s.advance(kRsi, bytes);
    s.advance(kRdi, bytes);
    s.setCount(s.count() - bytes / sizeof(T));
    return bytes;
  }
  template <class T>
  static bool element(Cpu& cpu, Strings& s) {
    std::uint64_t from;
    std::uint64_t to;
    T value;
    if (!s.source(sizeof(T), from) || !cpu.load(from, value, s.sourceSegment())) return false;
    if (!s.target(sizeof(T), AccessKind::kWrite, to) || !cpu.store(to, value, kEs)) return false;
    s.advance(kRsi, sizeof(T));
    s.advance(kRdi, sizeof(T));
    return true;
  }
  template <class T>
  static Outcome body(Cpu& cpu, const Insn& i) {
    return repeatInRuns<T, MoveString>(cpu, i);
  }
};

struct StoreString {
  template <class T>
  static std::uint64_t run(Cpu& cpu, Strings& s) {
    std::uint64_t to;
    if (!s.target(sizeof(T), AccessKind::kWrite, to)) return 0;
    std::uint64_t bytes = s.run(cpu.st.gpr[kRdi] & s.mask(), to, s.count() > 0x1000 ? 0x1000 : s.count() * sizeof(T));
    bytes -= bytes % sizeof(T);
    std::uint8_t* host;
    if (bytes < 2 * sizeof(T) || !s.target(bytes, AccessKind::kWrite, to)) return 0;
    if (!cpu.writable(to, bytes, kEs, host) || host == nullptr) return 0;
    const T value = cpu.gpr<T>(0);
    if (sizeof(T) == 1 || value == 0) {
      std::memset(host, static_cast<int>(value & 0xff), bytes);
    } else {
      for (std::uint64_t at = 0; at < bytes; at += sizeof(T)) std::memcpy(host + at, &value, sizeof(T));
    }
    cpu.stored();
    s.advance(kRdi, bytes);
    s.setCount(s.count() - bytes / sizeof(T));
    return bytes;
  }
  template <class T>
  static bool element(Cpu& cpu, Strings& s) {
    std::uint64_t to;
    if (!s.target(sizeof(T), AccessKind::kWrite, to) || !cpu.store(to, cpu.gpr<T>(0), kEs)) return false;
    s.advance(kRdi, sizeof(T));
    return true;
  }
  template <class T>
  static Outcome body(Cpu& cpu, const Insn& i) {
    return repeatInRuns<T, StoreString>(cpu, i);
  }
};

// Reads page runs as far as there are some before one element each: run() answers whether that was the end.
template <class T, class Run, class Element, class Stop>
Outcome readInRuns(Strings& s, Run run, Element element, Stop stop) {
  while (s.repeated() && s.count() >= 2) {
    if (run()) return Outcome::kNext;
    if (s.count() == 0) return Outcome::kNext;
    // One that crosses a page's end, or a device's.
    if (!element()) return Outcome::kFault;
    s.setCount(s.count() - 1);
    if (stop()) return Outcome::kNext;
    if (s.count() != 0 && s.mustLook()) return s.again();
  }
  return s.repeat(element, stop);
}

struct LoadString {
  template <class T>
  static Outcome body(Cpu& cpu, const Insn& i) {
    Strings s(cpu, i);
    return readInRuns<T>(
        s,
        [&] {
          const std::uint8_t* from;
          if (const std::uint64_t count = s.sourceRun<T>(from); count != 0) {
            cpu.setGpr<T>(0, loadHost<T>(from + (count - 1) * sizeof(T)));
            s.advance(kRsi, count * sizeof(T));
            s.setCount(s.count() - count);
          }
          return false;
        },
        [&] {
          std::uint64_t from;
          T value;
          if (!s.source(sizeof(T), from) || !cpu.load(from, value, s.sourceSegment())) return false;
          cpu.setGpr<T>(0, value);
          s.advance(kRsi, sizeof(T));
          return true;
        },
        kNever);
  }
};

template <class T>
void compare(State& st, T left, T right) {
  std::uint16_t flags;
  asm("cmp %[right], %[left]" RHEA_FLAGS_TO_AX : "=&a"(flags) : [left] "r"(left), [right] "r"(right) : "cc");
  st.arith = flags;
}
// repe goes on while equal, repne while not.
bool compared(const Cpu& cpu, const Insn& i) { return condition<4>(cpu.st) != i.has(Insn::kRepe); }

// The next elements as far as pairs(n) goes on; it answers with the two that were compared. Whether it stopped there.
template <class T, class Pairs>
bool compareRun(Cpu& cpu, const Insn& i, Strings& s, std::uint64_t count, Pairs pairs) {
  const bool whileEqual = i.has(Insn::kRepe);
  for (std::uint64_t n = 0; n < count; ++n) {
    const std::pair<T, T> values = pairs(n * sizeof(T));
    const bool stops = (values.first == values.second) != whileEqual;
    if (!stops && n + 1 < count) continue;
    compare(cpu.st, values.first, values.second);
    s.setCount(s.count() - (n + 1));
    s.advance(kRdi, (n + 1) * sizeof(T));
    return stops;
  }
  return false;
}

struct CompareString {
  template <class T>
  static Outcome body(Cpu& cpu, const Insn& i) {
    Strings s(cpu, i);
    return readInRuns<T>(
        s,
        [&] {
          const std::uint8_t* from;
          const std::uint8_t* to;
          const std::uint64_t count = std::min(s.sourceRun<T>(from), s.targetRun<T>(to));
          const std::uint64_t before = s.count();
          const bool stops = compareRun<T>(cpu, i, s, count, [&](std::uint64_t at) {
            return std::pair(loadHost<T>(from + at), loadHost<T>(to + at));
          });
          s.advance(kRsi, (before - s.count()) * sizeof(T));
          return stops;
        },
        [&] {
          std::uint64_t from;
          std::uint64_t to;
          T left;
          T right;
          if (!s.source(sizeof(T), from) || !cpu.load(from, left, s.sourceSegment())) return false;
          if (!s.target(sizeof(T), AccessKind::kRead, to) || !cpu.load(to, right, kEs)) return false;
          compare(cpu.st, left, right);
          s.advance(kRsi, sizeof(T));
          s.advance(kRdi, sizeof(T));
          return true;
        },
        [&] { return compared(cpu, i); });
  }
};
struct ScanString {
  template <class T>
  static Outcome body(Cpu& cpu, const Insn& i) {
    Strings s(cpu, i);
    return readInRuns<T>(
        s,
        [&] {
          const std::uint8_t* to;
          const std::uint64_t count = s.targetRun<T>(to);
          const T left = cpu.gpr<T>(0);
          return compareRun<T>(cpu, i, s, count,
                               [&](std::uint64_t at) { return std::pair(left, loadHost<T>(to + at)); });
        },
        [&] {
          std::uint64_t to;
          T right;
          if (!s.target(sizeof(T), AccessKind::kRead, to) || !cpu.load(to, right, kEs)) return false;
          compare(cpu.st, cpu.gpr<T>(0), right);
          s.advance(kRdi, sizeof(T));
          return true;
        },
        [&] { return compared(cpu, i); });
  }
};

// Ports have no 64-bit form: the operand size 8 counts as 4.
struct InString {
  template <class T, Form kForm, bool kMemory>
  static Outcome body(Cpu& cpu, const Insn& i) {
    if constexpr (sizeof(T) == 8) {
      return body<std::uint32_t, kForm, kMemory>(cpu, i);
    } else {
      Strings s(cpu, i);
      const auto port = static_cast<std::uint16_t>(cpu.st.gpr[kRdx]);
      if (!cpu.portAllowed(port, sizeof(T))) return Outcome::kFault;
      const Outcome outcome = s.repeat(
          [&] {
            // The target is probed first: a read that has been done cannot be taken back.
            std::uint64_t to;
            std::uint8_t* host;
            if (!s.target(sizeof(T), AccessKind::kWrite, to) || !cpu.writable(to, sizeof(T), kEs, host)) return false;
            if (!cpu.store(to, static_cast<T>(cpu.portRead(port, sizeof(T))), kEs)) return false;
            s.advance(kRdi, sizeof(T));
            return true;
          },
          kNever);
      return outcome == Outcome::kNext ? cpu.edge(i) : outcome;
    }
  }
};
struct OutString {
  template <class T, Form kForm, bool kMemory>
  static Outcome body(Cpu& cpu, const Insn& i) {
    if constexpr (sizeof(T) == 8) {
      return body<std::uint32_t, kForm, kMemory>(cpu, i);
    } else {
      Strings s(cpu, i);
      const auto port = static_cast<std::uint16_t>(cpu.st.gpr[kRdx]);
      if (!cpu.portAllowed(port, sizeof(T))) return Outcome::kFault;
      const Outcome outcome = s.repeat(
          [&] {
            std::uint64_t from;
            T value;
            if (!s.source(sizeof(T), from) || !cpu.load(from, value, s.sourceSegment())) return false;
            cpu.portWrite(port, value, sizeof(T));
            s.advance(kRsi, sizeof(T));
            return true;
          },
          kNever);
      return outcome == Outcome::kNext ? cpu.edge(i) : outcome;
    }
  }
};

}  // namespace

RHEA_EXEC_TABLE(movs, MoveString)
RHEA_EXEC_TABLE(stos, StoreString)
RHEA_EXEC_TABLE(lods, LoadString)
RHEA_EXEC_TABLE(cmps, CompareString)
RHEA_EXEC_TABLE(scas, ScanString)
RHEA_EXEC_TABLE(ins, InString)
RHEA_EXEC_TABLE(outs, OutString)

}  // namespace rhea::x86
