// A QMP message as a client sends it, taken apart and checked, and the replies to it.
#pragma once

#include "emu/base/base.h"
#include "emu/base/json-framer.h"
#include "emu/io/loop.h"

namespace rhea::monitor {

struct Request {
  std::string command;
  json::Value arguments;            // an object, or null
  std::string id;                   // JSON text as the client sent it; empty where it sent none
  std::optional<Duration> timeout;  // "timeout", in seconds
  bool oob = false;                 // sent by exec-oob
  std::uint64_t number = 0;         // of the message in its session, from 0
};

// {"execute" | "exec-oob": name, "arguments": {...}, "id": any, "timeout": seconds}. Errors name the member that is
// wrong. `id` is set also where the rest is in error, so that the reply carries it.
Result<Request> readRequest(const json::Value& message, std::string& id);

// A message as far as it can be taken apart without knowing the session; any thread. `id` as above.
struct ReadMessage {
  json::Value document;
  std::string id;
  Result<Request> request;
};
ReadMessage readMessage(const json::Frame& frame);

// {"return": RESULT, "id": ID}, without the line's end.
void appendReply(std::string& to, std::string_view result, std::string_view id);
// {"error": {...}, "id": ID}.
void appendError(std::string& to, const Error& error, std::string_view id, std::string_view operation = {});

}  // namespace rhea::monitor
