// Commands that the human monitor itself knows how to run: help, and info block, which is a view of two QMP queries.
//
// They run where the person is, in rhea-shell too, so that they fit the terminal's width; over human-monitor-command
// they run in the machine's process.
#pragma once

#include "emu/io/human-command.h"
#include "monitor/human/executor.h"
#include "monitor/human/form-table.h"
#include "monitor/human/screen.h"

namespace rhea::monitor {

struct LocalContext {
  LocalContext(const FormTable& theForms, Executor& theExecutor, const Dress& theDress)
      : forms(theForms), executor(theExecutor), dress(theDress) {}
  const FormTable& forms;
  Executor& executor;
  Dress dress;
};

using LocalCommand = Task<Result<HumanOutput>> (*)(LocalContext context, json::Value arguments);

// Null where the human-command has its body elsewhere.
LocalCommand localCommand(std::string_view name);

// help without a word: every command with a line; with words: usage, arguments, examples.
std::string helpText(const FormTable& forms, std::span<const Word> words, const Dress& dress);

}  // namespace rhea::monitor
