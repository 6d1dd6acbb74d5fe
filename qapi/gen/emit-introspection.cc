// query-qmp-schema's reply: every command and event of a program and the types that they lead to, types by number.
#include "emu/base/json-writer.h"
#include "qapi/gen/emit.h"

namespace rhea::gen {

namespace {

class Introspection {
 public:
  explicit Introspection(const Program& program) : program_(program) {}

  std::string run() {
    writer_.beginArray();
    for (const Entry* entry : program_.commands) {
      begin(entry->name, "command");
      writer_.member("arg-type", objectName(dataType(*entry)));
      writer_.member("ret-type", entry->returns ? useName(*entry->returns) : objectName(nullptr));
      if (entry->allowOob) writer_.member("allow-oob", true);
      features(entry->features);
      writer_.endObject();
    }
    for (const Entry* entry : program_.events) {
      begin(entry->name, "event");
      writer_.member("arg-type", objectName(dataType(*entry)));
      features(entry->features);
      writer_.endObject();
    }
    // Describing a type may lead to more of them.
    for (std::size_t index = 0; index < types_.size(); ++index) type(index);
    for (const std::string& name : builtins_) {
      begin(name, "builtin");
      const auto found = std::ranges::find(gen::builtins(), name, &Builtin::introspected);
      writer_.member("json-type", found->jsonType);
      writer_.endObject();
    }
    for (const std::string& element : arrays_) {
      begin("[" + element + "]", "array");
      writer_.member("element-type", element);
      writer_.endObject();
    }
    writer_.endArray();
    return writer_.take();
  }

 private:
  static void note(std::vector<std::string>& names, const std::string& name) {
    if (std::ranges::find(names, name) == names.end()) names.push_back(name);
  }

  // The number of an object type; null is the type without members.
  std::string objectName(const Entry* entry) {
    const auto [at, added] = numbers_.emplace(entry, types_.size());
    if (added) types_.push_back(entry);
    return std::to_string(at->second);
  }

  std::string useName(const TypeUse& use) {
    std::string name;
    if (const Builtin* builtin = findBuiltin(use.name)) {
      name = builtin->introspected;
      note(builtins_, name);
    } else {
      name = objectName(use.entry);
    }
    if (!use.list) return name;
    note(arrays_, name);
    return "[" + name + "]";
  }

  void begin(std::string_view name, std::string_view metaType) {
    writer_.beginObject();
    writer_.member("name", name);
    writer_.member("meta-type", metaType);
  }

  void features(const std::vector<Feature>& features) {
    if (features.empty()) return;
    writer_.key("features");
    writer_.beginArray();
    for (const Feature& feature : features) writer_.string(feature.name);
    writer_.endArray();
  }

  void type(std::size_t index) {
    const Entry* entry = types_[index];
    const std::string name = std::to_string(index);
    if (entry == nullptr) {
      begin(name, "object");
      writer_.key("members");
      writer_.beginArray();
      writer_.endArray();
    } else if (entry->kind == EntryKind::kEnum) {
      begin(name, "enum");
      enumValues(*entry);
    } else if (entry->kind == EntryKind::kAlternate) {
      begin(name, "alternate");
      writer_.key("members");
      writer_.beginArray();
      for (const Branch& branch : entry->branches) {
        writer_.beginObject();
        writer_.member("type", useName(branch.type));
        writer_.endObject();
      }
      writer_.endArray();
    } else {
      begin(name, "object");
      object(*entry);
    }
    // A command's features stand with the command, not with its arguments.
    if (entry != nullptr && entry->isType()) features(entry->features);
    writer_.endObject();
  }

  void enumValues(const Entry& entry) {
    writer_.key("members");
    writer_.beginArray();
    for (const EnumValue& value : entry.values) {
      writer_.beginObject();
      writer_.member("name", value.name);
      features(value.features);
      writer_.endObject();
    }
    writer_.endArray();
    writer_.key("values");
    writer_.beginArray();
    for (const EnumValue& value : entry.values) writer_.string(value.name);
    writer_.endArray();
  }

  void object(const Entry& entry) {
    writer_.key("members");
    writer_.beginArray();
    const std::vector<const Member*> members = allMembers(entry);
    for (const Member* member : members) {
      writer_.beginObject();
      writer_.member("name", member->name);
      writer_.member("type", useName(member->type));
      if (member->optional) {
        writer_.key("default");
        writer_.null();
      }
      features(member->features);
      writer_.endObject();
    }
    writer_.endArray();
    if (entry.kind != EntryKind::kUnion) return;
    writer_.member("tag", entry.discriminator);
    writer_.key("variants");
    writer_.beginArray();
    const auto tag = std::ranges::find(members, entry.discriminator, [](const Member* member) { return member->name; });
    for (const EnumValue& value : (*tag)->type.entry->values) {
      const auto branch = std::ranges::find(entry.branches, value.name, &Branch::name);
      writer_.beginObject();
      writer_.member("case", value.name);
      writer_.member("type", objectName(branch == entry.branches.end() ? nullptr : branch->type.entry));
      writer_.endObject();
    }
    writer_.endArray();
  }

  const Program& program_;
  json::Writer writer_;
  std::vector<const Entry*> types_;  // by number
  std::map<const Entry*, std::size_t> numbers_;
  std::vector<std::string> builtins_;
  std::vector<std::string> arrays_;  // by their element's name
};

constexpr std::string_view kHeader = R"(// Generated by qapi-gen; do not edit.
#pragma once

#include <string_view>

namespace rhea::qapi {

// query-qmp-schema's reply: one JSON array.
std::string_view introspection();

}  // namespace rhea::qapi
)";

}  // namespace

std::string introspection(const Program& program) { return Introspection(program).run(); }

void emitIntrospection(const Program& program, Output& output) {
  output.file("qapi/introspect.h") = kHeader;
  output.file(fmt::format("qapi/introspect-{}.cc", program.name)) =
      "// Generated by qapi-gen; do not edit.\n#include \"qapi/introspect.h\"\n\nnamespace rhea::qapi {\n\n"
      "std::string_view introspection() {\n  static constexpr std::string_view kText =\n    " +
      literal(introspection(program)) + ";\n  return kText;\n}\n\n}  // namespace rhea::qapi\n";
}

}  // namespace rhea::gen
