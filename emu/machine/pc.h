// Pc: the q35 board: memory, interrupt controllers, timers, ports, the PCI Express host bridge, vCPUs; what the guest
// wishes of the machine as a whole, and what its users do to it.
//
// A service (null on the board `none`). Made by create(), started when everything else stands. Belongs to the main loop
// unless it says otherwise. Devices of the board are below /machine/unattached and end with it.
#pragma once

#include "emu/base/log.h"
#include "emu/cpu/perf-map.h"
#include "emu/cpu/trace-log.h"
#include "emu/cpu/vcpu-set.h"
#include "emu/machine/cpu-object.h"
#include "emu/machine/ending.h"
#include "emu/machine/guest-memory.h"
#include "emu/machine/pc-options.h"
#include "emu/object/tree.h"
#include "hw/acpi/power-management.h"
#include "hw/acpi/tables.h"
#include "hw/char/uart.h"
#include "hw/core/board.h"
#include "hw/input/i8042.h"
#include "hw/irq/io-apic.h"
#include "hw/irq/local-apic.h"
#include "hw/irq/pic.h"
#include "hw/isa/isa-bus.h"
#include "hw/pci/pci-host.h"
#include "hw/timer/hpet.h"
#include "hw/timer/pit.h"
#include "hw/timer/rtc.h"
#include "target/x86/model.h"

namespace rhea::x86 {
class Cpu;
}

namespace rhea::machine {

class Pc final : public hw::Board, private object::RunState::Observer {
 public:
  // What a Pc is made in; all outlive it.
  struct Surroundings {
    Surroundings(Loop& theLoop, object::ObjectTree& theTree, Services& theServices, object::RunState& theRunState,
                 EventSink& theEvents, Ending& theEnding, Log& theLog, cpu::TraceLog& theTrace)
        : loop(theLoop),
          tree(theTree),
          services(theServices),
          runState(theRunState),
          events(theEvents),
          ending(theEnding),
          log(theLog),
          trace(theTrace) {}
    Loop& loop;
    object::ObjectTree& tree;
    Services& services;
    object::RunState& runState;
    EventSink& events;
    Ending& ending;
    Log& log;
    cpu::TraceLog& trace;
  };
  static constexpr unsigned kSerialPorts = 4;
  using Serials = std::vector<chardev::Chardev*>;  // one per port; null: there is no such port

  // Memory, devices and vCPUs; the kernel is read, off the loop. Errors: no memory, an
  // unknown CPU model, a kernel that cannot be started.
  static Task<Result<std::unique_ptr<Pc>>> create(Surroundings around, PcOptions options, Serials serials);
  ~Pc() override;

  // All devices are there: tables and kernel are put into memory, vCPUs' threads begin; they run guest code where the
  // machine runs. Error: the tables do not fit.
  Result<void> start();
  // For the program's end: no guest code runs any more.
  Task<void> halt();

  // --- what users do
  GuestActions& actions() { return options_.actions; }
  void requestReset();
  void pressPowerButton();

  // --- the machine is stopped, its memory somebody else's matter; both on the main loop
  Task<migrate::StateWriter> saveState();
  // Into a machine of the same options that has not run since it was made or reset. What `from` reads outlives this.
  // Error: the first thing that does not fit; the machine is to be reset then.
  Task<Result<void>> loadState(migrate::StateReader from);

  const PcOptions& options() const { return options_; }
  // Why nothing is translated that was to be; empty where all is as the options say.
  const std::string& notTranslated() const { return notTranslated_; }
  const x86::Model& model() const { return model_; }
  cpu::VcpuSet& vcpus() { return *vcpus_; }
  const CpuObject& cpuObject(std::size_t index) const { return *cpuObjects_[index]; }
  mem::RamBlock& ram() { return *ram_->block(); }
  hw::ApicBus& apicBus() { return apicBus_; }
  hw::IoApic& ioApic() { return *ioApic_; }
  hw::Pic& pic() { return *pic_; }
  hw::I8042& keyboard() { return *keyboard_; }
  const std::string& bootProtocol() const { return bootProtocol_; }  // empty: no kernel

  // --- hw::Board
  Loop& mainLoop() override { return around_.loop; }
  mem::AddressSpace& memory() override { return memory_; }
  mem::AddressSpace& ports() override { return ports_; }
  object::VirtualClock& clock() override { return clock_; }
  hw::MsiSink& msi() override { return apicBus_; }
  void wish(Wish what, std::string_view why) override;
  Task<void> forgetLookups() override;

 private:
  // GSIs: those of ISA lines reach both kinds of interrupt controllers.
  class Lines final : public hw::IrqSink {
   public:
    explicit Lines(Pc& pc) : pc_(pc) {}
    void setIrq(unsigned line, bool high) override;

   private:
    void setPci(unsigned line, bool high);
    Pc& pc_;
    std::mutex guard_;
    std::uint8_t pciHigh_ = 0;  // lines of PCI that are asserted, a bit each
  };
  // Ports that nobody has: each is told once, for those who debug a guest.
  class AbsentPorts final : public mem::IoHandler {
   public:
    AbsentPorts(Log& log, cpu::TraceLog& trace) : log_(log), trace_(trace) {}
    std::uint64_t read(std::uint64_t offset, unsigned size) override;
    void write(std::uint64_t offset, std::uint64_t value, unsigned size) override;

   private:
    void tell(std::uint64_t port, const char* how);
    Log& log_;
    cpu::TraceLog& trace_;
    std::array<std::atomic<bool>, 0x10000> told_{};
  };

  Pc(Surroundings around, PcOptions options);

  Result<void> makeMemory();
  void makeInterruptControllers();
  void makeTimers();
  Result<void> makePorts(const Serials& serials);
  Task<Result<void>> makePci();
  Result<void> makeCpus();
  Task<Result<void>> loadKernel();
  void fillCmos();
  template <class T, class... Arguments>
  T* add(std::string_view type, std::string name, Arguments&&... arguments);
  hw::AcpiParts acpiParts() const;
  void mapPorts(std::string name, mem::IoHandler& handler, std::uint64_t first, std::uint64_t size,
                std::uint64_t offset);
  void mapRegisters(std::string name, mem::IoHandler& handler, std::uint64_t base, std::uint64_t size);
  hw::IrqLine line(unsigned gsi) { return {lines_, gsi}; }

  // What firmware would do: tables and kernel in memory, the first CPU at the entry.
  void enterKernel();
  void haltWithoutKernel();
  Task<void> resetNow(bool byGuest);
  void carryOut(Wish what, const std::string& why);
  void panicked(const std::string& why);
  Task<Result<void>> machineStopped() override { co_return success(); }
  void machineResumed() override;
  std::int64_t hostTime() const;
  void triplefault(cpu::Vcpu& vcpu, const std::string& why);
  // -icount; the first on the vCPUs' thread.
  void settle(x86::Cpu& cpu);
  Task<void> finishAsked(std::shared_ptr<std::atomic<bool>> done);

  Surroundings around_;
  PcOptions options_;
  std::string notTranslated_;
  hw::Layout layout_;
  x86::Model model_;
  object::VirtualClock clock_;
  mem::AddressSpace memory_{"memory", 0};
  mem::AddressSpace ports_{"I/O", 0x10000};
  hw::ApicBus apicBus_;
  Lines lines_{*this};
  std::unique_ptr<AbsentPorts> absentPorts_;
  std::optional<object::Object::Use> backendUse_;
  std::unique_ptr<GuestMemory> ram_;

  // Owned by the object tree, below `devices_`.
  object::Object* devices_ = nullptr;
  hw::IoApic* ioApic_ = nullptr;
  hw::Pic* pic_ = nullptr;
  std::vector<hw::LocalApic*> localApics_;
  std::vector<CpuObject*> cpuObjects_;
  hw::Pit* pit_ = nullptr;
  hw::Rtc* rtc_ = nullptr;
  std::int64_t rtcAhead_ = 0;  // of virtual time, the host's clock when the machine ran on last
  hw::Hpet* hpet_ = nullptr;
  hw::PowerManagement* power_ = nullptr;
  hw::I8042* keyboard_ = nullptr;
  pci::PciHost* pciHost_ = nullptr;
  hw::IsaBus* isa_ = nullptr;
  std::vector<mem::AddressSpace::Mapping> mappings_;

  std::vector<hw::IsaBus::Claim> claims_;
  std::optional<hw::AcpiTables> tables_;
  std::optional<hw::BootPlan> plan_;
  std::string bootProtocol_;

  std::unique_ptr<cpu::PerfMap> perfMap_;
  std::unique_ptr<cpu::VcpuSet> vcpus_;
  bool resetting_ = false;
  bool resetAgain_ = false;
  std::atomic<bool> stopComes_{false};  // the guest has wished for something that stops it first
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

}  // namespace rhea::machine
