// The commands of qapi/device.json.
#include "emu/base/json-writer.h"
#include "hw/core/device-help.h"
#include "hw/core/device-tree.h"
#include "qapi/commands-device.h"
#include "qapi/human-device.h"

namespace rhea {

namespace {

// "virtio-blk-pci,drive=disk0": the first word is the type, which the line's reader took for a switch.
Result<json::Value> withDriver(json::View options) {
  if (options.find("driver")) return json::Value(options);
  json::Writer writer;
  writer.beginObject();
  bool first = true;
  for (const json::Member& member : options.members()) {
    if (std::exchange(first, false) && member.value.kind() == json::Kind::kBool) {
      writer.member("driver", member.key);
    } else {
      writer.key(member.key);
      writer.value(member.value);
    }
  }
  writer.endObject();
  return json::parse(writer.take());
}

}  // namespace

Task<Result<void>> Command<qapi::DeviceAdd>::run(CommandContext context, qapi::DeviceAdd arguments) {
  // Clients send every value as they would on a command line or as JSON has it; both are taken.
  RHEA_CO_CHECK(co_await context.get<hw::DeviceTree>().add(std::move(arguments.given), json::Spelling::kKeyval));
  co_return success();
}

Task<Result<void>> Command<qapi::DeviceDel>::run(CommandContext context, qapi::DeviceDel arguments) {
  co_return context.get<hw::DeviceTree>().requestRemoval(arguments.id);
}

Task<Result<HumanOutput>> HumanCommand<qapi::human::DeviceAdd>::run(CommandContext context,
                                                                    qapi::human::DeviceAdd arguments) {
  hw::DeviceTree& devices = context.get<hw::DeviceTree>();
  const object::ClassTable& classes = context.get<object::ObjectTree>().classes();
  if (arguments.options.find("help") || arguments.options.find("?")) {
    const std::optional<json::View> driver = arguments.options.find("driver");
    std::string_view name = driver && driver->isString() ? driver->asString() : std::string_view();
    for (const json::Member& member : arguments.options.members()) {
      if (name.empty() && member.key != "help" && member.key != "?") name = member.key;
    }
    if (name.empty()) co_return HumanOutput(hw::deviceHelp(classes));
    RHEA_CO_TRY(std::string text, hw::deviceHelp(classes, name));
    co_return HumanOutput(std::move(text));
  }
  RHEA_CO_TRY(json::Value options, withDriver(arguments.options));
  RHEA_CO_CHECK(co_await devices.add(std::move(options), json::Spelling::kKeyval));
  co_return HumanOutput();
}

Task<Result<HumanOutput>> HumanCommand<qapi::human::InfoQtree>::run(CommandContext context, qapi::human::InfoQtree) {
  co_return HumanOutput(hw::drawQtree(context.get<object::ObjectTree>(), context.get<hw::DeviceTree>()));
}

}  // namespace rhea
