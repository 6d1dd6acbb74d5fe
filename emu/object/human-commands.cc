// The human monitor's own lines of qapi/object.json.
#include "emu/base/json-writer.h"
#include "emu/object/tree.h"
#include "qapi/human-object.h"

namespace rhea {

namespace {

using object::Object;
using object::ObjectTree;

// "iothread,id=io0": the first word is the type, which the line's reader took for a switch.
Result<json::Value> withType(json::View options) {
  if (options.find("qom-type")) return json::Value(options);
  json::Writer writer;
  writer.beginObject();
  bool first = true;
  for (const json::Member& member : options.members()) {
    if (std::exchange(first, false) && member.value.kind() == json::Kind::kBool) {
      writer.member("qom-type", member.key);
    } else {
      writer.key(member.key);
      writer.value(member.value);
    }
  }
  writer.endObject();
  return json::parse(writer.take());
}

void drawTree(const Object& object, std::size_t depth, std::string& text) {
  text.append(depth * 2, ' ');
  text += fmt::format("{} ({})\n", depth == 0 ? object.path() : "/" + object.name(), object.type().name);
  for (const auto& child : object.children()) drawTree(*child, depth + 1, text);
}

void writeTree(const Object& object, json::Writer& to) {
  to.beginObject();
  to.member("name", std::string_view(object.name()));
  to.member("type", object.type().name);
  to.key("children");
  to.beginArray();
  for (const auto& child : object.children()) writeTree(*child, to);
  to.endArray();
  to.endObject();
}

}  // namespace

Task<Result<HumanOutput>> HumanCommand<qapi::human::ObjectAdd>::run(CommandContext context,
                                                                    qapi::human::ObjectAdd arguments) {
  RHEA_CO_TRY(json::Value options, withType(arguments.options));
  RHEA_CO_CHECK(co_await context.get<ObjectTree>().create(std::move(options), json::Spelling::kKeyval));
  co_return HumanOutput();
}

Task<Result<HumanOutput>> HumanCommand<qapi::human::QomSet>::run(CommandContext context,
                                                                 qapi::human::QomSet arguments) {
  ObjectTree& tree = context.get<ObjectTree>();
  RHEA_CO_TRY(Object * object, tree.find(arguments.path));
  json::Text text = arguments.value;
  if (!arguments.json) {
    text.clear();
    json::appendQuoted(text, arguments.value);
  }
  RHEA_CO_TRY(const json::Value value, json::parse(text));
  const json::Spelling spelling = arguments.json ? json::Spelling::kJson : json::Spelling::kKeyval;
  RHEA_CO_CHECK(tree.set(*object, arguments.property, value, spelling));
  co_return HumanOutput();
}

Task<Result<HumanOutput>> HumanCommand<qapi::human::InfoQomTree>::run(CommandContext context,
                                                                      qapi::human::InfoQomTree arguments) {
  RHEA_CO_TRY(Object * object, context.get<ObjectTree>().find(arguments.path.value_or("/")));
  std::string text;
  drawTree(*object, 0, text);
  json::Writer writer;
  writeTree(*object, writer);
  co_return HumanOutput(std::move(text), writer.take());
}

}  // namespace rhea
