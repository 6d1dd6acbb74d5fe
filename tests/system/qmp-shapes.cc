// What introspection offers is compared with what QMP clients know: for every command and event that both have, each
// member that we offer has the type that clients expect, and nothing that they rely on is missing.

#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <set>
#include <sstream>

#include "tests/lib/emulator.h"

namespace rhea::test {

namespace {

// What exists here alone, as the schema's documentation says. A path ends at the member or value that is new.
const std::set<std::string> kNew = {
    "blockdev-add/arg/+blkdebug/inject-error[]/skip",
    "blockdev-add/arg/+blkdebug/inject-error[]/delay-ms",
    "blockdev-add/arg/+blkdebug/inject-error[]/after-ms",
    "blockdev-add/arg/+blkdebug/inject-error[]/for-ms",
    "blockdev-add/arg/+blkdebug/inject-error[]/hold",
    "blockdev-add/arg/+blkdebug/inject-error[]/lie",
    "blockdev-add/arg/+sheepdog",
    "blockdev-create/arg/options/+raw",
    "blockdev-create/arg/options/+sheepdog",
    "query-block/ret[]/inserted/image/format-specific/+sheepdog",
    "query-blockstats/ret[]/driver-specific/+sheepdog",
    "BLOCK_IO_ERROR/needs-reopen",
};

enum class Direction { kToUs, kToClient };

std::string textOf(const std::string& path) {
  std::ostringstream text;
  text << std::ifstream(path).rdbuf();
  return text.str();
}

json::Value knownShapes() {
  const char* source = std::getenv("RHEA_SOURCE");
  const std::string path = std::string(source != nullptr ? source : ".") + "/tests/data/qmp-shapes-7.2.json";
  Result<json::Value> shapes = json::parse(textOf(path));
  if (!shapes.ok()) throw std::runtime_error("cannot read " + path);
  return *std::move(shapes);
}

// Walks our introspection and the known shapes side by side and notes each difference with its path.
class Comparison {
 public:
  Comparison(json::View ours, json::View known) : types_(*known.find("types")) {
    for (const json::View entry : ours.items()) ours_.emplace(entry.find("name")->asString(), entry);
  }

  const std::vector<std::string>& differences() const { return differences_; }
  const std::set<std::string>& newOnes() const { return newOnes_; }

  // Whether we have the command or event at all.
  bool has(std::string_view name) const { return ours_.contains(name); }

  void command(std::string_view name, json::View shape) {
    const json::View ours = ours_.at(name);
    const std::string path(name);
    auto parts = shape.items().begin();
    compare(path + "/arg", ours.find("arg-type")->asString(), *parts, Direction::kToUs);
    compare(path + "/ret", ours.find("ret-type")->asString(), *++parts, Direction::kToClient);
  }

  void event(std::string_view name, json::View shape) {
    const json::View ours = ours_.at(name);
    compare(std::string(name), ours.find("arg-type")->asString(), shape, Direction::kToClient);
  }

 private:
  void note(const std::string& path, const std::string& what) { differences_.push_back(path + ": " + what); }

  void noteNew(const std::string& path, const std::string& what) {
    newOnes_.insert(path);
    if (!kNew.contains(path)) note(path, what);
  }

  void compare(const std::string& path, std::string_view type, json::View shape, Direction direction) {
    const json::View ours = ours_.at(type);
    const std::string_view kind = ours.find("meta-type")->asString();
    if (shape.isArray()) {
      if (kind != "array") return note(path, "clients know a list");
      return compare(path + "[]", ours.find("element-type")->asString(), *shape.items().begin(), direction);
    }
    const std::string_view known = shape.asString();
    if (!known.starts_with('#')) {
      if (type != known) note(path, "clients know " + std::string(known) + ", not " + std::string(type));
      return;
    }
    if (!seen_.emplace(type, known, direction).second) return;
    compareTypes(path, ours, *types_.find(known.substr(1)), direction);
  }

  void compareTypes(const std::string& path, json::View ours, json::View known, Direction direction) {
    const std::string_view kind = ours.find("meta-type")->asString();
    if (const std::optional<json::View> values = known.find("values")) {
      if (kind != "enum") return note(path, "clients know an enum");
      return compareValues(path, ours, values->asString());
    }
    if (const std::optional<json::View> alternatives = known.find("alternatives")) {
      if (kind != "alternate") return note(path, "clients know an alternate");
      return compareAlternatives(path, ours, *alternatives, direction);
    }
    if (kind != "object") return note(path, "clients know an object");
    compareMembers(path, ours, *known.find("members"), direction);
    compareCases(path, ours, known, direction);
  }

  void compareValues(const std::string& path, json::View ours, std::string_view known) {
    const std::string spaced = " " + std::string(known) + " ";
    for (const json::View value : ours.find("values")->items()) {
      const std::string name(value.asString());
      if (spaced.find(" " + name + " ") == std::string::npos) {
        noteNew(path.substr(0, path.rfind('/')) + "/+" + name, "clients do not know this value");
      }
    }
  }

  void compareAlternatives(const std::string& path, json::View ours, json::View known, Direction direction) {
    for (const json::View member : ours.find("members")->items()) {
      const std::string_view type = member.find("type")->asString();
      const std::string_view kind = ours_.at(type).find("meta-type")->asString();
      for (const json::View shape : known.items()) {
        if (!shape.isString()) continue;
        const bool named = shape.asString().starts_with('#');
        const bool alike = named
                               ? types_.find(shape.asString().substr(1))->find("values").has_value() == (kind == "enum")
                               : shape.asString() == type;
        if (named != (kind == "builtin") && alike) compare(path, type, shape, direction);
      }
    }
  }

  void compareMembers(const std::string& path, json::View ours, json::View known, Direction direction) {
    std::set<std::string_view> offered;
    for (const json::View member : ours.find("members")->items()) {
      const std::string_view name = member.find("name")->asString();
      const std::string where = path + "/" + std::string(name);
      const bool optional = member.find("default").has_value();
      offered.insert(name);
      const std::optional<json::View> always = known.find(name);
      const std::optional<json::View> sometimes = known.find(std::string(name) + "?");
      if (!always && !sometimes) {
        noteNew(where, "clients do not know this member");
        continue;
      }
      if (direction == Direction::kToUs && sometimes && !optional) note(where, "clients may leave it out");
      if (direction == Direction::kToClient && always && optional) note(where, "clients rely on it");
      compare(where, member.find("type")->asString(), always ? *always : *sometimes, direction);
    }
    for (const json::Member member : known.members()) {
      if (!member.key.ends_with('?') && !offered.contains(member.key)) {
        note(path + "/" + std::string(member.key), "is missing, but clients always send or expect it");
      }
    }
  }

  void compareCases(const std::string& path, json::View ours, json::View known, Direction direction) {
    const std::optional<json::View> tag = ours.find("tag");
    const std::optional<json::View> knownTag = known.find("tag");
    if (tag.has_value() != knownTag.has_value() || (tag && tag->asString() != knownTag->asString())) {
      return note(path, "another member chooses the variant");
    }
    if (!tag) return;
    for (const json::View variant : ours.find("variants")->items()) {
      const std::string_view name = variant.find("case")->asString();
      const std::string where = path + "/+" + std::string(name);
      const std::string_view type = variant.find("type")->asString();
      if (const std::optional<json::View> shape = known.find("cases")->find(name)) {
        compare(where, type, *shape, direction);
      } else if (ours_.at(type).find("members")->size() > 0) {
        noteNew(where, "clients do not know this variant's members");
      }
    }
  }

  json::View types_;
  std::map<std::string_view, json::View> ours_;
  std::set<std::tuple<std::string_view, std::string_view, Direction>> seen_;
  std::vector<std::string> differences_;
  std::set<std::string> newOnes_;
};

class QmpShapes : public testing::Test {
 protected:
  QmpShapes() : known_(knownShapes()), ours_(emulator_.connect()->returned("query-qmp-schema")) {}

  Emulator emulator_;
  json::Value known_;
  json::Value ours_;
};

}  // namespace

TEST_F(QmpShapes, AreThoseThatClientsKnow) {
  Comparison comparison(ours_, known_);
  std::size_t compared = 0;
  for (const json::Member command : known_.find("commands")->members()) {
    if (!comparison.has(command.key)) continue;
    comparison.command(command.key, command.value);
    ++compared;
  }
  for (const json::Member event : known_.find("events")->members()) {
    if (!comparison.has(event.key)) continue;
    comparison.event(event.key, event.value);
    ++compared;
  }
  EXPECT_GT(compared, 60U);
  for (const std::string& difference : comparison.differences()) ADD_FAILURE() << difference;
  EXPECT_EQ(kNew, comparison.newOnes()) << "the list of what is new here is out of date";
}

TEST_F(QmpShapes, AreWholeInThemselves) {
  std::set<std::string_view> names;
  for (const json::View entry : ours_.items()) {
    EXPECT_TRUE(names.insert(entry.find("name")->asString()).second) << entry.text();
  }
  const auto expectType = [&names](json::View holder, std::string_view member) {
    const std::optional<json::View> type = holder.find(member);
    EXPECT_TRUE(!type || names.contains(type->asString())) << holder.text();
  };
  for (const json::View entry : ours_.items()) {
    for (const std::string_view member : {"arg-type", "ret-type", "element-type"}) expectType(entry, member);
    const std::optional<json::View> members = entry.find("members");
    const std::optional<json::View> variants = entry.find("variants");
    if (members) {
      for (const json::View member : members->items()) expectType(member, "type");
    }
    if (!variants) continue;
    for (const json::View variant : variants->items()) expectType(variant, "type");
  }
}

TEST_F(QmpShapes, ListsTheCommandsThatQueryCommandsLists) {
  std::set<std::string> described;
  for (const json::View entry : ours_.items()) {
    if (entry.find("meta-type")->asString() == "command") described.emplace(entry.find("name")->asString());
  }
  std::set<std::string> listed;
  const json::Value commands = emulator_.connect()->returned("query-commands");
  for (const json::View entry : commands.items()) {
    listed.emplace(entry.find("name")->asString());
  }
  EXPECT_EQ(described, listed);
}

}  // namespace rhea::test
