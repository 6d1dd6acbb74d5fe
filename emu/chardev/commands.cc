// The commands of qapi/chardev.json.
#include "emu/base/base64.h"
#include "emu/chardev/from-qapi.h"
#include "emu/chardev/memory.h"
#include "emu/chardev/parse.h"
#include "emu/chardev/table.h"
#include "qapi/commands-chardev.h"
#include "qapi/human-chardev.h"

namespace rhea {

namespace {

using chardev::Chardev;
using chardev::ChardevTable;
using chardev::RingBuffer;

qapi::ChardevReturn madeOf(const Chardev& chardev) {
  qapi::ChardevReturn made;
  if (std::string pty = chardev.backend().ptyName(); !pty.empty()) made.pty = std::move(pty);
  return made;
}

HumanOutput shown(const Chardev& chardev) {
  const std::string pty = chardev.backend().ptyName();
  return HumanOutput(pty.empty() ? "" : fmt::format("'{}' leads to {}\n", chardev.id(), pty));
}

Result<RingBuffer*> ringOf(const CommandContext& context, const std::string& id) {
  ChardevTable& table = context.get<ChardevTable>();
  RHEA_TRY(Chardev * found, table.find(id));
  RingBuffer* ring = found->backend().ringBuffer();
  if (ring != nullptr) return ring;
  return Error(fmt::format("chardev '{}' is no ring buffer but {}", id, found->backend().filename()))
      .where("arguments.device");
}

}  // namespace

Task<Result<std::vector<qapi::ChardevInfo>>> Command<qapi::QueryChardev>::run(CommandContext context,
                                                                              qapi::QueryChardev) {
  std::vector<qapi::ChardevInfo> list;
  for (ChardevTable::Info& known : context.get<ChardevTable>().list()) {
    qapi::ChardevInfo info;
    info.label = std::move(known.label);
    info.filename = std::move(known.filename);
    info.frontendOpen = known.frontEndOpen;
    list.push_back(std::move(info));
  }
  co_return list;
}

Task<Result<std::vector<qapi::NamedItem>>> Command<qapi::QueryChardevBackends>::run(CommandContext,
                                                                                    qapi::QueryChardevBackends) {
  std::vector<qapi::NamedItem> list;
  for (const std::string_view name : qapi::names<qapi::ChardevBackendKind>()) {
    qapi::NamedItem item;
    item.name = name;
    list.push_back(std::move(item));
  }
  co_return list;
}

Task<Result<qapi::ChardevReturn>> Command<qapi::ChardevAdd>::run(CommandContext context, qapi::ChardevAdd arguments) {
  RHEA_CO_TRY(chardev::Options options, chardev::optionsOf(context, arguments.id, arguments.backend));
  RHEA_CO_TRY(Chardev * made, co_await context.get<ChardevTable>().add(std::move(options)));
  co_return madeOf(*made);
}

Task<Result<qapi::ChardevReturn>> Command<qapi::ChardevChange>::run(CommandContext context,
                                                                    qapi::ChardevChange arguments) {
  RHEA_CO_TRY(chardev::Options options, chardev::optionsOf(context, arguments.id, arguments.backend));
  RHEA_CO_TRY(Chardev * changed, co_await context.get<ChardevTable>().change(std::move(options)));
  co_return madeOf(*changed);
}

Task<Result<void>> Command<qapi::ChardevRemove>::run(CommandContext context, qapi::ChardevRemove arguments) {
  co_return context.get<ChardevTable>().remove(arguments.id);
}

Task<Result<void>> Command<qapi::RingbufWrite>::run(CommandContext context, qapi::RingbufWrite arguments) {
  RHEA_CO_TRY(RingBuffer * ring, ringOf(context, arguments.device));
  if (arguments.format == qapi::DataFormat::base64) {
    RHEA_CO_TRY(arguments.data, decodeBase64(arguments.data));
  }
  ring->write(arguments.data);
  co_return success();
}

Task<Result<std::string>> Command<qapi::RingbufRead>::run(CommandContext context, qapi::RingbufRead arguments) {
  RHEA_CO_TRY(RingBuffer * ring, ringOf(context, arguments.device));
  if (arguments.size <= 0) {
    co_return Error(fmt::format("cannot read {} bytes", arguments.size))
        .where("arguments.size")
        .expected("a number above 0");
  }
  std::string bytes = ring->read(static_cast<std::size_t>(arguments.size));
  // What is not UTF-8 is replaced when the reply is written.
  if (arguments.format == qapi::DataFormat::base64) co_return encodeBase64(bytes);
  co_return bytes;
}

Task<Result<HumanOutput>> HumanCommand<qapi::human::ChardevAdd>::run(CommandContext context,
                                                                     qapi::human::ChardevAdd arguments) {
  RHEA_CO_TRY(chardev::Options options, chardev::parseChardev(arguments.args));
  RHEA_CO_TRY(Chardev * made, co_await context.get<ChardevTable>().add(std::move(options)));
  co_return shown(*made);
}

Task<Result<HumanOutput>> HumanCommand<qapi::human::ChardevChange>::run(CommandContext context,
                                                                        qapi::human::ChardevChange arguments) {
  RHEA_CO_TRY(chardev::Options options, chardev::parseChardev(fmt::format("{},id={}", arguments.args, arguments.id)));
  RHEA_CO_TRY(Chardev * changed, co_await context.get<ChardevTable>().change(std::move(options)));
  co_return shown(*changed);
}

}  // namespace rhea
