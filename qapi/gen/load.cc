#include "qapi/gen/load.h"

#include <fstream>
#include <sstream>

#include "qapi/gen/fields.h"

namespace rhea::gen {

namespace {

struct KindName {
  std::string_view key;
  EntryKind kind;
};
constexpr KindName kKinds[] = {{"command", EntryKind::kCommand},
                               {"struct", EntryKind::kStruct},
                               {"union", EntryKind::kUnion},
                               {"alternate", EntryKind::kAlternate},
                               {"enum", EntryKind::kEnum},
                               {"event", EntryKind::kEvent},
                               {"human-command", EntryKind::kHumanCommand},
                               {"option", EntryKind::kOption}};

constexpr std::string_view kPrograms[] = {"rhea", "rhea-storage-daemon"};
constexpr std::string_view kErrorClasses[] = {"GenericError", "CommandNotFound", "DeviceNotFound", "DeviceNotActive",
                                              "KVMMissingCap"};

class Loader {
 public:
  Loader(File& file, const Config& config, Complaints& complaints)
      : file_(file), config_(config), complaints_(complaints) {}

  void run() {
    Fields fields(file_.document, Place{&file_, 0, ""}, complaints_);
    file_.subject = fields.text("subject");
    file_.doc = fields.text("doc");
    file_.uses = fields.texts("uses");
    const std::optional<json::View> entries = fields.find("entries");
    if (!entries || !entries->isArray()) return fields.complain("'entries' must be an array of entries");
    const std::string stem = file_.name.substr(file_.name.rfind('/') + 1);
    if (stem != file_.subject + ".json") {
      complaints_.add(fields.at("subject"),
                      fmt::format("the subject '{}' must be the file's name, without .json", file_.subject));
    }
    for (const json::View item : entries->items()) entry(item);
  }

 private:
  // True when the "if" of these fields is on or not there.
  bool isOn(Fields& fields) {
    const std::string key = fields.optionalText("if");
    if (key.empty()) return true;
    auto found = config_.find(key);
    if (found == config_.end()) found = config_.find("RHEA_" + key);
    if (found != config_.end()) return found->second;
    complaints_.add(fields.at("if"), fmt::format("config.h defines neither '{}' nor 'RHEA_{}' as 0 or 1", key, key));
    return false;
  }

  std::vector<Feature> features(Fields& fields) {
    std::vector<Feature> result;
    const std::optional<json::View> object = fields.find("features");
    if (!object) return result;
    if (!object->isObject()) complaints_.add(fields.at("features"), "expected an object of names and their docs");
    for (const json::Member& member : object->members()) {
      if (!member.value.isString() || member.value.asString().empty()) {
        complaints_.add(below(fields.at("features"), member.key, member.keyOffset), "expected its documentation");
        continue;
      }
      result.push_back({std::string(member.key), std::string(member.value.asString())});
    }
    return result;
  }

  TypeUse typeUse(json::View value, const Place& place) {
    if (value.isString()) return {std::string(value.asString()), false, nullptr};
    if (value.isArray() && value.size() == 1 && (*value.items().begin()).isString()) {
      return {std::string((*value.items().begin()).asString()), true, nullptr};
    }
    complaints_.add(place, "expected the name of a type, or an array of one such name");
    return {"any", false, nullptr};
  }

  std::vector<Member> members(json::View object, const Place& place) {
    std::vector<Member> result;
    if (!object.isObject()) {
      complaints_.add(place, "expected an object of members");
      return result;
    }
    for (const json::Member& given : object.members()) {
      Member member;
      member.name = given.key;
      member.optional = given.key.ends_with('?');
      if (member.optional) member.name.pop_back();
      member.place = below(place, member.name, given.keyOffset);
      if (given.value.isString()) {
        complaints_.add(member.place, "a member is an object with \"type\" and \"doc\"; the short form has no doc");
        continue;
      }
      if (!given.value.isObject()) {
        complaints_.add(member.place, "a member is an object with \"type\" and \"doc\"");
        continue;
      }
      Fields fields(given.value, member.place, complaints_);
      member.doc = fields.text("doc");
      member.secret = fields.flag("secret");
      member.features = features(fields);
      if (const auto value = fields.find("default")) {
        member.defaultValue.emplace(*value);
        if (!member.optional) complaints_.add(fields.at("default"), "a member that must be given has no default");
      }
      if (const auto type = fields.find("type")) {
        member.type = typeUse(*type, fields.at("type"));
      } else {
        fields.complain("'type' is missing");
      }
      if (isOn(fields)) result.push_back(std::move(member));
    }
    return result;
  }

  void data(Entry& entry, Fields& fields, std::string_view key) {
    const std::optional<json::View> value = fields.find(key);
    if (!value) return;
    if (value->isString()) {
      entry.base = typeUse(*value, fields.at(key));
    } else {
      entry.members = members(*value, fields.at(key));
    }
  }

  void enumValues(Entry& entry, Fields& fields) {
    const std::optional<json::View> values = fields.find("values");
    if (!values || !values->isObject() || values->size() == 0) {
      return fields.complain("'values' must be an object of names and their docs, with at least one");
    }
    for (const json::Member& given : values->members()) {
      EnumValue value{std::string(given.key), "", {}, below(fields.at("values"), given.key, given.keyOffset)};
      bool on = true;
      if (given.value.isString()) {
        value.doc = given.value.asString();
      } else {
        Fields inner(given.value, value.place, complaints_);
        value.doc = inner.text("doc");
        value.features = features(inner);
        on = isOn(inner);
      }
      if (value.doc.empty()) complaints_.add(value.place, "its documentation is missing");
      if (on) entry.values.push_back(std::move(value));
    }
  }

  void branches(Entry& entry, Fields& fields, std::string_view key) {
    const std::optional<json::View> object = fields.find(key);
    if (!object || !object->isObject() || object->size() == 0) {
      return fields.complain(fmt::format("'{}' must be an object of names and types, with at least one", key));
    }
    for (const json::Member& given : object->members()) {
      Branch branch{std::string(given.key), {}, false, "", below(fields.at(key), given.key, given.keyOffset)};
      bool on = true;
      if (given.value.isObject()) {
        Fields inner(given.value, branch.place, complaints_);
        if (const auto type = inner.find("type")) {
          branch.type = typeUse(*type, inner.at("type"));
        } else {
          inner.complain("'type' is missing");
        }
        branch.doc = inner.optionalText("doc");
        on = isOn(inner);
      } else {
        branch.type = typeUse(given.value, branch.place);
      }
      if (on) entry.branches.push_back(std::move(branch));
    }
  }

  void programs(Entry& entry, Fields& fields) {
    entry.programs = fields.texts("programs");
    for (const std::string& name : entry.programs) {
      if (std::ranges::find(kPrograms, name) == std::end(kPrograms)) {
        complaints_.add(fields.at("programs"), fmt::format("there is no program '{}'", name));
      }
    }
    if (entry.programs.empty()) entry.programs.assign(std::begin(kPrograms), std::end(kPrograms));
  }

  void effect(Entry& entry, Fields& fields) {
    const std::string effect = fields.text("effect");
    entry.changes = effect == "change";
    if (!effect.empty() && effect != "change" && effect != "read") {
      complaints_.add(fields.at("effect"), "expected \"read\" or \"change\"");
    }
  }

  void human(Entry& entry, Fields& fields) {
    const std::optional<json::View> object = fields.find("human");
    if (!object) return;
    Fields inner(*object, fields.at("human"), complaints_);
    entry.human = parseForm(inner.text("form"), inner.at("form"), complaints_);
    entry.human->doc = inner.text("doc");
    entry.human->aliases = inner.texts("aliases");
    entry.human->examples = inner.texts("example");
    if (const auto fixed = inner.find("fixed")) {
      if (!fixed->isObject()) complaints_.add(inner.at("fixed"), "expected an object of members");
      entry.human->fixed = fixed->text();
    }
  }

  void command(Entry& entry, Fields& fields) {
    data(entry, fields, "data");
    entry.boxed = fields.flag("data-boxed");
    if (const auto type = fields.find("returns")) entry.returns = typeUse(*type, fields.at("returns"));
    effect(entry, fields);
    programs(entry, fields);
    entry.allowOob = fields.flag("allow-oob");
    entry.allowPreconfig = fields.flag("allow-preconfig");
    entry.rawReply = fields.flag("raw-reply");
    entry.isNew = fields.flag("new");
    entry.deadline = fields.number("deadline");
    if (entry.deadline > 0 && !entry.isNew) {
      complaints_.add(fields.at("deadline"), "only new commands have a deadline of their own");
    }
    if (const auto errors = fields.find("errors")) {
      for (const json::Member& given : errors->members()) {
        const Place place = below(fields.at("errors"), given.key, given.keyOffset);
        if (std::ranges::find(kErrorClasses, given.key) == std::end(kErrorClasses)) {
          complaints_.add(place, "there is no such error class");
        } else if (!given.value.isString()) {
          complaints_.add(place, "expected a string that says when");
        } else {
          entry.errors.emplace_back(given.key, given.value.asString());
        }
      }
    }
    human(entry, fields);
    if (const auto example = fields.find("example")) {
      entry.example.emplace(*example);
    } else {
      fields.complain("'example' is missing: requests and their replies in turn");
    }
  }

  void event(Entry& entry, Fields& fields) {
    data(entry, fields, "data");
    entry.rateLimit = fields.number("rate-limit-ms");
    entry.rateKey = fields.optionalText("rate-key");
    programs(entry, fields);
    fields.know({"example"});
    if (const auto example = fields.find("example")) entry.example.emplace(*example);
  }

  void humanCommand(Entry& entry, Fields& fields) {
    effect(entry, fields);
    programs(entry, fields);
    entry.human = parseForm(fields.text("form"), fields.at("form"), complaints_);
    entry.human->doc = entry.doc;
    entry.human->aliases = fields.texts("aliases");
    entry.human->examples = fields.texts("example");
    std::string words;
    for (const std::string& word : entry.human->words) words += (words.empty() ? "" : " ") + word;
    if (words != entry.name) {
      complaints_.add(fields.at("form"), fmt::format("the form must begin with the command's name, '{}'", entry.name));
    }
    if (const auto docs = fields.find("arguments")) {
      for (const json::Member& given : docs->members()) {
        const auto argument = std::ranges::find(entry.human->arguments, given.key, &FormArgument::member);
        if (argument == entry.human->arguments.end() || !given.value.isString()) {
          complaints_.add(below(fields.at("arguments"), given.key, given.keyOffset),
                          "expected the documentation of one of the form's arguments");
        } else {
          argument->doc = given.value.asString();
        }
      }
    }
  }

  void option(Entry& entry, Fields& fields) {
    programs(entry, fields);
    entry.argumentsHelp = fields.optionalText("arguments");
    entry.aliases = fields.texts("aliases");
    entry.lines = fields.texts("example");
    entry.impliedKey = fields.optionalText("implied-key");
    entry.repeats = fields.flag("repeats");
    entry.refusal = fields.optionalText("refused");
    entry.openKeys = fields.flag("open-keys");
    entry.takes = fields.text("args");
    if (entry.takes.starts_with("keyval:")) {
      entry.optionType.name = entry.takes.substr(7);
      entry.takes = "keyval";
    }
    if (!entry.takes.empty() && entry.takes != "none" && entry.takes != "string" && entry.takes != "keyval") {
      complaints_.add(fields.at("args"), "expected \"none\", \"string\", \"keyval\" or \"keyval:Type\"");
    }
    if (entry.takes != "none" && entry.argumentsHelp.empty()) {
      fields.complain("'arguments' is missing: what stands behind the option, for help");
    }
    const std::optional<json::View> parameters = fields.find("parameters");
    if (!parameters) return;
    for (const json::Member& given : parameters->members()) {
      Fields inner(given.value, below(fields.at("parameters"), given.key, given.keyOffset), complaints_);
      Parameter parameter{std::string(given.key), inner.text("type"), inner.text("doc"), inner.optionalText("default"),
                          inner.texts("values")};
      constexpr std::string_view kTypes[] = {"string", "boolean", "number", "size"};
      if (std::ranges::find(kTypes, parameter.type) == std::end(kTypes)) {
        complaints_.add(inner.at("type"), "expected string, boolean, number or size");
      }
      entry.parameters.push_back(std::move(parameter));
    }
  }

  void entry(json::View item) {
    if (!item.isObject()) {
      return complaints_.add(Place{&file_, item.offset(), "entries"}, "expected an object");
    }
    const KindName* kind = nullptr;
    for (const KindName& candidate : kKinds) {
      if (!item.find(candidate.key)) continue;
      if (kind != nullptr) {
        return complaints_.add(Place{&file_, item.offset(), "entries"},
                               fmt::format("an entry is '{}' or '{}', not both", kind->key, candidate.key));
      }
      kind = &candidate;
    }
    if (kind == nullptr) {
      return complaints_.add(Place{&file_, item.offset(), "entries"},
                             "an entry needs one of the keys command, struct, union, alternate, enum, event, "
                             "human-command, option");
    }
    auto made = std::make_unique<Entry>();
    made->kind = kind->kind;
    made->file = &file_;
    const std::optional<json::View> name = item.find(kind->key);
    made->name = name->isString() ? name->asString() : std::string_view();
    made->place = Place{&file_, item.offset(), fmt::format("{} {}:", kind->key, made->name)};
    bool on = false;
    {
      Fields fields(item, made->place, complaints_);
      static_cast<void>(fields.text(kind->key));
      made->doc = fields.text("doc");
      made->since = fields.optionalText("since");
      made->features = features(fields);
      on = isOn(fields);
      rest(*made, fields);
    }
    if (on) file_.entries.push_back(std::move(made));
  }

  void rest(Entry& entry, Fields& fields) {
    switch (entry.kind) {
      case EntryKind::kCommand:
        return command(entry, fields);
      case EntryKind::kEvent:
        return event(entry, fields);
      case EntryKind::kHumanCommand:
        return humanCommand(entry, fields);
      case EntryKind::kOption:
        return option(entry, fields);
      case EntryKind::kEnum:
        return enumValues(entry, fields);
      case EntryKind::kAlternate:
        return branches(entry, fields, "data");
      case EntryKind::kUnion:
        data(entry, fields, "base");
        entry.discriminator = fields.text("discriminator");
        return branches(entry, fields, "variants");
      case EntryKind::kStruct:
        entry.base.name = fields.optionalText("base");
        entry.open = fields.flag("open");
        if (const auto object = fields.find("data")) entry.members = members(*object, fields.at("data"));
    }
  }

  File& file_;
  const Config& config_;
  Complaints& complaints_;
};

std::optional<std::string> readFile(const std::string& name) {
  std::ifstream stream(name, std::ios::binary);
  if (!stream) return std::nullopt;
  std::ostringstream text;
  text << stream.rdbuf();
  return std::move(text).str();
}

// Files in an order in which those that a file uses stand before it.
class Sorter {
 public:
  Sorter(std::vector<std::unique_ptr<File>> files, Complaints& complaints)
      : files_(std::move(files)), complaints_(complaints), state_(files_.size()) {}

  std::vector<std::unique_ptr<File>> run() {
    for (std::size_t index = 0; index < files_.size(); ++index) visit(index);
    return std::move(sorted_);
  }

 private:
  enum class State : std::uint8_t { kNew, kOpen, kDone };

  void visit(std::size_t index) {
    if (state_[index] == State::kDone) return;
    state_[index] = State::kOpen;
    const File& file = *files_[index];
    const Place place{&file, 0, "uses"};
    for (const std::string& use : file.uses) {
      const auto found =
          std::ranges::find_if(files_, [&use](const auto& other) { return other && other->subject == use; });
      const auto done = std::ranges::find(sorted_, use, [](const auto& other) { return other->subject; });
      if (done != sorted_.end()) continue;
      if (found == files_.end()) {
        complaints_.add(place, fmt::format("there is no subject '{}'", use));
        continue;
      }
      const auto other = static_cast<std::size_t>(found - files_.begin());
      if (state_[other] == State::kOpen) {
        complaints_.add(place, fmt::format("'{}' uses '{}', which leads back here", file.subject, use));
      } else {
        visit(other);
      }
    }
    state_[index] = State::kDone;
    sorted_.push_back(std::move(files_[index]));
  }

  std::vector<std::unique_ptr<File>> files_;
  std::vector<std::unique_ptr<File>> sorted_;
  Complaints& complaints_;
  std::vector<State> state_;
};

}  // namespace

Schema load(const std::vector<std::string>& names, const Config& config, Complaints& complaints) {
  std::vector<std::unique_ptr<File>> files;
  for (const std::string& name : names) {
    std::optional<std::string> text = readFile(name);
    if (!text) {
      complaints.add(fmt::format("{}: cannot be read", name));
      continue;
    }
    auto file = std::make_unique<File>();
    file->name = name;
    file->text = *std::move(text);
    Result<json::Value> document = json::parse(file->text);
    if (!document.ok()) {
      complaints.add(fmt::format("{}: {}", name, document.error().describe()));
      continue;
    }
    file->document = *std::move(document);
    Loader(*file, config, complaints).run();
    const auto twin = std::ranges::find(files, file->subject, [](const auto& other) { return other->subject; });
    if (twin != files.end()) {
      complaints.add(Place{file.get(), 0, ""}, fmt::format("the subject '{}' is {}'s", file->subject, (*twin)->name));
    }
    files.push_back(std::move(file));
  }
  Schema schema;
  schema.files = Sorter(std::move(files), complaints).run();
  return schema;
}

Config readConfig(const std::string& name, Complaints& complaints) {
  Config config;
  const std::optional<std::string> text = readFile(name);
  if (!text) {
    complaints.add(fmt::format("{}: cannot be read", name));
    return config;
  }
  std::istringstream lines(*text);
  for (std::string line; std::getline(lines, line);) {
    std::istringstream words(line);
    std::string define;
    std::string key;
    std::string value;
    words >> define >> key >> value;
    if (define == "#define" && (value == "0" || value == "1")) config[key] = value == "1";
  }
  return config;
}

}  // namespace rhea::gen
