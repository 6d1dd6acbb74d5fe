#include "emu/base/size.h"
#include "monitor/human/printer.h"
#include "monitor/human/table.h"

namespace rhea::monitor {

namespace {

std::string scalar(json::View value) {
  switch (value.kind()) {
    case json::Kind::kNull:
      return "";
    case json::Kind::kBool:
      return value.asBool() ? "yes" : "no";
    case json::Kind::kString:
      return std::string(value.asString());
    default:
      return value.text();
  }
}

bool isScalar(json::View value) { return !value.isObject() && !value.isArray(); }

bool isFlat(json::View object) {
  if (!object.isObject()) return false;
  for (const json::Member& member : object.members()) {
    if (!isScalar(member.value)) return false;
  }
  return true;
}

// A list of flat objects: a column for every name that any of them has.
std::string asTable(json::View list, const Dress& dress) {
  std::vector<std::string> names;
  for (const json::View item : list.items()) {
    for (const json::Member& member : item.members()) {
      if (std::find(names.begin(), names.end(), member.key) == names.end()) names.emplace_back(member.key);
    }
  }
  std::vector<Column> columns;
  for (const std::string& name : names) columns.emplace_back(name);
  Table table(std::move(columns));
  for (const json::View item : list.items()) {
    std::vector<std::string> cells;
    for (const std::string& name : names) {
      const std::optional<json::View> cell = item.find(name);
      cells.push_back(cell ? scalar(*cell) : "");
    }
    table.addRow(std::move(cells));
  }
  return table.render(dress);
}

void append(std::string& text, json::View value, std::size_t indent, const Dress& dress);

void appendObject(std::string& text, json::View object, std::size_t indent, const Dress& dress) {
  std::vector<std::pair<std::string, std::string>> facts;
  for (const json::Member& member : object.members()) {
    if (isScalar(member.value)) facts.emplace_back(member.key, scalar(member.value));
  }
  text += renderFacts(facts, indent);
  for (const json::Member& member : object.members()) {
    if (isScalar(member.value) || member.value.size() == 0) continue;
    text.append(indent, ' ').append(member.key).append(":\n");
    append(text, member.value, indent + 2, dress);
  }
}

void append(std::string& text, json::View value, std::size_t indent, const Dress& dress) {
  if (value.isObject()) return appendObject(text, value, indent, dress);
  if (!value.isArray()) {
    text.append(indent, ' ').append(scalar(value)).append("\n");
    return;
  }
  bool flat = true;
  for (const json::View item : value.items()) flat = flat && isFlat(item);
  if (indent == 0 && flat) {
    text += asTable(value, dress);
    return;
  }
  bool first = true;
  for (const json::View item : value.items()) {
    if (!first && item.isObject()) text += "\n";
    first = false;
    append(text, item, indent, dress);
  }
}

}  // namespace

Result<std::string> printAny(const PrintRequest& request) {
  std::string text;
  const json::View reply = request.reply;
  if (reply.isObject() && reply.size() == 0) return text;
  if (reply.isArray() && reply.size() == 0) return std::string("(none)\n");
  append(text, reply, 0, request.dress);
  return text;
}

std::string humanSize(std::uint64_t bytes) { return formatSize(bytes); }

std::string humanDuration(std::uint64_t nanoseconds) {
  static constexpr std::pair<double, std::string_view> kUnits[] = {{1e9, "s"}, {1e6, "ms"}, {1e3, "us"}};
  const double value = static_cast<double>(nanoseconds);
  for (const auto& [size, unit] : kUnits) {
    if (value >= size) return fmt::format("{:.{}f} {}", value / size, value / size < 10 ? 1 : 0, unit);
  }
  return fmt::format("{} ns", nanoseconds);
}

}  // namespace rhea::monitor
