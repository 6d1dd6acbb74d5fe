#include "emu/io/human-command.h"

#include "emu/base/json-writer.h"

namespace rhea {

json::Text packHumanOutput(const HumanOutput& output) {
  json::Writer writer;
  writer.beginObject();
  writer.member("text", std::string_view(output.text));
  if (!output.json.empty()) {
    writer.key("json");
    writer.raw(output.json);
  }
  writer.endObject();
  return writer.take();
}

Result<HumanOutput> unpackHumanOutput(const json::Text& text) {
  RHEA_TRY(const json::Value value, json::parse(text));
  HumanOutput output;
  if (const std::optional<json::View> shown = value.find("text")) output.text = shown->asString();
  if (const std::optional<json::View> reply = value.find("json")) output.json = reply->text();
  return output;
}

}  // namespace rhea
