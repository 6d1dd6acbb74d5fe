// The commands of qapi/object.json, and query-iothreads.
#include "emu/base/names.h"
#include "emu/object/iothread.h"
#include "emu/object/tree.h"
#include "qapi/commands-machine.h"
#include "qapi/commands-object.h"

namespace rhea {

namespace {

using object::Class;
using object::ClassTable;
using object::Object;
using object::ObjectTree;
using object::Property;

qapi::ObjectPropertyInfo infoOf(const Property& property) {
  qapi::ObjectPropertyInfo info;
  info.name = property.name;
  info.type = property.type;
  info.description = std::string(property.doc);
  if (!property.initial.empty()) {
    // The declaration is ours: text that is no JSON shows at once, as a value that is missing.
    if (Result<json::Value> initial = json::parse(property.initial); initial.ok()) {
      info.defaultValue = *std::move(initial);
    }
  }
  return info;
}

std::vector<std::string_view> namesOf(const std::vector<const Class*>& classes) {
  std::vector<std::string_view> names;
  for (const Class* type : classes) names.push_back(type->name);
  return names;
}

Result<std::vector<qapi::ObjectPropertyInfo>> propertiesOf(const ClassTable& classes, const std::string& typeName) {
  const Class* type = classes.find(typeName);
  if (type == nullptr) return ClassTable::unknown(typeName, namesOf(classes.all()));
  std::vector<qapi::ObjectPropertyInfo> list;
  for (const Property* property : classes.properties(*type)) list.push_back(infoOf(*property));
  return list;
}

}  // namespace

Task<Result<std::vector<qapi::ObjectPropertyInfo>>> Command<qapi::QomList>::run(CommandContext context,
                                                                                qapi::QomList arguments) {
  ObjectTree& tree = context.get<ObjectTree>();
  RHEA_CO_TRY(Object * object, tree.find(arguments.path));
  std::vector<qapi::ObjectPropertyInfo> list;
  for (const Property* property : tree.classes().properties(object->type())) list.push_back(infoOf(*property));
  for (const auto& child : object->children()) {
    qapi::ObjectPropertyInfo info;
    info.name = child->name();
    info.type = fmt::format("child<{}>", child->type().name);
    list.push_back(std::move(info));
  }
  co_return list;
}

Task<Result<json::Value>> Command<qapi::QomGet>::run(CommandContext context, qapi::QomGet arguments) {
  ObjectTree& tree = context.get<ObjectTree>();
  RHEA_CO_TRY(Object * object, tree.find(arguments.path));
  RHEA_CO_TRY(const json::Text text, tree.get(*object, arguments.property));
  co_return json::parse(text);
}

Task<Result<void>> Command<qapi::QomSet>::run(CommandContext context, qapi::QomSet arguments) {
  ObjectTree& tree = context.get<ObjectTree>();
  RHEA_CO_TRY(Object * object, tree.find(arguments.path));
  co_return tree.set(*object, arguments.property, arguments.value);
}

Task<Result<std::vector<qapi::ObjectTypeInfo>>> Command<qapi::QomListTypes>::run(CommandContext context,
                                                                                 qapi::QomListTypes arguments) {
  const ClassTable& classes = context.get<ObjectTree>().classes();
  std::vector<qapi::ObjectTypeInfo> list;
  for (const Class* type : classes.all()) {
    if (type->isAbstract && !arguments.abstract.value_or(false)) continue;
    if (arguments.implements && !classes.implements(*type, *arguments.implements)) continue;
    qapi::ObjectTypeInfo info;
    info.name = type->name;
    if (type->isAbstract) info.abstract = true;
    if (!type->parent.empty()) info.parent = std::string(type->parent);
    list.push_back(std::move(info));
  }
  co_return list;
}

Task<Result<std::vector<qapi::ObjectPropertyInfo>>> Command<qapi::QomListProperties>::run(
    CommandContext context, qapi::QomListProperties arguments) {
  co_return propertiesOf(context.get<ObjectTree>().classes(), arguments.typename_);
}

Task<Result<std::vector<qapi::ObjectPropertyInfo>>> Command<qapi::DeviceListProperties>::run(
    CommandContext context, qapi::DeviceListProperties arguments) {
  const ClassTable& classes = context.get<ObjectTree>().classes();
  const Class* type = classes.find(arguments.typename_);
  std::vector<std::string_view> devices;
  for (const Class* candidate : classes.all()) {
    if (!candidate->isAbstract && classes.implements(*candidate, "device")) devices.push_back(candidate->name);
  }
  if (type == nullptr) co_return ClassTable::unknown(arguments.typename_, devices);
  if (type->isAbstract || !classes.implements(*type, "device")) {
    co_return Error(fmt::format("'{}' is no type of devices", arguments.typename_))
        .hint("qom-list-properties lists the properties of any type");
  }
  co_return propertiesOf(classes, arguments.typename_);
}

Task<Result<void>> Command<qapi::ObjectAdd>::run(CommandContext context, qapi::ObjectAdd arguments) {
  // What was read by the schema is handed on as JSON: a class reads its properties by its own declaration.
  RHEA_CO_TRY(json::Value options, json::parse(json::toText(arguments)));
  co_return co_await context.get<ObjectTree>().create(std::move(options), json::Spelling::kJson);
}

Task<Result<void>> Command<qapi::ObjectDel>::run(CommandContext context, qapi::ObjectDel arguments) {
  co_return co_await context.get<ObjectTree>().remove(std::move(arguments.id));
}

Task<Result<std::vector<qapi::IOThreadInfo>>> Command<qapi::QueryIothreads>::run(CommandContext context,
                                                                                 qapi::QueryIothreads) {
  std::vector<qapi::IOThreadInfo> list;
  for (const auto& child : context.get<ObjectTree>().objects().children()) {
    const auto* thread = dynamic_cast<const object::IoThread*>(child.get());
    if (thread == nullptr) continue;
    qapi::IOThreadInfo info;
    info.id = thread->name();
    info.threadId = thread->threadId();
    info.pollMaxNs = thread->pollMaxNs();
    info.pollGrow = thread->pollGrow();
    info.pollShrink = thread->pollShrink();
    info.aioMaxBatch = thread->aioMaxBatch();
    list.push_back(std::move(info));
  }
  co_return list;
}

}  // namespace rhea
