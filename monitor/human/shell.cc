#include "monitor/human/shell.h"

#include "emu/base/json-writer.h"
#include "emu/base/names.h"
#include "emu/base/visible-text.h"
#include "monitor/human/local.h"
#include "monitor/human/printer.h"
#include "monitor/human/table.h"

namespace rhea::monitor {

namespace {

// The line with the word that `candidate` probably means replaced by it; empty where no word is like it.
std::string corrected(std::string_view line, const std::string& candidate) {
  const std::vector<Word> words = splitWords(line);
  // The command's own word was understood, or the error itself names a better one.
  for (auto word = words.rbegin(); word != words.rend() && word + 1 != words.rend(); ++word) {
    const std::string_view text = line.substr(word->begin, word->end - word->begin);
    // Options are words within a word: "if=none,fromat=raw".
    for (std::size_t begin = 0; begin <= text.size();) {
      const std::size_t end = std::min(text.find_first_of(",=", begin), text.size());
      const std::string_view piece = text.substr(begin, end - begin);
      if (piece != candidate && !nearestNames(piece, std::span<const std::string>(&candidate, 1)).empty()) {
        std::string better(line);
        better.replace(word->begin + begin, piece.size(), candidate);
        return better;
      }
      begin = end + 1;
    }
  }
  return {};
}

std::string pretty(const json::Text& text) {
  const Result<json::Value> value = json::parse(text);
  return (value ? json::pretty(*value) : text) + "\n";
}

}  // namespace

std::string renderError(const Error& error, std::string_view line, const Dress& dress) {
  std::string text = dress.paint(Tone::kBad, kErrorPrefix);
  std::size_t used = std::string_view(kErrorPrefix).size();
  const std::string told = error.describe();
  for (std::string_view rest = told; !rest.empty(); used = 0) {
    const std::size_t end = std::min(rest.find('\n'), rest.size());
    const std::string_view one = rest.substr(0, end);
    const std::size_t indent = std::min(one.find_first_not_of(' '), one.size());
    text.append(indent, ' ').append(wrapped(one.substr(indent), dress.columns(), indent + 2, used + indent));
    text.push_back('\n');
    rest.remove_prefix(std::min(end + 1, rest.size()));
  }
  const std::vector<std::string>& names = error.candidateNames();
  if (names.empty() || error.hintText().find("did you mean") != std::string_view::npos) return text;
  const std::string better = corrected(line, names.front());
  if (!better.empty()) text += "  did you mean: " + better + "\n";
  return text;
}

Task<ShellOutput> Shell::run(std::string line, Dress dress) {
  ShellOutput output;
  if (splitWords(line).empty()) co_return output;
  Result<ParsedLine> parsed = forms_.parse(line);
  Result<std::string> text = std::string();
  if (parsed) {
    text = co_await runParsed(*std::move(parsed), line, dress);
  } else {
    text = parsed.takeError();
  }
  output.failed = !text.ok();
  // Names in it come from images and clients: none of them speaks to the terminal.
  output.text = visible(text ? *text : renderError(text.error(), line, dress), dress.colour());
  co_return output;
}

Task<Result<HumanOutput>> Shell::runOwn(const ParsedLine& parsed, std::string line, Dress dress) {
  const std::string command(parsed.form->command);
  const LocalCommand local = localCommand(command);
  if (local == nullptr) co_return co_await executor_.executeHuman(command, parsed.arguments, std::move(line));
  RHEA_CO_TRY(json::Value arguments, json::parse(parsed.arguments));
  const LocalContext context(forms_, executor_, dress);
  co_return co_await local(context, std::move(arguments));
}

Task<Result<std::string>> Shell::runParsed(ParsedLine parsed, std::string line, Dress dress) {
  const std::string command(parsed.form->command);
  if (parsed.form->ownBody) {
    RHEA_CO_TRY(HumanOutput output, co_await runOwn(parsed, std::move(line), dress));
    if (parsed.wantsJson) {
      if (output.json.empty()) co_return Error(fmt::format("'{}' has no reply as JSON", parsed.form->words.front()));
      co_return pretty(output.json);
    }
    if (!output.text.empty() && output.text.back() != '\n') output.text.push_back('\n');
    co_return std::move(output.text);
  }
  RHEA_CO_TRY(const json::Text reply, co_await executor_.execute(command, parsed.arguments));
  if (parsed.wantsJson) co_return pretty(reply);
  RHEA_CO_TRY(json::Value replyValue, json::parse(reply));
  RHEA_CO_TRY(json::Value arguments, json::parse(parsed.arguments));
  const PrintRequest request(std::move(replyValue), std::move(arguments), dress);
  const Printer printer = printerOf(command);
  co_return printer != nullptr ? printer(request) : printAny(request);
}

}  // namespace rhea::monitor
