// Command: a QMP command as the generator and the rooms share it.
//
// The generator makes, per command of the schema, a struct with its arguments, a CommandInfo and the declaration
//   template <> struct Command<qapi::BlockResize> {
//     static Task<Result<void>> run(CommandContext context, qapi::BlockResize arguments);
//   };
// The room that owns the subject defines run(); a body that is missing is a link error. Tables of CommandEntry, one per
// program, are in the generated qapi/dispatch.h.
#pragma once

#include "emu/base/json-type.h"
#include "emu/io/command-context.h"
#include "emu/io/task.h"

namespace rhea {

enum class Effect : std::uint8_t { kRead, kChange };

struct CommandInfo {
  std::string_view name;  // "block_resize"
  Effect effect;          // roles and the audit log follow from it
  bool allowOob;
  bool allowPreconfig;
  bool isNew;                       // other emulators have nothing of the kind
  std::chrono::seconds deadline;    // where the client gives none; 0: never
  const json::TypeInfo* arguments;  // never null; to redact what the audit log shows
  std::string_view doc;             // first sentence
};

// What a body returns whose reply is text already ("raw-reply" in the schema): one JSON value that fits the type.
struct RawReply {
  explicit RawReply(json::Text reply) : text(std::move(reply)) {}
  json::Text text;
};

template <class Arguments>
struct Command;

struct CommandEntry {
  const CommandInfo* info;
  // `arguments` is an object, or null where the client gave none. Gives what stands under "return".
  Task<Result<json::Text>> (*invoke)(CommandContext context, json::Value arguments);
};

// Arguments that take so long to read that others would wait; a worker does it.
bool isLong(json::View arguments);
Task<void> readByWorker(std::function<void()> read);

// Reads the arguments, runs the body, writes the reply: the `invoke` of every entry.
template <class Arguments>
Task<Result<json::Text>> invokeCommand(CommandContext context, json::Value arguments) {
  static const Result<json::Value> kNone = json::parse("{}");
  const json::View given = arguments.isNull() ? json::View(*kNone) : json::View(arguments);
  Result<Arguments> read = Error("not read");
  if (isLong(given)) {
    std::function<void()> work = [&read, given] { read = json::readJson<Arguments>(given, json::Path("arguments")); };
    co_await readByWorker(std::move(work));
  } else {
    read = json::readJson<Arguments>(given, json::Path("arguments"));
  }
  if (!read.ok()) co_return read.takeError();
  auto result = co_await Command<Arguments>::run(std::move(context), *std::move(read));
  if (!result.ok()) co_return result.takeError();
  if constexpr (std::is_void_v<typename Arguments::Returns>) {
    co_return json::Text("{}");
  } else if constexpr (std::is_same_v<typename Arguments::Returns, RawReply>) {
    co_return std::move(result->text);
  } else {
    co_return json::toText(*result);
  }
}

namespace qapi {

// Raises an event of the schema.
template <class Event>
void emit(EventSink& sink, const Event& event) {
  if constexpr (requires { event.rateKey(); }) {
    sink.emit(Event::info, json::toText(event), event.rateKey());
  } else {
    sink.emit(Event::info, json::toText(event), {});
  }
}

}  // namespace qapi

}  // namespace rhea
