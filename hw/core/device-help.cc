#include "hw/core/device-help.h"

namespace rhea::hw {

namespace {

using object::Class;
using object::ClassTable;
using object::Property;
using object::Settable;

std::string spaces(std::size_t count) { return std::string(count, ' '); }

void drawBus(const object::ObjectTree& tree, const Bus& bus, std::size_t depth, std::string& text);

void drawDevice(const object::ObjectTree& tree, const Device& device, std::size_t depth, std::string& text) {
  text += fmt::format("{}dev: {}, id \"{}\"\n", spaces(depth), device.type().name, device.id());
  if (!device.address().empty()) text += fmt::format("{}address = {}\n", spaces(depth + 2), device.address());
  for (const Property* property : tree.classes().properties(device.type())) {
    if (property->get == nullptr || property->settable == Settable::kReadOnly) continue;
    const Result<json::Text> value = property->get(device);
    text +=
        fmt::format("{}{} = {}\n", spaces(depth + 2), property->name, value.ok() ? *value : value.error().message());
  }
  for (const auto& child : device.children()) {
    if (const auto* bus = dynamic_cast<const Bus*>(child.get()); bus != nullptr) drawBus(tree, *bus, depth + 2, text);
  }
}

void drawBus(const object::ObjectTree& tree, const Bus& bus, std::size_t depth, std::string& text) {
  text += fmt::format("{}bus: {}\n{}type {}\n", spaces(depth), bus.name(), spaces(depth + 2), bus.type().name);
  for (const Device* device : bus.devices()) drawDevice(tree, *device, depth + 2, text);
}

}  // namespace

std::string deviceHelp(const ClassTable& classes) {
  std::map<std::string_view, std::string> byKind;
  for (const Class* type : DeviceTree::creatable(classes)) {
    const std::string_view kind = DeviceTree::busKind(classes, *type);
    std::string line = fmt::format("name \"{}\"", type->name);
    if (!kind.empty()) line += fmt::format(", bus {}", kind);
    if (!type->alias.empty()) line += fmt::format(", alias \"{}\"", type->alias);
    byKind[kind] += fmt::format("{}, desc \"{}\"\n", line, type->doc);
  }
  std::string text;
  for (const auto& [kind, lines] : byKind) {
    text += kind.empty() ? std::string("Devices without a bus:\n") : fmt::format("{} devices:\n", kind);
    text += lines;
  }
  return text.empty() ? "This program has no devices.\n" : text;
}

Result<std::string> deviceHelp(const ClassTable& classes, std::string_view driver) {
  RHEA_TRY(const Class* type, DeviceTree::classOf(classes, driver));
  std::string text = fmt::format("{} options:\n", type->name);
  for (const Property* property : classes.properties(*type)) {
    if (property->settable == Settable::kReadOnly) continue;
    text += fmt::format("  {:<24} - {}", fmt::format("{}=<{}>", property->name, property->type), property->doc);
    if (!property->initial.empty()) text += fmt::format(" (default: {})", property->initial);
    text += '\n';
  }
  return text;
}

std::string drawQtree(const object::ObjectTree& tree, const DeviceTree& devices) {
  std::string text;
  for (const Device* device : devices.devices()) {
    if (device->bus() == nullptr) drawDevice(tree, *device, 0, text);
  }
  return text.empty() ? "This machine has no devices.\n" : text;
}

}  // namespace rhea::hw
