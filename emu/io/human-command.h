// HumanCommand: bodies of the human monitor's own commands, those that have no QMP twin.
//
// The generator declares a specialization per "human-command" of the schema; the room that owns the subject defines its
// run(). The forms (human-form.h) and these bodies are two tables in two units, so that rhea-shell links the forms
// alone.
#pragma once

#include "emu/base/json-type.h"
#include "emu/io/command-context.h"
#include "emu/io/task.h"

namespace rhea {

struct HumanOutput {
  HumanOutput() = default;
  explicit HumanOutput(std::string shown, json::Text reply = {}) : text(std::move(shown)), json(std::move(reply)) {}
  std::string text;  // what a person reads
  json::Text json;   // the same as JSON, for "-j"; empty where there is none
};

// template <> struct HumanCommand<qapi::human::DriveAdd> {
//   static Task<Result<HumanOutput>> run(CommandContext context, qapi::human::DriveAdd arguments);
// };
template <class Arguments>
struct HumanCommand;

// A row of the program's table, sorted by name; arguments is the object that was read from the line.
struct HumanCommandEntry {
  std::string_view name;  // "drive_add", "info history"
  bool changes;           // effect: change
  Task<Result<HumanOutput>> (*invoke)(CommandContext context, json::Value arguments);
};

// Reads the arguments and runs the body: the `invoke` of every entry.
template <class Arguments>
Task<Result<HumanOutput>> invokeHumanCommand(CommandContext context, json::Value arguments) {
  Result<Arguments> read = json::readJson<Arguments>(arguments);
  if (!read.ok()) co_return read.takeError();
  co_return co_await HumanCommand<Arguments>::run(std::move(context), *std::move(read));
}

}  // namespace rhea
