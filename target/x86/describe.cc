// The state as people and debuggers read it.
#include "target/x86/cpu.h"

namespace rhea::x86 {

namespace {

constexpr const char* kGprNames[] = {"RAX", "RCX", "RDX", "RBX", "RSP", "RBP", "RSI", "RDI",
                                     "R8 ", "R9 ", "R10", "R11", "R12", "R13", "R14", "R15"};
constexpr const char* kSegmentNames[] = {"ES", "CS", "SS", "DS", "FS", "GS"};

std::string segmentLine(const char* name, const Segment& s) {
  return fmt::format("{:<3} ={:04x} {:016x} {:08x} {:08x}\n", name, s.selector, s.base, s.limit, s.attributes << 8);
}

std::string flagLetters(std::uint64_t flags) {
  constexpr std::pair<std::uint64_t, char> kLetters[] = {{kDf, 'D'}, {kOf, 'O'}, {kSf, 'S'}, {kZf, 'Z'},
                                                         {kAf, 'A'}, {kPf, 'P'}, {kCf, 'C'}};
  std::string text;
  for (const auto& [bit, letter] : kLetters) text += (flags & bit) != 0 ? letter : '-';
  return text;
}

}  // namespace

std::string Cpu::describe() const {
  std::string text;
  constexpr unsigned kOrder[] = {kRax, kRbx, kRcx, kRdx, kRsi, kRdi, kRbp, kRsp, 8, 9, 10, 11, 12, 13, 14, 15};
  for (unsigned n = 0; n < 16; ++n) {
    text += fmt::format("{}={:016x}{}", kGprNames[kOrder[n]], st.gpr[kOrder[n]], n % 4 == 3 ? "\n" : " ");
  }
  text += fmt::format("RIP={:016x} RFL={:08x} [{}] CPL={} II={} A20=1 SMM=0 HLT={}\n", st.gpr[kRipRegister],
                      st.rflags(), flagLetters(st.rflags()), st.cpl, inhibit_ ? 1 : 0, halted() ? 1 : 0);
  for (unsigned n = 0; n < 6; ++n) text += segmentLine(kSegmentNames[n], st.segments[n]);
  text += segmentLine("LDT", st.ldtr) + segmentLine("TR", st.tr);
  text += fmt::format("GDT=     {:016x} {:08x}\nIDT=     {:016x} {:08x}\n", st.gdtr.base, st.gdtr.limit, st.idtr.base,
                      st.idtr.limit);
  text += fmt::format("CR0={:08x} CR2={:016x} CR3={:016x} CR4={:08x}\n", st.cr0, st.cr2, st.cr3, st.cr4);
  text += fmt::format("DR0={:016x} DR1={:016x} DR2={:016x} DR3={:016x}\nDR6={:016x} DR7={:016x}\n", st.dr[0], st.dr[1],
                      st.dr[2], st.dr[3], st.dr[6], st.dr[7]);
  text += fmt::format("EFER={:016x}\n", st.msr.efer);
  text += fmt::format("FCW={:04x} FSW={:04x} [ST={}] FTW={:02x} MXCSR={:08x}\n", st.fpu.control, st.fpu.status,
                      st.fpu.top(), st.fpu.tags, st.mxcsr);
  for (unsigned n = 0; n < 8; ++n) {
    text += fmt::format("FPR{}={:016x} {:04x}{}", n, st.fpu.registers[n].mantissa, st.fpu.registers[n].signExponent,
                        n % 2 == 1 ? "\n" : " ");
  }
  for (unsigned n = 0; n < 16; ++n) {
    const std::uint8_t* bytes = st.vector[n].bytes.data();
    text += fmt::format("XMM{:02}={:016x}{:016x}{}", n, loadHost<std::uint64_t>(bytes + 8),
                        loadHost<std::uint64_t>(bytes), n % 2 == 1 ? "\n" : " ");
  }
  return text;
}

std::vector<cpu::RegisterValue> Cpu::registers() const {
  std::vector<cpu::RegisterValue> result;
  const auto add = [&](std::string name, std::uint64_t value, std::size_t size) {
    cpu::RegisterValue r{std::move(name), std::vector<std::uint8_t>(size)};
    std::memcpy(r.bytes.data(), &value, size);
    result.push_back(std::move(r));
  };
  constexpr const char* kNames[] = {"rax", "rcx", "rdx", "rbx", "rsp", "rbp", "rsi", "rdi"};
  for (unsigned n = 0; n < 16; ++n) add(n < 8 ? std::string(kNames[n]) : fmt::format("r{}", n), st.gpr[n], 8);
  add("rip", st.gpr[kRipRegister], 8);
  add("rflags", st.rflags(), 8);
  constexpr const char* kSegments[] = {"es", "cs", "ss", "ds", "fs", "gs"};
  for (unsigned n = 0; n < 6; ++n) add(kSegments[n], st.segments[n].selector, 2);
  add("fs_base", st.segments[kFs].base, 8);
  add("gs_base", st.segments[kGs].base, 8);
  add("cr0", st.cr0, 8);
  add("cr2", st.cr2, 8);
  add("cr3", st.cr3, 8);
  add("cr4", st.cr4, 8);
  add("efer", st.msr.efer, 8);
  for (unsigned n = 0; n < 16; ++n) {
    result.push_back({fmt::format("ymm{}", n), {st.vector[n].bytes.begin(), st.vector[n].bytes.end()}});
  }
  add("mxcsr", st.mxcsr, 4);
  return result;
}

std::uint64_t Cpu::programCounter() const { return linearRip(); }

}  // namespace rhea::x86
