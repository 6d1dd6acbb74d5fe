#include "block/tool/io/io-lines.h"

#include <stdio.h>
#include <unistd.h>

#include <cstdlib>
#include <iostream>

// readline's own headers want stdio first.
#include <readline/history.h>
#include <readline/readline.h>

#include "block/tool/io/io-command.h"
#include "emu/io/offload.h"

namespace rhea::block {

namespace {

// readline gives its words by a callback without a place for an object, once for each match.
char* nextVerb(const char* text, int state) {
  const std::string_view begin(text);
  for (const std::string& verb : ioVerbs()) {
    if (verb.starts_with(begin) && state-- == 0) return ::strdup(verb.c_str());
  }
  return nullptr;
}

char** complete(const char* text, int start, int) {
  const std::string_view before(::rl_line_buffer, static_cast<std::size_t>(start));
  const bool firstWord = before.find_first_not_of(' ') == std::string_view::npos;
  // Behind help comes a verb too; elsewhere file names are completed, by readline itself.
  return firstWord || before.starts_with("help ") ? ::rl_completion_matches(text, nextVerb) : nullptr;
}

class TerminalLines final : public IoLines {
 public:
  TerminalLines() {
    ::rl_readline_name = "rhea-io";
    ::rl_attempted_completion_function = complete;
    ::using_history();
  }
  Task<std::optional<std::string>> next(std::string prompt) override {
    std::function<std::optional<std::string>()> ask = [prompt]() -> std::optional<std::string> {
      const std::unique_ptr<char, void (*)(void*)> line(::readline(prompt.c_str()), &std::free);
      if (line == nullptr) return std::nullopt;
      if (line.get()[0] != '\0') ::add_history(line.get());
      return std::string(line.get());
    };
    co_return co_await offload(std::move(ask));
  }
};

class ScriptLines final : public IoLines {
 public:
  Task<std::optional<std::string>> next(std::string prompt) override {
    std::function<std::optional<std::string>()> read = [prompt]() -> std::optional<std::string> {
      // Programs that talk to the classic tool through pipes wait for its prompt.
      std::fputs(prompt.c_str(), stdout);
      std::fflush(stdout);
      std::string line;
      if (!std::getline(std::cin, line)) return std::nullopt;
      return line;
    };
    co_return co_await offload(std::move(read));
  }
};

}  // namespace

std::unique_ptr<IoLines> standardLines() {
  if (::isatty(STDIN_FILENO) != 0 && ::isatty(STDOUT_FILENO) != 0) return std::make_unique<TerminalLines>();
  return std::make_unique<ScriptLines>();
}

}  // namespace rhea::block
