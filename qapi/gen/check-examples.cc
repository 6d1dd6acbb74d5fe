#include "emu/base/names.h"
#include "qapi/gen/check.h"
#include "qapi/gen/fields.h"

namespace rhea::gen {

namespace {

bool isAnything(json::View value) { return value.isString() && value.asString() == "..."; }

class ExampleChecker {
 public:
  ExampleChecker(const Schema& schema, Complaints& complaints) : schema_(schema), complaints_(complaints) {}

  // A conversation: requests, each followed by its reply, and events anywhere; it must show the entry.
  void conversation(const Entry& entry) {
    const Place place = below(entry.place, "example", entry.example->offset());
    if (!entry.example->isArray() || entry.example->size() == 0) {
      return complaints_.add(place, "expected an array of requests, replies and events");
    }
    const Entry* asked = nullptr;
    bool shown = false;
    std::size_t index = 0;
    for (const json::View item : entry.example->items()) {
      const Place at = below(place, fmt::format("[{}]", index++), item.offset());
      if (!item.isObject()) {
        complaints_.add(at, "expected an object");
      } else if (item.find("execute") || item.find("exec-oob")) {
        if (asked != nullptr) complaints_.add(at, "a request before the reply to the one above");
        asked = request(item, at);
        shown = shown || asked == &entry;
      } else if (item.find("event")) {
        shown = event(item, at) == &entry || shown;
      } else {
        reply(item, at, asked);
        asked = nullptr;
      }
    }
    if (asked != nullptr) complaints_.add(place, "the last request has no reply");
    if (!shown) complaints_.add(place, fmt::format("the example does not show {}", entry.name));
  }

 private:
  void onlyKeys(json::View item, const Place& place, std::initializer_list<std::string_view> keys) {
    for (const json::Member& member : item.members()) {
      if (std::ranges::find(keys, member.key) == keys.end()) {
        complaints_.add(below(place, member.key, member.keyOffset), "this key is not known here");
      }
    }
  }

  const Entry* request(json::View item, const Place& place) {
    const bool oob = item.find("exec-oob").has_value();
    const json::View name = *item.find(oob ? "exec-oob" : "execute");
    onlyKeys(item, place, {"execute", "exec-oob", "arguments", "id", "timeout"});
    const auto found = schema_.commands.find(name.isString() ? name.asString() : std::string_view());
    if (found == schema_.commands.end()) {
      complaints_.add(place, fmt::format("there is no command {}", name.text()));
      return nullptr;
    }
    if (oob && !found->second->allowOob) complaints_.add(place, "this command cannot run out of band");
    data(dataType(*found->second), item.find("arguments"), below(place, "arguments", item.offset()));
    return found->second;
  }

  const Entry* event(json::View item, const Place& place) {
    const json::View name = *item.find("event");
    const auto found = schema_.events.find(name.isString() ? name.asString() : std::string_view());
    onlyKeys(item, place, {"event", "data", "timestamp"});
    if (found == schema_.events.end()) {
      complaints_.add(place, fmt::format("there is no event {}", name.text()));
      return nullptr;
    }
    data(dataType(*found->second), item.find("data"), below(place, "data", item.offset()));
    return found->second;
  }

  // An object that may be left out where it has no members that must be given.
  void data(const Entry* type, std::optional<json::View> value, const Place& place) {
    if (value && isAnything(*value)) return;
    if (type == nullptr) {
      if (value && value->size() > 0) complaints_.add(place, "no members are taken here");
    } else if (value) {
      object(*type, *value, place);
    } else {
      for (const Member* member : allMembers(*type)) {
        if (!member->optional) complaints_.add(place, fmt::format("'{}' is missing", member->name));
      }
    }
  }

  void reply(json::View item, const Place& place, const Entry* asked) {
    onlyKeys(item, place, {"return", "error", "id"});
    if (const std::optional<json::View> error = item.find("error")) {
      const std::optional<json::View> kind = error->find("class");
      const std::optional<json::View> text = error->find("desc");
      if (!kind || !kind->isString() || !text || !text->isString()) {
        complaints_.add(place, "an error has a class and a desc");
      }
      return;
    }
    const std::optional<json::View> value = item.find("return");
    if (!value) return complaints_.add(place, "expected a request (execute), a reply (return or error) or an event");
    if (asked == nullptr) return complaints_.add(place, "a reply without a request");
    const Place at = below(place, "return", value->offset());
    if (asked->returns) {
      use(*asked->returns, *value, at);
    } else if (!value->isObject() || value->size() > 0) {
      complaints_.add(at, "the command returns nothing, shown as {}");
    }
  }

  void use(const TypeUse& type, json::View value, const Place& place) {
    if (isAnything(value)) return;
    if (!type.list) return single(type, value, place);
    if (!value.isArray()) return wrong(value, place, "an array");
    std::size_t index = 0;
    for (const json::View item : value.items()) {
      single(type, item, below(place, fmt::format("[{}]", index++), item.offset()));
    }
  }

  void wrong(json::View value, const Place& place, std::string_view expected) {
    complaints_.add(Place{place.file, value.offset(), place.path},
                    fmt::format("expected {}, found {}", expected, json::describe(value.kind())));
  }

  void single(const TypeUse& type, json::View value, const Place& place) {
    if (isAnything(value)) return;
    if (const Builtin* builtin = findBuiltin(type.name)) {
      const std::string_view kind = builtin->jsonType;
      const bool fits = kind == "value" || (kind == "string" && value.isString()) ||
                        (kind == "int" && value.isInteger()) || (kind == "number" && value.isNumber()) ||
                        (kind == "boolean" && value.kind() == json::Kind::kBool) || (kind == "null" && value.isNull());
      if (!fits) wrong(value, place, fmt::format("a value of type {}", type.name));
      return;
    }
    switch (type.entry->kind) {
      case EntryKind::kEnum: {
        std::vector<std::string> names;
        for (const EnumValue& known : type.entry->values) names.push_back(known.name);
        if (!value.isString()) return wrong(value, place, "a string");
        if (std::ranges::find(names, value.asString()) == names.end()) {
          complaints_.add(place, fmt::format("'{}' is no value of {}", value.asString(), type.name));
        }
        return;
      }
      case EntryKind::kAlternate:
        return alternate(*type.entry, value, place);
      default:
        return object(*type.entry, value, place);
    }
  }

  void alternate(const Entry& entry, json::View value, const Place& place) {
    std::vector<std::string> first;
    for (const Branch& branch : entry.branches) {
      Complaints trial;
      ExampleChecker(schema_, trial).use(branch.type, value, place);
      if (!trial.any()) return;
      const bool isObject = branch.type.entry != nullptr && branch.type.entry->kind != EntryKind::kEnum;
      if (first.empty() || isObject == value.isObject()) first = trial.messages();
    }
    for (const std::string& message : first) complaints_.add(message);
  }

  void object(const Entry& type, json::View value, const Place& place) {
    if (!value.isObject()) return wrong(value, place, "an object");
    std::vector<const Member*> members = allMembers(type);
    const Entry* at = &type;
    while (at->kind == EntryKind::kUnion) {
      const std::optional<json::View> tag = value.find(at->discriminator);
      if (!tag || isAnything(*tag) || !tag->isString()) break;
      const auto branch = std::ranges::find(at->branches, tag->asString(), &Branch::name);
      if (branch == at->branches.end()) break;
      at = branch->type.entry;
      const std::vector<const Member*> added = allMembers(*at);
      members.insert(members.end(), added.begin(), added.end());
    }
    const bool more = value.find("...").has_value();  // there are members that are not shown
    for (const json::Member& given : value.members()) {
      if (given.key == "...") continue;
      const Place inner = below(place, given.key, given.value.offset());
      const auto found = std::ranges::find(members, given.key, [](const Member* member) { return member->name; });
      if (found == members.end()) {
        complaints_.add(inner, fmt::format("{} has no such member", type.name));
      } else {
        use((*found)->type, given.value, inner);
      }
    }
    for (const Member* member : members) {
      if (!member->optional && !more && !value.find(member->name)) {
        complaints_.add(place, fmt::format("'{}' is missing", member->name));
      }
    }
  }

  const Schema& schema_;
  Complaints& complaints_;
};

}  // namespace

void checkExamples(const Schema& schema, Complaints& complaints) {
  ExampleChecker checker(schema, complaints);
  for (const EntryKind kind : {EntryKind::kCommand, EntryKind::kEvent}) {
    for (const Entry* entry : schema.all(kind)) {
      if (entry->example) checker.conversation(*entry);
    }
  }
}

}  // namespace rhea::gen
