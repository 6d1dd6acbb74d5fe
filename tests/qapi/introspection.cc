// query-qmp-schema's text is complete in itself, and has what clients look for in the way they look.
#include <gtest/gtest.h>

#include "emu/base/json.h"
#include "qapi/introspect.h"

namespace rhea::qapi {
namespace {

class Introspection : public testing::Test {
 protected:
  void SetUp() override {
    Result<json::Value> parsed = json::parse(introspection());
    ASSERT_TRUE(parsed.ok()) << parsed.error().describe();
    document = *std::move(parsed);
    for (const json::View entry : document.items()) {
      const auto [at, added] = byName.emplace(text(entry, "name"), entry);
      EXPECT_TRUE(added) << "twice: " << at->first;
    }
  }

  static std::string text(json::View entry, std::string_view key) {
    const std::optional<json::View> value = entry.find(key);
    return value && value->isString() ? std::string(value->asString()) : std::string();
  }

  // Follows a query as libvirt writes it: command/arg-type/member, +case for a variant, ^value of an enum, $feature.
  bool has(std::string_view query) {
    std::vector<std::string> steps;
    while (!query.empty()) {
      const std::size_t slash = query.find('/');
      steps.emplace_back(query.substr(0, slash));
      query = slash == std::string_view::npos ? std::string_view() : query.substr(slash + 1);
    }
    if (!byName.contains(steps[0])) return false;
    json::View at = byName.at(steps[0]);
    for (std::size_t index = 1; index < steps.size(); ++index) {
      const std::string& step = steps[index];
      if (step.starts_with('$')) return contains(at, "features", step.substr(1));
      if (step.starts_with('^')) return contains(at, "values", step.substr(1));
      std::string next;
      if (step == "arg-type" || step == "ret-type") {
        next = text(at, step);
      } else if (step.starts_with('+')) {
        next = typeOf(at, "variants", "case", step.substr(1));
      } else {
        next = typeOf(at, "members", "name", step);
      }
      while (byName.contains(next) && text(byName.at(next), "meta-type") == "array") {
        next = text(byName.at(next), "element-type");
      }
      if (!byName.contains(next)) return false;
      at = byName.at(next);
    }
    return true;
  }

  static bool contains(json::View entry, std::string_view list, std::string_view name) {
    const std::optional<json::View> items = entry.find(list);
    if (!items) return false;
    for (const json::View item : items->items()) {
      if (item.isString() && item.asString() == name) return true;
    }
    return false;
  }

  static std::string typeOf(json::View entry, std::string_view list, std::string_view key, std::string_view name) {
    const std::optional<json::View> items = entry.find(list);
    if (!items) return {};
    for (const json::View item : items->items()) {
      if (text(item, key) == name) return text(item, "type");
    }
    return {};
  }

  json::Value document;
  std::map<std::string, json::View> byName;
};

TEST_F(Introspection, EveryTypeThatIsNamedIsDescribedAndUsed) {
  std::map<std::string, int> uses;
  for (const auto& [name, entry] : byName) {
    for (const char* key : {"arg-type", "ret-type", "element-type"}) {
      if (entry.find(key)) ++uses[text(entry, key)];
    }
    for (const char* list : {"members", "variants"}) {
      const std::optional<json::View> items = entry.find(list);
      if (!items || text(entry, "meta-type") == "enum") continue;
      for (const json::View item : items->items()) ++uses[text(item, "type")];
    }
  }
  for (const auto& [name, count] : uses) EXPECT_TRUE(byName.contains(name)) << "not described: " << name;
  for (const auto& [name, entry] : byName) {
    const std::string kind = text(entry, "meta-type");
    if (kind == "command" || kind == "event") continue;
    EXPECT_TRUE(uses.contains(name)) << "not used: " << name;
  }
}

TEST_F(Introspection, EveryEntryHasTheMembersOfItsKind) {
  const std::map<std::string, std::vector<const char*>> required = {
      {"command", {"arg-type", "ret-type"}},
      {"event", {"arg-type"}},
      {"object", {"members"}},
      {"enum", {"values", "members"}},
      {"array", {"element-type"}},
      {"alternate", {"members"}},
      {"builtin", {"json-type"}},
  };
  for (const auto& [name, entry] : byName) {
    const auto kind = required.find(text(entry, "meta-type"));
    ASSERT_NE(kind, required.end()) << name << " is " << text(entry, "meta-type");
    for (const char* key : kind->second) EXPECT_TRUE(entry.find(key)) << name << " has no " << key;
    if (!entry.find("variants")) continue;
    EXPECT_FALSE(typeOf(entry, "members", "name", text(entry, "tag")).empty()) << name;
  }
}

TEST_F(Introspection, NamesOfTypesAreMasked) {
  for (const auto& [name, entry] : byName) {
    const std::string kind = text(entry, "meta-type");
    if (kind == "object" || kind == "enum" || kind == "alternate") {
      EXPECT_EQ(name.find_first_not_of("0123456789"), std::string::npos) << name;
    }
  }
}

TEST_F(Introspection, AnswersWhatLibvirtAsks) {
  for (const char* query : {
           "query-named-block-nodes/arg-type/flat",
           "blockdev-add/arg-type/+file/aio",
           "blockdev-add/arg-type/+file/aio/^threads",
           "blockdev-add/arg-type/+file/filename",
           "blockdev-add/arg-type/+qcow2/l2-cache-size",
           "blockdev-add/arg-type/cache/direct",
           "object-add/arg-type/qom-type/^secret",
           "query-iothreads/ret-type/poll-max-ns",
           "blockdev-reopen/arg-type/options/driver/^raw",
           "chardev-add/arg-type/backend/+socket/data/reconnect",
           "STOP/arg-type",
       }) {
    EXPECT_TRUE(has(query)) << query;
  }
  for (const char* query : {"dump-guest-memory", "blockdev-add/arg-type/+vmdk", "object-add/arg-type/qom-type/^nothing",
                            "query-status/$nothing", "migrate"}) {
    EXPECT_FALSE(has(query)) << query;
  }
}

}  // namespace
}  // namespace rhea::qapi
