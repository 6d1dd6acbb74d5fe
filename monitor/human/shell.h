// Shell: runs one typed line and gives the text that a person reads. No terminal, no state between lines: the console,
// rhea-shell and human-monitor-command all use it.
#pragma once

#include "emu/base/base.h"
#include "monitor/human/executor.h"
#include "monitor/human/form-table.h"
#include "monitor/human/screen.h"

namespace rhea::monitor {

struct ShellOutput {
  std::string text;     // empty, or lines ending in '\n'
  bool failed = false;  // the text is an error
};

class Shell {
 public:
  Shell(const FormTable& forms, Executor& executor) : forms_(forms), executor_(executor) {}

  Task<ShellOutput> run(std::string line, Dress dress);
  const FormTable& forms() const { return forms_; }
  Executor& executor() const { return executor_; }

 private:
  Task<Result<HumanOutput>> runOwn(const ParsedLine& parsed, std::string line, Dress dress);
  Task<Result<std::string>> runParsed(ParsedLine parsed, std::string line, Dress dress);

  const FormTable& forms_;
  Executor& executor_;
};

// Every error text begins so; scripts and rhea-shell rely on it.
inline constexpr std::string_view kErrorPrefix = "error: ";

// "error: ..." with its indented lines; `line` is searched for the word that the error's nearest candidate may replace.
std::string renderError(const Error& error, std::string_view line, const Dress& dress);

}  // namespace rhea::monitor
