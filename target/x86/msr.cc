// Model-specific registers.
#include "emu/base/log.h"
#include "target/x86/cpu.h"

namespace rhea::x86 {

namespace {

enum Msr : std::uint32_t {
  kTsc = 0x10,
  kPlatformId = 0x17,
  kApicBase = 0x1b,
  kFeatureControl = 0x3a,
  kTscAdjust = 0x3b,
  kSpecCtrl = 0x48,
  kPredCmd = 0x49,
  kUcodeRev = 0x8b,
  kMtrrCap = 0xfe,
  kArchCapabilities = 0x10a,
  kFlushCmd = 0x10b,
  kSysenterCs = 0x174,
  kSysenterEsp = 0x175,
  kSysenterEip = 0x176,
  kMcgCap = 0x179,
  kMcgStatus = 0x17a,
  kMcgCtl = 0x17b,
  kPerfStatus = 0x198,
  kMiscEnable = 0x1a0,
  kDebugCtl = 0x1d9,
  kMtrrVariableFirst = 0x200,
  kMtrrVariableLast = 0x20f,
  kPat = 0x277,
  kMtrrDefType = 0x2ff,
  kMachineCheckFirst = 0x400,
  kMachineCheckLast = 0x427,
  kTscDeadline = 0x6e0,
  kX2ApicFirst = 0x800,
  kX2ApicLast = 0x8ff,
  kXss = 0xda0,
  kEfer = 0xc0000080,
  kStar,
  kLstar,
  kCstar,
  kSfmask,
  kFsBase = 0xc0000100,
  kGsBase,
  kKernelGsBase,
  kTscAux,
  kSyscfg = 0xc0010010,
  kHwcr = 0xc0010015,
  kVmHsavePa = 0xc0010117,
  kPatchLevel = 0x8b,
  kLsCfg = 0xc0011020,
  kDeCfg = 0xc0011029,
  kIntPending = 0xc0010055,
  kOsvwLength = 0xc0010140,
  kOsvwStatus = 0xc0010141,
};

// Fixed-range MTRRs, in the order of Msrs::mtrrFixed.
int fixedMtrr(std::uint32_t index) {
  if (index == 0x250) return 0;
  if (index == 0x258 || index == 0x259) return static_cast<int>(index - 0x258 + 1);
  if (index >= 0x268 && index <= 0x26f) return static_cast<int>(index - 0x268 + 3);
  return -1;
}

bool memoryTypeValid(std::uint8_t type) { return type == 0 || type == 1 || (type >= 4 && type <= 7); }

}  // namespace

std::uint64_t* Cpu::plainMsr(std::uint32_t index) {
  Msrs& m = st.msr;
  if (index >= kMtrrVariableFirst && index <= kMtrrVariableLast) return &m.mtrrVariable[index - kMtrrVariableFirst];
  if (const int fixed = fixedMtrr(index); fixed >= 0) return &m.mtrrFixed[static_cast<std::size_t>(fixed)];
  if (index >= kMachineCheckFirst && index <= kMachineCheckLast) return &m.machineCheck[index - kMachineCheckFirst];
  switch (index) {
    case kTscAdjust:
      return &m.tscAdjust;
    case kSysenterCs:
      return &m.sysenterCs;
    case kSysenterEsp:
      return &m.sysenterEsp;
    case kSysenterEip:
      return &m.sysenterEip;
    case kMcgStatus:
      return &m.machineCheckStatus;
    case kMcgCtl:
      return &m.machineCheckControl;
    case kMiscEnable:
      return &m.miscEnable;
    case kDebugCtl:
      return &m.debugCtl;
    case kPat:
      return &m.pat;
    case kMtrrDefType:
      return &m.mtrrDefType;
    case kStar:
      return &m.star;
    case kLstar:
      return &m.lstar;
    case kCstar:
      return &m.cstar;
    case kSfmask:
      return &m.sfmask;
    case kFsBase:
      return &st.segments[kFs].base;
    case kGsBase:
      return &st.segments[kGs].base;
    case kKernelGsBase:
      return &m.kernelGsBase;
    case kTscAux:
      return &m.tscAux;
    default:
      return nullptr;
  }
}

bool Cpu::readMsr(std::uint32_t index, std::uint64_t& value) {
  value = 0;
  if (const std::uint64_t* plain = plainMsr(index)) {
    value = *plain;
    return true;
  }
  switch (index) {
    case kTsc:
      value = tsc();
      return true;
    case kEfer:
      value = st.msr.efer;
      return true;
    case kMtrrCap:
      value = 0x508;
      return true;  // 8 variable, fixed, write-combining
    case kMcgCap:
      value = 0x0100000a;
      return true;  // ten banks, MCG_CTL
    case kXss:
      value = st.msr.xss;
      return model().has("xsaves");
    case kUcodeRev:
      value = std::uint64_t{1} << 32;
      return true;
    case kFeatureControl:
      value = 1;
      return true;
    case kPlatformId:
    case kPerfStatus:
    case kSyscfg:
    case kHwcr:
    case kVmHsavePa:
    case kIntPending:
    case kLsCfg:
    case kOsvwLength:
    case kOsvwStatus:
      return true;
    case kDeCfg:
      value = 2;
      return true;  // lfence serialises
    default:
      break;
  }
  if (index == kApicBase || index == kTscDeadline || (index >= kX2ApicFirst && index <= kX2ApicLast)) {
    if (interrupts() == nullptr || !interrupts()->readMsr(index, value)) return false;
    if (index == kTscDeadline && value != 0) value += st.msr.tscAdjust;
    return true;
  }
  logUnknownMsr(index, false);
  return false;
}

bool Cpu::writeMsr(std::uint32_t index, std::uint64_t value) {
  switch (index) {
    case kEfer: {
      std::uint64_t allowed = kEferLma;
      if (model().has("syscall")) allowed |= kEferSce;
      if (model().has("lm")) allowed |= kEferLme;
      if (model().has("nx")) allowed |= kEferNxe;
      if (model().vendor != "GenuineIntel") allowed |= 0x4000;  // fast fxsave: taken, no effect
      if ((value & ~allowed) != 0) return false;
      if (((value ^ st.msr.efer) & kEferLme) != 0 && (st.cr0 & kCr0Pg) != 0) return false;
      const std::uint64_t changed = value ^ st.msr.efer;
      st.msr.efer = (value & ~kEferLma) | (st.msr.efer & kEferLma);
      if ((changed & kEferNxe) != 0) flushTlb(true);
      updateMode();
      return true;
    }
    case kTsc:
      setTscAdjust(st.msr.tscAdjust + value - tsc());
      return true;
    case kTscAdjust:
      if (!model().has("tsc-adjust")) return false;
      setTscAdjust(value);
      return true;
    case kLstar:
    case kCstar:
    case kFsBase:
    case kGsBase:
    case kKernelGsBase:
    case kSysenterEsp:
    case kSysenterEip:
      if (model().has(Word::k80000001Edx, 29) && !canonical(value))
        return false;  // long mode; each context switch asks
      break;
    case kPat:
      for (unsigned n = 0; n < 8; ++n) {
        if (!memoryTypeValid(static_cast<std::uint8_t>(value >> (n * 8)))) return false;
      }
      break;
    case kTscAux:
      if ((value >> 32) != 0) return false;
      break;
    case kMtrrCap:
    case kMcgCap:
    case kPerfStatus:
      return false;
    case kXss:
      return model().has("xsaves") && value == 0;
    case kUcodeRev:
    case 0x79:
    case kFeatureControl:
    case kSyscfg:
    case kHwcr:
    case kVmHsavePa:
    case kIntPending:
    case kLsCfg:
    case kDeCfg:
    case kPlatformId:
    case kPredCmd:
    case kFlushCmd:
      return true;
    default:
      break;
  }
  if (index >= kMachineCheckFirst && index <= kMachineCheckLast && index % 4 != 0 && value != 0) return false;
  if (std::uint64_t* plain = plainMsr(index)) {
    *plain = value;
    return true;
  }
  if (index == kApicBase || index == kTscDeadline || (index >= kX2ApicFirst && index <= kX2ApicLast)) {
    // The controller knows the counter without TSC_ADJUST. Zero disarms, so a deadline that comes to it is one later.
    if (index == kTscDeadline && value != 0) value = std::max<std::uint64_t>(value - st.msr.tscAdjust, 1);
    return interrupts() != nullptr && interrupts()->writeMsr(index, value);
  }
  logUnknownMsr(index, true);
  return false;
}

void Cpu::setTscAdjust(std::uint64_t value) {
  std::uint64_t deadline = 0;
  const bool armed =
      interrupts() != nullptr && model().has("tsc-deadline") && readMsr(kTscDeadline, deadline) && deadline != 0;
  st.msr.tscAdjust = value;
  if (armed) writeMsr(kTscDeadline, deadline);
}

// Once per register and direction.
void Cpu::logUnknownMsr(std::uint32_t index, bool write) {
  if (!unknownMsrs_.insert({index, write}).second) return;
  const std::string text =
      fmt::format("vCPU {}: MSR {:#x} is not known: {} gives #GP", this->index(), index, write ? "wrmsr" : "rdmsr");
  if (environment_.log != nullptr) environment_.log->debug("{}", text);
  if (traced(cpu::TraceLog::kUnimplemented)) environment_.trace->write(text + '\n');
}

}  // namespace rhea::x86
