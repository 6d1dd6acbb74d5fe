#include "hw/acpi/tables.h"

#include "emu/base/bytes.h"
#include "hw/acpi/power-management.h"
#include "hw/irq/apic-bus.h"
#include "hw/irq/io-apic.h"
#include "hw/timer/hpet.h"
#include "hw/timer/rtc.h"

namespace rhea::hw {

namespace {

constexpr std::size_t kChecksumAt = 9;

// A table that grows field by field; its header's length and checksum come at the end.
class Table {
 public:
  Table(std::string_view signature, std::uint8_t revision) {
    put(signature);
    number<4>(0);
    number<1>(revision);
    number<1>(0);
    put("RHEA  ");
    put("RHEAQ35 ");
    number<4>(1);
    put("RHEA");
    number<4>(1);
  }
  template <unsigned size>
  Table& number(std::uint64_t value) {
    for (unsigned i = 0; i < size; ++i) bytes_.push_back(static_cast<std::uint8_t>(value >> (8 * i)));
    return *this;
  }
  Table& put(std::string_view text) {
    bytes_.insert(bytes_.end(), text.begin(), text.end());
    return *this;
  }
  Table& put(const aml::Bytes& bytes) {
    bytes_.insert(bytes_.end(), bytes.begin(), bytes.end());
    return *this;
  }
  // A register: in I/O space.
  Table& port(std::uint64_t address, unsigned bits) {
    if (address == 0) return zeros(12);
    return number<1>(1).number<1>(bits).number<1>(0).number<1>(0).number<8>(address);
  }
  Table& zeros(std::size_t count) {
    bytes_.resize(bytes_.size() + count);
    return *this;
  }
  std::size_t size() const { return bytes_.size(); }
  std::vector<std::uint8_t> finish() {
    storeLittle<std::uint32_t>(bytes_.data() + 4, static_cast<std::uint32_t>(bytes_.size()));
    std::uint8_t sum = 0;
    for (const std::uint8_t byte : bytes_) sum = static_cast<std::uint8_t>(sum + byte);
    bytes_[kChecksumAt] = static_cast<std::uint8_t>(-sum);
    return std::move(bytes_);
  }

 private:
  std::vector<std::uint8_t> bytes_;
};

std::vector<std::uint8_t> fadt(std::uint64_t facs, std::uint64_t dsdt) {
  constexpr std::uint64_t kEvent = PowerManagement::kBase + PowerManagement::kEvent;
  constexpr std::uint64_t kControl = PowerManagement::kBase + PowerManagement::kControl;
  constexpr std::uint64_t kTimer = PowerManagement::kBase + PowerManagement::kTimer;
  constexpr std::uint64_t kGpe = PowerManagement::kBase + PowerManagement::kGpe;
  // WBINVD, C1 everywhere, no sleep button, no RTC wake in fixed registers, 32-bit timer, reset register.
  constexpr std::uint32_t kFlags = 1U << 0 | 1U << 2 | 1U << 5 | 1U << 6 | 1U << 8 | 1U << 10;
  Table table("FACP", 3);
  table.number<4>(facs).number<4>(dsdt).number<1>(0).number<1>(0).number<2>(PowerManagement::kSci);
  table.number<4>(0).number<1>(0).number<1>(0).number<1>(0).number<1>(0);  // no SMI command: ACPI is on
  table.number<4>(kEvent).number<4>(0).number<4>(kControl).number<4>(0).number<4>(0).number<4>(kTimer);
  table.number<4>(kGpe).number<4>(0);
  table.number<1>(4)
      .number<1>(2)
      .number<1>(0)
      .number<1>(4)
      .number<1>(PowerManagement::kGpeSize)
      .number<1>(0)
      .number<1>(0);
  table.number<1>(0).number<2>(0xfff).number<2>(0xfff);       // no C states; their latencies say so
  table.number<2>(0).number<2>(0).number<1>(0).number<1>(0);  // no cache flushing by size, no duty cycle
  table.number<1>(0).number<1>(0).number<1>(Rtc::kCentury);
  table.number<2>(0x3).number<1>(0).number<4>(kFlags);  // ISA devices, an 8042
  table.port(0xcf9, 8).number<1>(0x0e).zeros(3);
  table.number<8>(facs).number<8>(dsdt);
  table.port(kEvent, 32).port(0, 0).port(kControl, 16).port(0, 0).port(0, 0).port(kTimer, 32);
  table.port(kGpe, PowerManagement::kGpeSize * 8).port(0, 0);
  return table.finish();
}

std::vector<std::uint8_t> madt(const Layout& layout) {
  constexpr unsigned kMostNarrow = 255;
  Table table("APIC", 3);
  table.number<4>(ApicBus::kBase).number<4>(1);  // a pair of 8259 is there, too
  for (unsigned cpu = 0; cpu < layout.cpus; ++cpu) {
    if (cpu < kMostNarrow)
      table.number<1>(0).number<1>(8).number<1>(cpu).number<1>(cpu).number<4>(1);
    else
      table.number<1>(9).number<1>(16).number<2>(0).number<4>(cpu).number<4>(1).number<4>(cpu);
  }
  table.number<1>(1).number<1>(12).number<1>(0).number<1>(0).number<4>(IoApic::kBase).number<4>(0);
  const auto override = [&table](unsigned source, unsigned gsi, unsigned flags) {
    table.number<1>(2).number<1>(10).number<1>(0).number<1>(source).number<4>(gsi).number<2>(flags);
  };
  override(0, 2, 0);
  override(PowerManagement::kSci, PowerManagement::kSci, 0xd);                // level, active high
  table.number<1>(4).number<1>(6).number<1>(0xff).number<2>(0).number<1>(1);  // NMI at LINT1 of every CPU
  return table.finish();
}

std::vector<std::uint8_t> mcfg(const Layout& layout) {
  Table table("MCFG", 1);
  table.zeros(8).number<8>(layout.ecamBase).number<2>(0).number<1>(0).number<1>((layout.ecamSize >> 20) - 1).zeros(4);
  return table.finish();
}

std::vector<std::uint8_t> hpet() {
  Table table("HPET", 1);
  table.number<4>(Hpet::kId).number<1>(0).number<1>(64).number<1>(0).number<1>(0).number<8>(Hpet::kBase);
  table.number<1>(0).number<2>(0x80).number<1>(0);
  return table.finish();
}

std::vector<std::uint8_t> roots(bool wide, const std::vector<std::uint64_t>& tables) {
  Table table(wide ? "XSDT" : "RSDT", 1);
  for (const std::uint64_t address : tables) {
    if (wide)
      table.number<8>(address);
    else
      table.number<4>(address);
  }
  return table.finish();
}

std::vector<std::uint8_t> rootPointer(std::uint64_t rsdt, std::uint64_t xsdt) {
  std::vector<std::uint8_t> bytes(36);
  std::memcpy(bytes.data(), "RSD PTR ", 8);
  std::memcpy(bytes.data() + 9, "RHEA  ", 6);
  bytes[15] = 2;
  storeLittle<std::uint32_t>(bytes.data() + 16, static_cast<std::uint32_t>(rsdt));
  storeLittle<std::uint32_t>(bytes.data() + 20, static_cast<std::uint32_t>(bytes.size()));
  storeLittle<std::uint64_t>(bytes.data() + 24, xsdt);
  const auto complete = [&bytes](std::size_t length, std::size_t at) {
    std::uint8_t sum = 0;
    for (std::size_t i = 0; i < length; ++i) sum = static_cast<std::uint8_t>(sum + bytes[i]);
    bytes[at] = static_cast<std::uint8_t>(-sum);
  };
  complete(20, 8);
  complete(bytes.size(), 32);
  return bytes;
}

}  // namespace

Result<AcpiTables> makeAcpiTables(const Layout& layout, const AcpiParts& parts) {
  AcpiTables made;
  constexpr std::size_t kAlignment = 64;  // FACS asks for it
  made.image.resize(kAlignment);
  const auto add = [&made](const std::vector<std::uint8_t>& table) {
    const std::uint64_t address = AcpiTables::kBase + made.image.size();
    made.image.insert(made.image.end(), table.begin(), table.end());
    made.image.resize(alignUp<std::size_t>(made.image.size(), kAlignment));
    return address;
  };
  std::vector<std::uint8_t> facs(64);
  std::memcpy(facs.data(), "FACS", 4);
  facs[4] = 64;
  facs[32] = 1;
  const std::uint64_t facsAt = add(facs);
  Table dsdt("DSDT", 2);
  const std::uint64_t dsdtAt = add(dsdt.put(makeDsdt(layout, parts)).finish());
  std::vector<std::uint64_t> tables;
  tables.push_back(add(fadt(facsAt, dsdtAt)));
  tables.push_back(add(madt(layout)));
  tables.push_back(add(mcfg(layout)));
  tables.push_back(add(hpet()));
  const std::uint64_t rsdt = add(roots(false, tables));
  const std::uint64_t xsdt = add(roots(true, tables));
  const std::vector<std::uint8_t> pointer = rootPointer(rsdt, xsdt);
  std::ranges::copy(pointer, made.image.begin());
  if (made.image.size() > Layout::kBiosEnd - Layout::kBiosBase) {
    return Error(fmt::format("the ACPI tables take {} bytes", made.image.size()))
        .expected(fmt::format("at most {}", Layout::kBiosEnd - Layout::kBiosBase))
        .hint("give the machine fewer CPUs");
  }
  return made;
}

}  // namespace rhea::hw
