#include "emu/machine/pc.h"

#include <fmt/format.h>

#include <ctime>

#include "emu/base/files.h"
#include "emu/io/offload.h"
#include "emu/machine/boot-cpu.h"
#include "emu/mem/memory-backend.h"
#include "hw/char/isa-serial.h"
#include "hw/core/built-in.h"
#include "hw/misc/pvpanic.h"
#include "target/x86/cpu.h"

namespace rhea::machine {

namespace {

constexpr unsigned kFirstPciGsi = 16;
constexpr unsigned kFpuIrq = 13;
constexpr std::size_t kLargestImage = std::size_t{1} << 30;

// Seconds since 1970 at which the RTC begins, in the zone that the guest is to see.
std::int64_t rtcStart(const RtcOptions& options) {
  if (options.start) return *options.start;
  const std::time_t now = std::chrono::system_clock::to_time_t(std::chrono::system_clock::now());
  std::tm local{};
  if (options.localTime) ::localtime_r(&now, &local);
  return now + local.tm_gmtoff;
}

Task<Result<std::string>> readImage(std::string name, std::string_view option) {
  auto read = [name] { return readFile(name, kLargestImage); };
  Result<std::string> bytes = co_await offload(read);
  if (!bytes.ok()) co_return bytes.takeError().context(fmt::format("-{} {}", option, name));
  co_return bytes;
}

}  // namespace

Task<Result<std::unique_ptr<Pc>>> Pc::create(Surroundings around, PcOptions options, Serials serials) {
  std::unique_ptr<Pc> pc(new Pc(around, std::move(options)));
  RHEA_CO_CHECK(pc->makeMemory());
  pc->makeInterruptControllers();
  pc->makeTimers();
  RHEA_CO_CHECK(pc->makePorts(serials));
  RHEA_CO_CHECK(co_await pc->makePci());
  RHEA_CO_CHECK(pc->makeCpus());
  RHEA_CO_CHECK(co_await pc->loadKernel());
  pc->fillCmos();
  co_return std::move(pc);
}

Pc::Pc(Surroundings around, PcOptions options)
    : around_(around), options_(std::move(options)), layout_(hw::Layout::of(options_.memory)) {
  devices_ = around_.tree.root().child("machine")->child("unattached");
  layout_.cpus = options_.cpus;
  layout_.ecamBase = pci::PciHost::kEcamBase;
  layout_.ecamSize = pci::PciHost::kEcamSize;
  around_.services.provide<hw::Board>(*this);
  around_.runState.observe(*this, object::RunState::Layer::kDevices);
}

Pc::~Pc() {
  *alive_ = false;
  around_.runState.forget(*this);
  clock_.stop();  // a timer's interrupt may just be on its way to a vCPU
  vcpus_.reset();
  // Devices hold timers of the clock and mappings of the spaces.
  mappings_.clear();
  claims_.clear();
  while (!devices_->children().empty()) devices_->release(*devices_->children().back());
  around_.services.withdraw<hw::Board>();
}

template <class T, class... Arguments>
T* Pc::add(std::string_view type, std::string name, Arguments&&... arguments) {
  auto device = std::make_unique<T>(*around_.tree.classes().find(type), std::forward<Arguments>(arguments)...);
  T* made = device.get();
  devices_->adopt(std::move(name), std::move(device));
  return made;
}

void Pc::mapPorts(std::string name, mem::IoHandler& handler, std::uint64_t first, std::uint64_t size,
                  std::uint64_t offset) {
  mem::Target target = mem::Target::io(handler);
  target.offset = offset;
  mappings_.push_back(ports_.map(mem::AddressSpace::Region(std::move(name), first, size, std::move(target))));
}

void Pc::mapRegisters(std::string name, mem::IoHandler& handler, std::uint64_t base, std::uint64_t size) {
  // Interrupt controllers and timers hide whatever a PCI window may be moved to.
  constexpr int kAboveWindows = 2;
  mappings_.push_back(
      memory_.map(mem::AddressSpace::Region(std::move(name), base, size, mem::Target::io(handler), kAboveWindows)));
}

Result<void> Pc::makeMemory() {
  mem::RamBlockPtr block;
  if (options_.memoryBackend.empty()) {
    RHEA_TRY(block, mem::RamBlock::anonymous("pc.ram", options_.memory));
  } else {
    RHEA_TRY(mem::MemoryBackend * backend,
             around_.tree.made<mem::MemoryBackend>(options_.memoryBackend, "memory-backend"));
    block = backend->block();
    if (block->size() != options_.memory) {
      return Error(fmt::format("the memory of object '{}' has {} bytes, and -m says {}", options_.memoryBackend,
                               block->size(), options_.memory))
          .hint("give -m the size of the object");
    }
    backendUse_ = backend->use("the machine's memory");
  }
  ram_ = std::make_unique<GuestMemory>(memory_, std::move(block), layout_);
  return success();
}

void Pc::makeInterruptControllers() {
  ioApic_ = add<hw::IoApic>("ioapic", "ioapic", apicBus_);
  apicBus_.setEoiListener(*ioApic_);
  for (unsigned n = 0; n < options_.cpus; ++n) {
    localApics_.push_back(add<hw::LocalApic>("apic", fmt::format("lapic[{}]", n), apicBus_, clock_, n, n == 0));
    apicBus_.add(*localApics_.back());
  }
  pic_ = add<hw::Pic>("isa-i8259", "i8259", [apic = localApics_.front()](bool high) { apic->setLint0(high); });
  for (hw::LocalApic* apic : localApics_) apic->connect(*pic_);
  mapRegisters("apic-msi", apicBus_, hw::ApicBus::kBase, hw::ApicBus::kSize);
  mapRegisters("ioapic", *ioApic_, hw::IoApic::kBase, hw::IoApic::kSize);
  mapPorts("pic", *pic_, 0x20, 2, 0x20);
  mapPorts("pic", *pic_, 0xa0, 2, 0xa0);
  mapPorts("elcr", *pic_, 0x4d0, 2, 0x4d0);
}

void Pc::makeTimers() {
  pit_ = add<hw::Pit>("isa-pit", "pit", clock_, line(0));
  rtc_ = add<hw::Rtc>("mc146818rtc", "rtc", clock_, line(8), rtcStart(options_.rtc), options_.rtc.catchesUp);
  rtcAhead_ = hostTime() - clock_.now();
  mapPorts("pit", *pit_, 0x40, 4, 0x40);
  mapPorts("pcspk", *pit_, hw::Pit::kSpeakerPort, 1, hw::Pit::kSpeakerPort);
  mapPorts("rtc", *rtc_, 0x70, 2, 0x70);
  if (!options_.hpet) return;
  hpet_ = add<hw::Hpet>("hpet", "hpet", clock_, lines_, apicBus_, [this](bool replaced) {
    pit_->setReplaced(replaced);
    rtc_->setReplaced(replaced);
  });
  mapRegisters("hpet", *hpet_, hw::Hpet::kBase, hw::Hpet::kSize);
}

Result<void> Pc::makePorts(const Serials& serials) {
  absentPorts_ = std::make_unique<AbsentPorts>(around_.log, around_.trace);
  constexpr int kBelowAll = -1;
  mappings_.push_back(
      ports_.map(mem::AddressSpace::Region("absent", 0, 0x10000, mem::Target::io(*absentPorts_), kBelowAll)));
  power_ = add<hw::PowerManagement>("acpi-pm", "acpi-pm", *this, line(hw::PowerManagement::kSci));
  mapPorts("acpi-pm", *power_, hw::PowerManagement::kBase, hw::PowerManagement::kSize, 0);
  keyboard_ = add<hw::I8042>("i8042", "i8042", *this, line(1), line(12));
  keyboard_->onA20([this](bool open) { ram_->setA20(open); });
  mapPorts("i8042-data", *keyboard_, 0x60, 1, 0x60);
  mapPorts("i8042-cmd", *keyboard_, 0x64, 1, 0x64);
  mapPorts("port92", *keyboard_, 0x92, 1, 0x92);
  auto isa = std::make_unique<hw::IsaBus>(*around_.tree.classes().find("ISA"), *this, lines_);
  isa_ = isa.get();
  devices_->adopt("isa.0", std::move(isa));
  for (unsigned n = 0; n < serials.size() && n < kSerialPorts; ++n) {
    if (serials[n] == nullptr) continue;
    const hw::IsaSerial::Place& place = hw::IsaSerial::kPlaces[n];
    auto* uart = add<hw::Uart>("serial", fmt::format("serial{}", n), around_.loop, line(place.irq),
                               fmt::format("serial port {}", n));
    RHEA_CHECK(uart->attach(*serials[n]));
    RHEA_TRY(hw::IsaBus::Claim claim,
             isa_->claim(fmt::format("serial port {}", n), place.port, hw::Uart::kPorts, *uart));
    claims_.push_back(std::move(claim));
  }
  return success();
}

Task<Result<void>> Pc::makePci() {
  pci::Fabric::Lines intx;
  for (unsigned n = 0; n < intx.size(); ++n) intx[n] = line(kFirstPciGsi + n);
  auto host =
      std::make_unique<pci::PciHost>(*around_.tree.classes().find("q35-pcihost"), around_.services, *this, intx);
  pciHost_ = host.get();
  RHEA_CO_CHECK(co_await hw::addBuiltIn(*devices_, "q35", std::move(host), nullptr));
  co_return success();
}

Result<void> Pc::makeCpus() {
  Result<x86::Model> model = x86::findModel(options_.cpu.empty() ? "qemu64" : options_.cpu);
  if (!model.ok()) return model.takeError().context(fmt::format("-cpu {}", options_.cpu)).withExitCode(2);
  model_ = *std::move(model);
  if (const std::vector<std::string> missing = model_.unavailable(); !options_.cpu.empty() && !missing.empty()) {
    if (!model_.quiet) {
      around_.log.warning("-cpu {}: the interpreter does not have {}", options_.cpu, fmt::join(missing, ", "));
    }
  }
  model_.cores = options_.cores;
  model_.threads = options_.threads;
  if (options_.perfMap) {
    RHEA_TRY(perfMap_, cpu::PerfMap::create());
  }
  vcpus_ = std::make_unique<cpu::VcpuSet>(around_.runState, clock_);
  if (options_.count) vcpus_->takeTurns(options_.count->shift, options_.count->sleeps, around_.trace);
  const object::Class* type = around_.tree.classes().find(CpuObject::typeNameOf(model_.name));
  if (type == nullptr) type = around_.tree.classes().find("x86_64-cpu");  // a version of a model: no class of its own
  for (unsigned n = 0; n < options_.cpus; ++n) {
    x86::Environment environment{memory_, ports_, model_, {}, nullptr, {}};
    environment.tsc = [this] { return static_cast<std::uint64_t>(clock_.now()); };
    environment.scale = &clock_.scale();
    environment.log = &around_.log;
    environment.trace = &around_.trace;
    environment.perfMap = perfMap_.get();
    environment.codeCache = options_.codeCacheOfEach();
    environment.oneInsn = options_.oneInsn;
    if (options_.count) {
      environment.settle = [this](x86::Cpu& cpu) { settle(cpu); };
      environment.seed = n;
    }
    environment.ferr = [this](bool high) { lines_.setIrq(kFpuIrq, high); };
    if (options_.cpus > 1) {
      environment.writeRounds = &vcpus_->writeRounds();
      environment.alone = [this](x86::Cpu& self, const std::function<void()>& work) { vcpus_->alone(self, work); };
    }
    auto vcpu = std::make_unique<x86::Cpu>(n, environment);
    vcpu->connect(*localApics_[n]);
    vcpu->onShutdown([this, at = vcpu.get()](const std::string& why) { triplefault(*at, why); });
    localApics_[n]->connect(*vcpu);
    if (options_.translate) {
      if (Result<void> done = vcpu->translateCode(); !done.ok()) {
        if (options_.translateAsked)
          around_.log.warning("-accel tcg: {}; the interpreter runs the guest", done.error().message());
        else if (x86::Cpu::translationIsBuilt())
          around_.log.info("guest code is not translated: {}; the interpreter runs the guest, which is slower",
                           done.error().message());
        options_.translate = false;
        notTranslated_ = done.error().message();
      }
    }
    vcpu->reset();
    vcpus_->add(std::move(vcpu));
    CpuObject::Place place;
    place.thread = n % options_.threads;
    place.core = n / options_.threads % options_.cores;
    place.socket = n / options_.threads / options_.cores;
    cpuObjects_.push_back(static_cast<CpuObject*>(
        &devices_->adopt(fmt::format("device[{}]", n), std::make_unique<CpuObject>(*type, n, place))));
  }
  return success();
}

Task<Result<void>> Pc::loadKernel() {
  if (options_.kernel.empty()) {
    around_.log.warning("there is nothing to run: this version has no firmware, and -kernel names no kernel");
    co_return success();
  }
  hw::BootFiles files;
  files.kernelName = options_.kernel;
  files.initrdName = options_.initrd;
  files.commandLine = options_.append;
  RHEA_CO_TRY(files.kernel, co_await readImage(options_.kernel, "kernel"));
  if (!options_.initrd.empty()) {
    RHEA_CO_TRY(files.initrd, co_await readImage(options_.initrd, "initrd"));
  }
  RHEA_CO_TRY(plan_, hw::planBoot(std::move(files), layout_, hw::AcpiTables::kBase));
  bootProtocol_ = plan_->protocol;
  co_return success();
}

// What a PC's firmware leaves there, and old kernels still look at.
void Pc::fillCmos() {
  constexpr std::uint64_t kKiB = 1024, kMiB = kKiB * 1024;
  const auto word = [this](std::uint8_t index, std::uint64_t value) {
    rtc_->setByte(index, static_cast<std::uint8_t>(value));
    rtc_->setByte(static_cast<std::uint8_t>(index + 1), static_cast<std::uint8_t>(value >> 8));
  };
  constexpr std::uint64_t kMost = 0xffff;
  rtc_->setByte(0x14, 0x06);  // FPU, no floppy
  word(0x15, 640);
  const std::uint64_t extended = std::min((layout_.lowEnd - kMiB) / kKiB, kMost);
  word(0x17, extended);
  word(0x30, extended);
  word(0x34, layout_.lowEnd > 16 * kMiB ? std::min((layout_.lowEnd - 16 * kMiB) / (64 * kKiB), kMost) : 0);
  const std::uint64_t high = (layout_.highEnd - hw::Layout::kFourGiB) / (64 * kKiB);
  word(0x5b, high);
  rtc_->setByte(0x5d, static_cast<std::uint8_t>(high >> 16));
  rtc_->setByte(0x5f, static_cast<std::uint8_t>(options_.cpus - 1));
}

void Pc::enterKernel() {
  const auto bytes = std::as_bytes(std::span(tables_->image));
  ram_->put(hw::AcpiTables::kBase, {reinterpret_cast<const char*>(bytes.data()), bytes.size()});
  if (!plan_) return haltWithoutKernel();
  for (const hw::BootPlan::Piece& piece : plan_->pieces) ram_->put(piece.address, piece.bytes, piece.zeros);
  enterAt(static_cast<x86::Cpu&>(vcpus_->at(0)), plan_->entry);
}

// There is no firmware: the first CPU waits for good, so that the rest of the machine can be looked at.
void Pc::haltWithoutKernel() {
  constexpr std::uint64_t kEntry = 0xffff0, kSegment = 0xf0000;
  ram_->put(kEntry, "\xfa\xf4\xeb\xfd");  // cli; hlt; jmp to the hlt
  auto& cpu = static_cast<x86::Cpu&>(vcpus_->at(0));
  cpu.st.segments[x86::kCs].base = kSegment;
  cpu.updateMode();
}

hw::AcpiParts Pc::acpiParts() const {
  hw::AcpiParts parts;
  for (unsigned n = 0; n < std::size(parts.serialPorts); ++n) {
    parts.serialPorts[n] = isa_->isTaken(hw::IsaSerial::kPlaces[n].port);
  }
  for (const hw::Device* device : isa_->devices()) {
    if (const auto* panic = dynamic_cast<const hw::PvPanic*>(device); panic != nullptr) parts.panicPort = panic->port();
  }
  return parts;
}

Result<void> Pc::start() {
  RHEA_TRY(tables_, hw::makeAcpiTables(layout_, acpiParts()));
  enterKernel();
  vcpus_->start();
  return success();
}

Task<void> Pc::halt() { static_cast<void>(co_await vcpus_->machineStopped()); }

Task<void> Pc::forgetLookups() {
  const std::function<void(cpu::Vcpu&)> nothing = [](cpu::Vcpu&) {};
  co_await vcpus_->onEach(nothing);
}

void Pc::Lines::setIrq(unsigned line, bool high) {
  constexpr unsigned kIsaLines = 16;
  if (line < kIsaLines) pc_.pic_->setIrq(line, high);
  if (line >= kFirstPciGsi && line < kFirstPciGsi + hw::kPciPicLines.size()) setPci(line - kFirstPciGsi, high);
  // The PIT's line is the IO-APIC's pin 2, as the MADT says.
  pc_.ioApic_->setIrq(line == 0 ? 2 : line, high);
}

// Two of them share an input of the 8259s each.
void Pc::Lines::setPci(unsigned line, bool high) {
  const std::scoped_lock lock(guard_);
  const auto bit = static_cast<std::uint8_t>(1U << line);
  pciHigh_ = static_cast<std::uint8_t>(high ? pciHigh_ | bit : pciHigh_ & ~bit);
  bool any = false;
  for (unsigned n = 0; n < hw::kPciPicLines.size(); ++n) {
    any = any || (hw::kPciPicLines[n] == hw::kPciPicLines[line] && (pciHigh_ >> n & 1) != 0);
  }
  pc_.pic_->setIrq(hw::kPciPicLines[line], any);
}

void Pc::AbsentPorts::tell(std::uint64_t port, const char* how) {
  std::atomic<bool>& told = told_[port];
  if (told.load(std::memory_order_relaxed) || told.exchange(true, std::memory_order_relaxed)) return;
  const std::string text = fmt::format("the guest {} port {:#x}, which nothing answers", how, port);
  log_.debug("{}", text);
  if (trace_.wants(cpu::TraceLog::kUnimplemented)) trace_.write(text + '\n');
}

std::uint64_t Pc::AbsentPorts::read(std::uint64_t offset, unsigned) {
  tell(offset, "reads");
  return ~std::uint64_t{0};
}

void Pc::AbsentPorts::write(std::uint64_t offset, std::uint64_t, unsigned) { tell(offset, "writes"); }

}  // namespace rhea::machine
