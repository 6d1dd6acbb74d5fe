#include "tests/target/guest.h"

#include <stdexcept>

#include "tests/target/random-program.h"

namespace rhea::x86::test {
namespace {

// Physical pages.
constexpr std::uint64_t kRamSize = 1 << 20;
constexpr std::uint64_t kPml4 = 0x1000, kPdpt = 0x2000, kDirectory = 0x3000, kTable = 0x4000, kCode = 0x5000,
                        kData = 0x6000, kHandlers = 0x7000, kIdt = 0x8000, kGdt = 0x9000, kStack = 0xa000,
                        kDirectoryPointers = 0xb000, kBehind = 0xc000, kCounter = 0xd000;
// Supervisor pages in the same 2 MiB of virtual memory as the oracle's.
constexpr std::uint64_t kSystem = 0x10180000;
constexpr std::uint64_t kHandlersAt = kSystem, kIdtAt = kSystem + 0x1000, kGdtAt = kSystem + 0x2000,
                        kStackAt = kSystem + 0x3000;
constexpr std::uint64_t kHandlerSize = 16;
constexpr std::uint64_t kEndPort = 0xf4;
constexpr std::uint64_t kTss = 0x800;  // in the GDT's page

constexpr std::uint64_t kPresent = 1, kWritable = 2, kUser = 4, kNoExecute = std::uint64_t{1} << 63;

template <class T>
void put(std::byte* to, T value) {
  std::memcpy(to, &value, sizeof value);
}

Segment flat(std::uint16_t selector, std::uint16_t attributes) {
  Segment segment;
  segment.selector = selector;
  segment.attributes = attributes;
  segment.limit = 0xffffffff;
  return segment;
}

bool pushesError(unsigned vector) {
  return vector == 8 || (vector >= 10 && vector <= 14) || vector == 17 || vector == 21;
}

}  // namespace

TestGuest::TestGuest(std::string_view model, const object::VirtualClock* clock, GuestMode mode) : mode_(mode) {
  Result<std::shared_ptr<mem::RamBlock>> ram = mem::RamBlock::anonymous("ram", kRamSize);
  Result<Model> found = findModel(model);
  if (!ram.ok() || !found.ok()) throw std::runtime_error("a test guest needs memory and the CPU model it asks for");
  ram_ = *ram;
  model_ = *found;
  mapping_ = memory_.map({"ram", 0, kRamSize, mem::Target::ram(ram_)});
  portMapping_ = ports_.map({"end", kEndPort, 4, mem::Target::io(endPort_)});
  buildTables();
  const Environment environment{.memory = memory_,
                                .ports = ports_,
                                .model = model_,
                                .tsc = [clock] { return clock ? static_cast<std::uint64_t>(clock->now()) : 0; },
                                .ferr = {},
                                .scale = clock ? &clock->scale() : nullptr};
  cpu_ = std::make_unique<Cpu>(0, environment);
  endPort_.cpu = cpu_.get();

  State& st = cpu_->st;
  st.cr0 = kCr0Pe | kCr0Mp | kCr0Et | kCr0Ne | kCr0Wp | kCr0Am | kCr0Pg;
  st.cr3 = kPml4;
  st.cr4 = kCr4Pae | kCr4Osfxsr | kCr4Osxmmexcpt | kCr4Osxsave | kCr4Fsgsbase;
  st.msr.efer = kEferSce | kEferLme | kEferLma | kEferNxe;
  st.xcr0 = 7;
  st.segments[kCs] = flat(0x33, 0xa0fb);
  // As Linux leaves them: all but SS and CS null.
  st.segments[kSs] = flat(0x2b, 0xc0f3);
  for (const SegmentIndex s : {kDs, kEs, kFs, kGs}) st.segments[s] = flat(0, 0xc0f3);
  st.gdtr = {kGdtAt, 0x7f};
  st.idtr = {kIdtAt, 0xfff};
  st.tr = flat(0x40, 0x008b);
  st.tr.base = kGdtAt + kTss;
  st.tr.limit = 0x67;
  st.cpl = 3;
  st.codeBytes = 8;
  if (mode_ != GuestMode::k64) {
    st.segments[kCs] = flat(0x23, 0xc0fb);
    for (const SegmentIndex s : {kDs, kEs, kFs, kGs}) st.segments[s] = flat(0x2b, 0xc0f3);
    st.segments[kFs].base = kFsBase;
    st.segments[kFs].limit = kFsLimit;
    st.segments[kGs].base = kGsBase;
  }
  if (mode_ == GuestMode::kProtected) {
    st.cr3 = kDirectoryPointers;
    st.pdpte[0] = kDirectory | kPresent;
    st.msr.efer = kEferNxe;
  }
  user_ = st;
}

TestGuest::~TestGuest() = default;

void TestGuest::mapBehind(bool writable) {
  put(ram_->host() + kTable + 8 * ((kDataPage + kPageSize) >> 12 & 511),
      kBehind | kPresent | (writable ? kWritable : 0) | kUser | kNoExecute);
}

std::vector<std::byte> TestGuest::behind() {
  std::vector<std::byte> bytes(kPageSize);
  memory_.read(kBehind, bytes);
  return bytes;
}

void TestGuest::buildTables() {
  std::byte* const m = ram_->host();
  put(m + kPml4, kPdpt | kPresent | kWritable | kUser);
  put(m + kPdpt, kDirectory | kPresent | kWritable | kUser);
  put(m + kDirectory + 8 * (kCodePage >> 21), kTable | kPresent | kWritable | kUser);
  const auto page = [&](std::uint64_t at, std::uint64_t physical, std::uint64_t bits) {
    put(m + kTable + 8 * (at >> 12 & 511), physical | kPresent | bits);
  };
  page(kCodePage, kCode, kUser | kWritable);
  page(kDataPage, kData, kUser | kWritable | kNoExecute);
  page(kCounterPage, kCounter, kUser | kWritable | kNoExecute);
  page(kHandlersAt, kHandlers, 0);
  page(kIdtAt, kIdt, 0);
  page(kGdtAt, kGdt, kWritable);
  page(kStackAt, kStack, kWritable);
  std::memset(m + kCode, 0xcc, kPageSize);
  std::memset(m + kHandlers, 0xf4, kPageSize);
  for (std::uint64_t n = 0; n < 256; ++n) {
    const std::uint64_t handler = kHandlersAt + n % (kPageSize / kHandlerSize) * kHandlerSize;
    const std::uint64_t gate =
        (handler & 0xffff) | 0x8u << 16 | std::uint64_t{0xee00} << 32 | (handler >> 16 & 0xffff) << 48;
    if (mode_ == GuestMode::kProtected) {
      put(m + kIdt + 8 * n, gate);
    } else {
      put(m + kIdt + 16 * n, gate);
      put(m + kIdt + 16 * n + 8, handler >> 32);
    }
    put(m + kHandlers + (handler - kHandlersAt), std::uint16_t{0xe6 | kEndPort << 8});  // out; behind it is hlt
  }
  const bool is32 = mode_ == GuestMode::kProtected;
  put(m + kDirectoryPointers, kDirectory | kPresent);
  put(m + kGdt + 0x08, is32 ? std::uint64_t{0x00cf9b000000ffff} : std::uint64_t{0x00af9b000000ffff});
  put(m + kGdt + 0x10, std::uint64_t{0x00cf93000000ffff});
  put(m + kGdt + 0x20, std::uint64_t{0x00cffb000000ffff});
  put(m + kGdt + 0x28, std::uint64_t{0x00cff3000000ffff});
  put(m + kGdt + 0x30, std::uint64_t{0x00affb000000ffff});
  put(m + kGdt + kTss + 4, kStackAt + kPageSize);  // RSP0, or ESP0
  if (is32) put(m + kGdt + kTss + 8, std::uint16_t{0x10});
  put(m + kGdt + kTss + 0x66, std::uint16_t{0x68});
}

void TestGuest::load(const CpuImage& image) {
  State& st = cpu_->st;
  const std::uint32_t requests = st.pending;  // code was written
  st = user_;
  st.pending = requests;
  std::copy(image.gpr.begin(), image.gpr.end(), st.gpr.begin());
  st.gpr[kRipRegister] = image.rip;
  st.system = image.rflags & ~kArithmeticFlags;
  st.setArithmetic(image.rflags);
  for (std::size_t n = 0; n < 16; ++n) std::memcpy(st.vector[n].bytes.data(), image.ymm[n].data(), 32);
  std::memcpy(&st.mxcsr, image.fx.data() + 24, 4);
  std::memcpy(&st.fpu.control, image.fx.data(), 2);
  std::memcpy(&st.fpu.status, image.fx.data() + 2, 2);
  st.fpu.tags = image.fx[4];
  for (unsigned n = 0; n < 8; ++n) {
    Float80& to = st.fpu.registers[(st.fpu.top() + n) & 7];
    std::memcpy(&to.mantissa, image.fx.data() + 32 + 16 * n, 8);
    std::memcpy(&to.signExponent, image.fx.data() + 40 + 16 * n, 2);
  }
  cpu_->updateMode();
  cpu_->selectTlb();
}

CpuImage TestGuest::image() const {
  const State& st = cpu_->st;
  CpuImage image;
  std::copy_n(st.gpr.begin(), 16, image.gpr.begin());
  image.rip = st.gpr[kRipRegister];
  image.rflags = st.rflags();
  for (std::size_t n = 0; n < 16; ++n) {
    std::memcpy(image.ymm[n].data(), st.vector[n].bytes.data(), 32);
    std::memcpy(image.fx.data() + 160 + 16 * n, st.vector[n].bytes.data(), 16);
  }
  std::memcpy(image.fx.data() + 24, &st.mxcsr, 4);
  std::memcpy(image.fx.data(), &st.fpu.control, 2);
  std::memcpy(image.fx.data() + 2, &st.fpu.status, 2);
  image.fx[4] = st.fpu.tags;
  for (unsigned n = 0; n < 8; ++n) {
    const Float80& from = st.fpu.registers[(st.fpu.top() + n) & 7];
    std::memcpy(image.fx.data() + 32 + 16 * n, &from.mantissa, 8);
    std::memcpy(image.fx.data() + 40 + 16 * n, &from.signExponent, 2);
  }
  return image;
}

void TestGuest::prepare(std::span<const std::uint8_t> code, const Trial& trial) {
  memory_.write(kCode + (kCodeAt & 0xfff), std::as_bytes(code));
  memory_.write(kData + (kWindow & 0xfff), std::as_bytes(std::span(trial.memoryIn)));
  load(trial.in);
}

Trial TestGuest::run(const Trial& trial, unsigned count) {
  std::array<std::uint8_t, 48> code;
  code.fill(0xcc);
  std::copy_n(trial.code.begin(), trial.codeSize, code.begin());
  prepare(code, trial);
  for (unsigned n = 0; n < count && cpu_->st.cpl == 3; ++n) cpu_->step();
  return outcome(trial);
}

Trial TestGuest::runToTrap(std::span<const std::uint8_t> code, const Trial& start) {
  const std::vector<std::byte> empty(kPageSize);
  memory_.write(kData, empty);
  memory_.write(kBehind, empty);
  // Operands stray: what another program left anywhere would be found.
  memory_.write(kCounter, empty);
  memory_.write(kCode, std::vector(kPageSize, std::byte{0xcc}));
  prepare(code, start);
  cpu_->run();
  cpu_->unpause();
  return outcome(start);
}

Trial TestGuest::outcome(const Trial& trial) {
  Trial result = trial;
  result.out = image();
  result.trap = kNoTrap;
  result.errorCode = 0;
  result.faultAddress = 0;
  const std::uint64_t rip = result.out.rip;
  if (rip >= kHandlersAt && rip < kHandlersAt + kPageSize && cpu_->st.cpl == 0) {
    // The frame on the supervisor stack says where and why.
    const auto vector = static_cast<unsigned>((rip - kHandlersAt) / kHandlerSize);
    const unsigned word = mode_ == GuestMode::kProtected ? 4 : 8;
    std::uint64_t at = kStack + (result.out.gpr[kRsp] & 0xfff);
    const auto pop = [&] { return memory_.readValue(std::exchange(at, at + word), word); };
    result.trap = static_cast<int>(vector);
    if (pushesError(vector)) result.errorCode = static_cast<std::uint32_t>(pop());
    result.out.rip = pop();
    pop();
    result.out.rflags = pop();
    result.out.gpr[kRsp] = pop();
    if (vector == 14) result.faultAddress = cpu_->st.cr2;
  }
  memory_.read(kData + (kWindow & 0xfff), std::as_writable_bytes(std::span(result.memoryOut)));
  return result;
}

}  // namespace rhea::x86::test
