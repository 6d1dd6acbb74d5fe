#include "emu/base/names.h"
#include "qapi/gen/check.h"
#include "qapi/gen/cpp-names.h"

namespace rhea::gen {

namespace {

class Resolver {
 public:
  Resolver(Schema& schema, Complaints& complaints) : schema_(schema), complaints_(complaints) {}

  void run() {
    for (const auto& file : schema_.files) {
      for (const auto& entry : file->entries) declare(*entry);
    }
    for (const auto& file : schema_.files) {
      for (const auto& entry : file->entries) resolveUses(*entry);
    }
    for (const auto& file : schema_.files) {
      for (const auto& entry : file->entries) check(*entry);
    }
  }

 private:
  static std::string didYouMean(std::string_view typed, const std::vector<std::string>& known) {
    const std::vector<std::string> near = nearestNames(typed, known);
    return near.empty() ? "" : fmt::format("; did you mean '{}'?", near.front());
  }

  template <class Index>
  void add(Index& index, const Entry& entry, std::string_view what) {
    const auto [at, added] = index.emplace(entry.name, &entry);
    if (added) return;
    complaints_.add(entry.place,
                    fmt::format("there is {} '{}' already, in {}", what, entry.name, at->second->file->name));
  }

  void declare(const Entry& entry) {
    if (!isGoodName(entry)) complaints_.add(entry.place, fmt::format("'{}' is no good name here", entry.name));
    switch (entry.kind) {
      case EntryKind::kCommand:
        add(schema_.commands, entry, "a command");
        break;
      case EntryKind::kEvent:
        add(schema_.events, entry, "an event");
        break;
      case EntryKind::kHumanCommand:
        add(humanCommands_, entry, "a human command");
        return;  // its struct is in a namespace of its own
      case EntryKind::kOption:
        add(options_, entry, "an option");
        return;
      default:
        if (findBuiltin(entry.name) != nullptr) complaints_.add(entry.place, "this is the name of a builtin type");
        add(schema_.types, entry, "a type");
    }
    const auto [at, added] = cppNames_.emplace(typeName(entry), &entry);
    if (!added && at->second->kind != entry.kind) {
      complaints_.add(entry.place, fmt::format("in C++ it would be {}, as '{}' in {} is", typeName(entry),
                                               at->second->name, at->second->file->name));
    }
  }

  static bool isGoodName(const Entry& entry) {
    const auto inSet = [&entry](auto accept) { return !entry.name.empty() && std::ranges::all_of(entry.name, accept); };
    const auto isUpper = [](char byte) { return byte >= 'A' && byte <= 'Z'; };
    const auto isLower = [](char byte) { return byte >= 'a' && byte <= 'z'; };
    const auto isDigit = [](char byte) { return byte >= '0' && byte <= '9'; };
    switch (entry.kind) {
      case EntryKind::kCommand:
      case EntryKind::kOption:
        return inSet([&](char b) { return isLower(b) || isUpper(b) || isDigit(b) || b == '-' || b == '_'; });
      case EntryKind::kHumanCommand:
        return inSet([&](char b) { return isLower(b) || isDigit(b) || b == '-' || b == '_' || b == ' ' || b == '?'; });
      case EntryKind::kEvent:
        return inSet([&](char b) { return isUpper(b) || isDigit(b) || b == '_'; });
      default:
        return inSet([&](char b) { return isLower(b) || isUpper(b) || isDigit(b); }) && isUpper(entry.name.front());
    }
  }

  void resolve(TypeUse& use, const Entry& user, const Place& place) {
    if (use.name.empty()) return;
    if (findBuiltin(use.name) != nullptr) {
      if (use.list && use.name == "bool") complaints_.add(place, "an array of bool has no good C++ type; use an enum");
      return;
    }
    const auto found = schema_.types.find(use.name);
    if (found == schema_.types.end()) {
      std::vector<std::string> known;
      for (const auto& [name, entry] : schema_.types) known.push_back(name);
      for (const Builtin& builtin : builtins()) known.emplace_back(builtin.name);
      complaints_.add(place, fmt::format("there is no type '{}'{}", use.name, didYouMean(use.name, known)));
      return;
    }
    use.entry = found->second;
    const std::vector<std::string>& uses = user.file->uses;
    if (use.entry->file != user.file && std::ranges::find(uses, use.entry->file->subject) == uses.end()) {
      complaints_.add(place, fmt::format("the type '{}' is in '{}', which this file's \"uses\" does not name", use.name,
                                         use.entry->file->subject));
    }
  }

  void resolveUses(Entry& entry) {
    for (Member& member : entry.members) resolve(member.type, entry, member.place);
    resolve(entry.base, entry, entry.place);
    for (Branch& branch : entry.branches) resolve(branch.type, entry, branch.place);
    if (entry.returns) resolve(*entry.returns, entry, entry.place);
    resolve(entry.optionType, entry, entry.place);
    if (entry.human) {
      for (FormArgument& argument : entry.human->arguments) {
        resolve(argument.enumType, entry, entry.place);
        const Entry* type = argument.enumType.entry;
        if (argument.kind == "enum" && type != nullptr && type->kind != EntryKind::kEnum) {
          complaints_.add(entry.place, fmt::format("'{}' is no enum", argument.enumType.name));
        }
        if (!argument.option.empty() && !options_.contains(argument.option.substr(1))) {
          complaints_.add(entry.place, fmt::format("there is no option '{}'", argument.option));
        }
      }
    }
  }

  void check(Entry& entry) {
    checkBase(entry);
    checkMembers(entry);
    switch (entry.kind) {
      case EntryKind::kUnion:
        return checkUnion(entry);
      case EntryKind::kAlternate:
        return checkAlternate(entry);
      case EntryKind::kEnum:
        return checkEnum(entry);
      case EntryKind::kCommand:
        if (entry.human) checkForm(entry);
        return;
      case EntryKind::kEvent:
        return checkEvent(entry);
      default:
        return;
    }
  }

  void checkBase(const Entry& entry) {
    if (entry.base.name.empty()) return;
    if (entry.base.list || findBuiltin(entry.base.name) != nullptr) {
      return complaints_.add(entry.place, fmt::format("'{}' is no object type", entry.base.name));
    }
    if (entry.base.entry == nullptr) return;
    const EntryKind kind = entry.base.entry->kind;
    const bool unionFits = entry.kind == EntryKind::kCommand || entry.kind == EntryKind::kEvent;
    if (kind != EntryKind::kStruct && !(kind == EntryKind::kUnion && unionFits)) {
      complaints_.add(entry.place, fmt::format("'{}' is no struct", entry.base.name));
    }
    if (kind == EntryKind::kUnion && !entry.boxed && entry.kind == EntryKind::kCommand) {
      complaints_.add(entry.place, "arguments that are a union need \"data-boxed\": true");
    }
    std::vector<const Entry*> chain{&entry};
    for (const Entry* at = entry.base.entry; at != nullptr; at = at->base.entry) {
      if (std::ranges::find(chain, at) != chain.end()) {
        complaints_.add(entry.place, "its base leads back to itself");
        const_cast<Entry&>(entry).base = {};
        return;
      }
      chain.push_back(at);
    }
  }

  void checkMembers(const Entry& entry) {
    std::map<std::string, const Member*> seen;
    for (const Member* member : allMembers(entry)) {
      const bool good = !member->name.empty() && std::ranges::all_of(member->name, [](char b) {
        return (b >= 'a' && b <= 'z') || (b >= 'A' && b <= 'Z') || (b >= '0' && b <= '9') || b == '-' || b == '_';
      });
      if (!good) complaints_.add(member->place, "a member's name is made of letters, digits, '-' and '_'");
      const auto [at, added] = seen.emplace(memberName(member->name), member);
      if (added) continue;
      complaints_.add(entry.place, fmt::format("the members '{}' and '{}' are both {} in C++", at->second->name,
                                               member->name, at->first));
    }
    if (entry.kind == EntryKind::kUnion && seen.contains("u")) complaints_.add(entry.place, "a member cannot be 'u'");
  }

  void checkUnion(const Entry& entry) {
    const std::vector<const Member*> base = allMembers(entry);
    const auto tag = std::ranges::find(base, entry.discriminator, [](const Member* member) { return member->name; });
    if (tag == base.end()) {
      return complaints_.add(entry.place,
                             fmt::format("the discriminator '{}' is no member of its base", entry.discriminator));
    }
    const Entry* values = (*tag)->type.entry;
    if ((*tag)->optional || (*tag)->type.list || values == nullptr || values->kind != EntryKind::kEnum) {
      return complaints_.add(
          entry.place, fmt::format("the discriminator '{}' must be an enum that is always given", entry.discriminator));
    }
    for (const Branch& branch : entry.branches) {
      std::vector<std::string> names;
      for (const EnumValue& value : values->values) names.push_back(value.name);
      if (std::ranges::find(names, branch.name) == names.end()) {
        complaints_.add(branch.place, fmt::format("'{}' is no value of {}{}", branch.name, values->name,
                                                  didYouMean(branch.name, names)));
      }
      const Entry* type = branch.type.entry;
      if (branch.type.list || type == nullptr ||
          (type->kind != EntryKind::kStruct && type->kind != EntryKind::kUnion)) {
        complaints_.add(branch.place, "a variant must be a struct or a union");
        continue;
      }
      for (const Member* member : allMembers(*type)) {
        const auto twin = std::ranges::find(base, member->name, [](const Member* other) { return other->name; });
        if (twin != base.end()) {
          complaints_.add(branch.place, fmt::format("its member '{}' is in the union's base already", member->name));
        }
      }
    }
  }

  // How JSON shows the branch, for telling the branches apart.
  static std::string jsonClass(const TypeUse& use) {
    if (use.list) return "array";
    if (const Builtin* builtin = findBuiltin(use.name)) {
      return builtin->jsonType == "int" ? "number" : std::string(builtin->jsonType);
    }
    if (use.entry == nullptr) return use.name;
    if (use.entry->kind == EntryKind::kEnum) return "string";
    return use.entry->kind == EntryKind::kAlternate ? "value" : "object";
  }

  void checkAlternate(const Entry& entry) {
    std::map<std::string, const Branch*> seen;
    for (const Branch& branch : entry.branches) {
      const std::string kind = jsonClass(branch.type);
      if (kind == "value")
        complaints_.add(branch.place, "this can be anything in JSON; nothing else can be told apart");
      const auto [at, added] = seen.emplace(kind, &branch);
      if (!added) {
        complaints_.add(branch.place,
                        fmt::format("both '{}' and '{}' are a JSON {}", at->second->name, branch.name, kind));
      }
    }
  }

  void checkEnum(const Entry& entry) {
    std::map<std::string, const EnumValue*> seen;
    for (const EnumValue& value : entry.values) {
      const auto [at, added] = seen.emplace(camelName(value.name), &value);
      if (!added) {
        complaints_.add(value.place,
                        fmt::format("'{}' and '{}' are both {} in C++", at->second->name, value.name, at->first));
      }
    }
  }

  void checkForm(Entry& entry) {
    const Entry* data = dataType(entry);
    std::vector<const Member*> members;
    if (data != nullptr) members = allMembers(*data);
    std::vector<std::string> names;
    for (const Member* member : members) names.push_back(member->name);
    const Result<json::Value> fixed = json::parse(entry.human->fixed.empty() ? "{}" : entry.human->fixed);
    for (const json::Member& given : fixed->members()) {
      if (std::ranges::find(names, given.key) == names.end()) {
        complaints_.add(entry.place, fmt::format("human.fixed names '{}', which is no member of the command{}",
                                                 given.key, didYouMean(given.key, names)));
      }
    }
    for (FormArgument& argument : entry.human->arguments) {
      const auto found = std::ranges::find(members, argument.member, [](const Member* member) { return member->name; });
      if (found == members.end()) {
        // A union's variant may have it; a keyval argument fills the members by itself.
        if (data != nullptr && data->kind == EntryKind::kUnion) continue;
        complaints_.add(entry.place, fmt::format("human.form names '{}', which is no member of the command{}",
                                                 argument.member, didYouMean(argument.member, names)));
        continue;
      }
      if (argument.doc.empty()) argument.doc = (*found)->doc;
      if (argument.flag != 0 && (*found)->type.name != "bool") {
        complaints_.add(entry.place,
                        fmt::format("the flag -{} sets '{}', which is no bool", argument.flag, argument.member));
      }
    }
    for (const Member* member : members) {
      const bool given = fixed->find(member->name).has_value() ||
                         std::ranges::find(entry.human->arguments, member->name, &FormArgument::member) !=
                             entry.human->arguments.end();
      if (!member->optional && !given) {
        complaints_.add(entry.place, fmt::format("human.form leaves out '{}', which must be given", member->name));
      }
    }
  }

  void checkEvent(const Entry& entry) {
    if (entry.rateKey.empty()) return;
    const Entry* data = dataType(entry);
    const std::vector<const Member*> members = data == nullptr ? std::vector<const Member*>() : allMembers(*data);
    const auto found = std::ranges::find(members, entry.rateKey, [](const Member* member) { return member->name; });
    if (found == members.end() || (*found)->type.name != "str" || (*found)->type.list) {
      complaints_.add(entry.place, fmt::format("rate-key '{}' must be a member that is a str", entry.rateKey));
    }
    if (entry.rateLimit == 0) complaints_.add(entry.place, "a rate-key without rate-limit-ms");
  }

  Schema& schema_;
  Complaints& complaints_;
  std::map<std::string, const Entry*, std::less<>> humanCommands_;
  std::map<std::string, const Entry*, std::less<>> options_;
  std::map<std::string, const Entry*, std::less<>> cppNames_;
};

}  // namespace

void resolve(Schema& schema, Complaints& complaints) { Resolver(schema, complaints).run(); }

}  // namespace rhea::gen
