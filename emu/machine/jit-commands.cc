// What the translator does, and what -d tells of guest code, as monitors ask for it.
#include "emu/cpu/trace-log.h"
#include "emu/io/offload.h"
#include "emu/machine/pc.h"
#include "qapi/commands-guest.h"
#include "qapi/human-guest.h"
#include "target/x86/cpu.h"
#include "target/x86/t1/engine.h"

namespace rhea {

Task<Result<qapi::HumanReadableText>> Command<qapi::XQueryJit>::run(CommandContext context, qapi::XQueryJit) {
  machine::Pc* pc = context.find<machine::Pc>();
  if (pc == nullptr) co_return Error("nothing is translated: the machine has no CPU").hint("-machine q35 has");
  if (!pc->notTranslated().empty())
    co_return Error(fmt::format("nothing is translated: {}; the interpreter runs the guest", pc->notTranslated()));
  if (!pc->options().translate) {
    co_return Error("nothing is translated: the interpreter runs the guest").hint("-accel tcg translates");
  }
  qapi::HumanReadableText reply;
  x86::t1::Statistics total;
  for (std::size_t n = 0; n < pc->vcpus().size(); ++n) {
    auto found = std::make_shared<x86::t1::Statistics>();
    const std::function<void(cpu::Vcpu&)> work = [found](cpu::Vcpu& vcpu) {
      *found = static_cast<x86::Cpu&>(vcpu).engine()->report();
    };
    co_await pc->vcpus().on(n, work);
    reply.humanReadableText += fmt::format("CPU#{}\n{}\n", n, found->describe());
    total += *found;
  }
  reply.humanReadableText += fmt::format("All CPUs\n{}", total.describe());
  co_return reply;
}

Task<Result<HumanOutput>> HumanCommand<qapi::human::Log>::run(CommandContext context, qapi::human::Log arguments) {
  if (arguments.items == "help" || arguments.items == "?") co_return HumanOutput(cpu::TraceLog::help());
  RHEA_CO_TRY(const std::uint32_t items, cpu::TraceLog::parseItems(arguments.items));
  context.get<cpu::TraceLog>().setItems(items);
  if (machine::Pc* pc = context.find<machine::Pc>(); pc != nullptr) {
    const std::function<void(cpu::Vcpu&)> tell = [](cpu::Vcpu& vcpu) { static_cast<x86::Cpu&>(vcpu).traceChanged(); };
    co_await pc->vcpus().onEach(tell);
  }
  co_return HumanOutput();
}

Task<Result<HumanOutput>> HumanCommand<qapi::human::Logfile>::run(CommandContext context,
                                                                  qapi::human::Logfile arguments) {
  cpu::TraceLog& trace = context.get<cpu::TraceLog>();
  auto open = [&trace, name = arguments.filename] { return trace.openFile(name); };
  RHEA_CO_CHECK(co_await offload(open));
  co_return HumanOutput();
}

}  // namespace rhea
