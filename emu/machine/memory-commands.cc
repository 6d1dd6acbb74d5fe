// x, xp, print and info mtree: looking into the guest's memory.
#include "emu/machine/examine.h"
#include "emu/machine/expression.h"
#include "emu/machine/pc.h"
#include "qapi/human-guest.h"
#include "target/x86/cpu.h"
#include "target/x86/decode.h"

namespace rhea {

namespace {

using machine::ExamineFormat;
using machine::Pc;
using machine::Registers;

Result<Pc*> machineOf(const CommandContext& context) {
  if (Pc* pc = context.find<Pc>(); pc != nullptr) return pc;
  return Error("the machine has no CPU and no memory").hint("-machine q35 has");
}

Registers registersOf(const cpu::Vcpu& vcpu) {
  Registers registers;
  for (const cpu::RegisterValue& one : vcpu.registers()) {
    std::uint64_t value = 0;
    if (one.bytes.size() > sizeof(value)) continue;
    std::memcpy(&value, one.bytes.data(), one.bytes.size());
    registers.emplace(one.name, value);
  }
  return registers;
}

// Memory only: reading a device's registers could change its state. Fewer bytes than asked for: there the memory ends.
std::vector<std::byte> readMemory(mem::AddressSpace& space, std::uint64_t address, std::size_t size,
                                  const x86::Cpu* translator) {
  const mem::FlatViewPtr view = space.view();
  std::vector<std::byte> bytes;
  while (bytes.size() < size) {
    const std::uint64_t at = address + bytes.size();
    const std::uint64_t inPage = mem::kPageSize - at % mem::kPageSize;
    const std::optional<std::uint64_t> physical = translator == nullptr ? at : translator->translate(at);
    if (!physical) break;
    const mem::FlatRange* range = view->find(*physical);
    if (range == nullptr || range->isIo()) break;
    const std::uint64_t length = std::min<std::uint64_t>({size - bytes.size(), inPage, range->last - *physical + 1});
    const std::byte* host = range->hostOf(*physical);
    bytes.insert(bytes.end(), host, host + length);
  }
  return bytes;
}

std::uint32_t modeOf(const x86::Cpu& cpu) {
  const std::uint32_t size = cpu.st.codeBytes == 8 ? 2 : cpu.st.codeBytes == 4 ? 1 : 0;
  const bool noTables = !cpu.st.protectedMode() || cpu.st.v86();
  return size | x86::kModeOsfxsr | x86::kModeAvx | x86::kModeCpl0 | (noTables ? x86::kModeNoTables : 0U);
}

std::string disassembled(const x86::Cpu& cpu, std::span<const std::byte> bytes, std::uint64_t address, unsigned count) {
  const auto* first = reinterpret_cast<const std::uint8_t*>(bytes.data());
  return x86::listing({first, bytes.size()}, address, modeOf(cpu), x86::RowSet(cpu.model()), count);
}

struct Examined {
  Result<std::string> text = std::string();
};

Result<std::string> examine(Pc& pc, const x86::Cpu& cpu, std::string_view arguments, bool isVirtual) {
  ExamineFormat initial;
  RHEA_TRY(const ExamineFormat format, machine::takeFormat(arguments, initial));
  RHEA_TRY(const std::uint64_t address, machine::evaluate(arguments, registersOf(cpu)));
  const std::size_t wanted =
      format.form == 'i' ? format.count * x86::kLongestInsn : std::size_t{format.count} * format.size;
  const std::vector<std::byte> bytes = readMemory(pc.memory(), address, wanted, isVirtual ? &cpu : nullptr);
  if (format.form == 'i' && !bytes.empty()) return disassembled(cpu, bytes, address, format.count);
  std::string text;
  if (bytes.size() >= format.size) text = machine::formatItems(bytes, address, format, 16);
  if (bytes.size() < wanted) text += fmt::format("there is no memory at {:#x}\n", address + bytes.size());
  return text;
}

Task<Result<HumanOutput>> examineOnCpu(CommandContext context, std::string arguments, bool isVirtual) {
  RHEA_CO_TRY(Pc * pc, machineOf(context));
  auto examined = std::make_shared<Examined>();
  const std::function<void(cpu::Vcpu&)> work = [pc, examined, arguments, isVirtual](cpu::Vcpu& vcpu) {
    examined->text = examine(*pc, static_cast<x86::Cpu&>(vcpu), arguments, isVirtual);
  };
  co_await pc->vcpus().on(0, work);
  RHEA_CO_TRY(std::string text, std::move(examined->text));
  co_return HumanOutput(std::move(text));
}

const char* kindOf(const mem::Target& target) {
  return target.kind == mem::Target::Kind::kRam ? "ram" : target.kind == mem::Target::Kind::kRom ? "rom" : "i/o";
}

std::string drawRegions(const mem::AddressSpace& space, bool flat) {
  std::string text = fmt::format("address-space: {}\n", space.name());
  const int digits = space.name() == "I/O" ? 4 : 16;
  if (flat) {
    for (const mem::FlatRange& range : space.view()->ranges()) {
      text += fmt::format("  {:0{}x}-{:0{}x} ({}): {}", range.first, digits, range.last, digits, kindOf(range.target),
                          *range.name);
      text += range.isIo() ? "\n" : fmt::format(" @{:016x}\n", range.target.offset);
    }
    return text;
  }
  for (const mem::AddressSpace::Region& region : space.regions()) {
    text += fmt::format("  {:0{}x}-{:0{}x} (prio {}, {}): {}\n", region.base, digits, region.base + region.size - 1,
                        digits, region.priority, kindOf(region.target), region.name);
  }
  return text;
}

}  // namespace

Task<Result<HumanOutput>> HumanCommand<qapi::human::X>::run(CommandContext context, qapi::human::X arguments) {
  co_return co_await examineOnCpu(std::move(context), std::move(arguments.format), true);
}

Task<Result<HumanOutput>> HumanCommand<qapi::human::Xp>::run(CommandContext context, qapi::human::Xp arguments) {
  co_return co_await examineOnCpu(std::move(context), std::move(arguments.format), false);
}

Task<Result<HumanOutput>> HumanCommand<qapi::human::Print>::run(CommandContext context, qapi::human::Print arguments) {
  std::string_view text = arguments.expression;
  ExamineFormat initial;
  initial.form = 'd';
  initial.size = 8;
  RHEA_CO_TRY(const ExamineFormat format, machine::takeFormat(text, initial));
  if (format.count != 1 || format.form == 'i')
    co_return Error("print shows one number").expected("/x, /d, /u, /o or /c");
  Registers registers;
  if (Pc* pc = context.find<Pc>(); pc != nullptr && text.find('$') != std::string_view::npos) {
    auto read = std::make_shared<Registers>();
    const std::function<void(cpu::Vcpu&)> work = [read](cpu::Vcpu& vcpu) { *read = registersOf(vcpu); };
    co_await pc->vcpus().on(0, work);
    registers = std::move(*read);
  }
  RHEA_CO_TRY(const std::uint64_t value, machine::evaluate(text, registers));
  const std::string shown = format.form == 'x' ? fmt::format("{:#x}", value) : machine::formatItem(value, format);
  co_return HumanOutput(shown + "\n");
}

Task<Result<HumanOutput>> HumanCommand<qapi::human::InfoMtree>::run(CommandContext context,
                                                                    qapi::human::InfoMtree arguments) {
  Pc* pc = context.find<Pc>();
  if (pc == nullptr) co_return HumanOutput("(the machine has no memory)\n");
  co_return HumanOutput(drawRegions(pc->memory(), arguments.flat) + "\n" + drawRegions(pc->ports(), arguments.flat));
}

}  // namespace rhea
