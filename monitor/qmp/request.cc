#include "monitor/qmp/request.h"

#include <cmath>

#include "emu/base/json-writer.h"
#include "emu/base/names.h"
#include "monitor/dispatch/dispatcher.h"

namespace rhea::monitor {

namespace {

constexpr std::array<std::string_view, 5> kMembers = {"execute", "exec-oob", "arguments", "id", "timeout"};
constexpr double kLongestTimeout = 1e9;  // seconds

Error wrong(std::string_view member, json::View value, std::string_view expected) {
  return Error(fmt::format("'{}' is {}", member, json::describe(value.kind())))
      .where(std::string(member))
      .expected(std::string(expected));
}

Result<void> readMember(Request& request, const json::Member& member) {
  if (member.key == "execute" || member.key == "exec-oob") {
    if (!member.value.isString()) return wrong(member.key, member.value, "a command's name, a string");
    if (!request.command.empty()) return Error("a message has one command").expected("either execute or exec-oob");
    request.command = member.value.asString();
    request.oob = member.key == "exec-oob";
  } else if (member.key == "arguments") {
    if (!member.value.isObject()) return wrong(member.key, member.value, "an object");
    request.arguments = json::Value(member.value);
  } else if (member.key == "timeout") {
    const double seconds = member.value.isNumber() ? member.value.asDouble() : -1;
    if (!(seconds > 0) || seconds > kLongestTimeout) return wrong(member.key, member.value, "seconds, above 0");
    request.timeout = std::chrono::duration_cast<Duration>(std::chrono::duration<double>(seconds));
  } else if (member.key != "id") {
    return Error(fmt::format("a QMP message has no member '{}'", member.key.substr(0, 80)))
        .where(std::string(member.key.substr(0, 80)))
        .expected("execute or exec-oob, arguments, id, timeout")
        .candidates(nearestNames(member.key, kMembers));
  }
  return success();
}

}  // namespace

Result<Request> readRequest(const json::Value& message, std::string& id) {
  if (!message.isObject()) {
    return Error(fmt::format("a QMP message is an object, this is {}", json::describe(message.kind())))
        .expected(R"({"execute": "query-status"})");
  }
  if (const std::optional<json::View> given = message.find("id")) id = given->text();
  Request request;
  for (const json::Member& member : message.members()) RHEA_CHECK(readMember(request, member));
  if (request.command.empty()) {
    return Error("the message has no command").where("execute").expected(R"("execute": a command's name)");
  }
  return request;
}

ReadMessage readMessage(const json::Frame& frame) {
  Result<json::Value> document = frame.parse();
  if (!document.ok()) return {json::Value(), {}, document.takeError()};
  std::string id;
  Result<Request> request = readRequest(*document, id);
  return {*std::move(document), std::move(id), std::move(request)};
}

void appendReply(std::string& to, std::string_view result, std::string_view id) {
  to.append("{\"return\": ").append(result);
  if (!id.empty()) to.append(", \"id\": ").append(id);
  to += '}';
}

void appendError(std::string& to, const Error& error, std::string_view id, std::string_view operation) {
  json::Writer writer;
  writeError(writer, error, operation);
  to.append("{\"error\": ").append(writer.take());
  if (!id.empty()) to.append(", \"id\": ").append(id);
  to += '}';
}

}  // namespace rhea::monitor
