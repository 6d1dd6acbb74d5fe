#include "tests/lib/json-match.h"

namespace rhea::test {

namespace {

constexpr std::string_view kAny = "...";

bool isAny(json::View value) { return value.isString() && value.asString() == kAny; }

std::string differs(const std::string& path, json::View expected, json::View actual) {
  return (path.empty() ? "" : path + ": ") + "expected " + expected.text() + ", found " + actual.text();
}

std::string mismatchOfObjects(json::View expected, json::View actual, const std::string& path) {
  const std::string prefix = path.empty() ? "" : path + ".";
  for (const json::Member member : expected.members()) {
    if (member.key == kAny) continue;
    const std::string where = prefix + std::string(member.key);
    const std::optional<json::View> found = actual.find(member.key);
    if (!found) return where + ": is missing in " + actual.text();
    if (std::string different = mismatch(member.value, *found, where); !different.empty()) return different;
  }
  if (expected.find(kAny)) return "";
  for (const json::Member member : actual.members()) {
    if (!expected.find(member.key)) return prefix + std::string(member.key) + ": was not expected";
  }
  return "";
}

// Items from `expected[e]` on against `actual[a]` on; the first difference that matters is kept in `reason`.
bool itemsMatch(const std::vector<json::View>& expected, std::size_t e, const std::vector<json::View>& actual,
                std::size_t a, const std::string& path, std::string& reason) {
  if (e == expected.size()) return a == actual.size();
  if (isAny(expected[e])) {
    for (std::size_t next = a; next <= actual.size(); ++next) {
      if (itemsMatch(expected, e + 1, actual, next, path, reason)) return true;
    }
    return false;
  }
  if (a == actual.size()) return false;
  const std::string different = mismatch(expected[e], actual[a], path + "[" + std::to_string(a) + "]");
  if (!different.empty() && reason.empty()) reason = different;
  return different.empty() && itemsMatch(expected, e + 1, actual, a + 1, path, reason);
}

std::vector<json::View> itemsOf(json::View array) {
  std::vector<json::View> items;
  for (const json::View item : array.items()) items.push_back(item);
  return items;
}

}  // namespace

std::string mismatch(json::View expected, json::View actual, const std::string& path) {
  if (isAny(expected)) return "";
  if (expected.isObject() && actual.isObject()) return mismatchOfObjects(expected, actual, path);
  if (expected.isArray() && actual.isArray()) {
    std::string reason;
    if (itemsMatch(itemsOf(expected), 0, itemsOf(actual), 0, path, reason)) return "";
    return differs(path, expected, actual) + (reason.empty() ? "" : " (" + reason + ")");
  }
  return expected.text() == actual.text() ? "" : differs(path, expected, actual);
}

}  // namespace rhea::test
