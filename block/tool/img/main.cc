// rhea-img: makes, examines, changes and copies disk images.
#include <cstdio>

#include "block/tool/img/session.h"
#include "block/tool/img/table.h"
#include "emu/base/visible-text.h"
#include "emu/object/version.h"

namespace rhea::block {
namespace {

int print(const std::string& text) { return std::fputs(text.c_str(), stdout) < 0 || std::fflush(stdout) != 0 ? 1 : 0; }

// "rhea-img version 7.2.0 (rhea 0.1.0)": the classic words around the same numbers.
std::string versionText() {
  const std::string line = object::versionLine();
  return "rhea-img" + line.substr(line.find(" version")) + "\n";
}

bool isHelp(std::string_view word) { return word == "-h" || word == "--help" || word == "help"; }

Result<int> runCommand(const ImgCommand& command, std::span<const std::string_view> words) {
  RHEA_TRY(ImgCall call, parseCall(command, words));
  if (call.has("help")) return print(helpOf(command));
  RHEA_TRY(const std::unique_ptr<ImgSession> session, ImgSession::create(command));
  return session->run(command, std::move(call));
}

Result<int> runImg(std::span<const std::string_view> words) {
  if (words.empty()) return Error("which subcommand?").candidates(imgCommandNames()).hint("rhea-img --help");
  if (words.front() == "-V" || words.front() == "--version") return print(versionText());
  if (isHelp(words.front())) {
    if (words.size() == 1) return print(imgHelp());
    if (words[1] == "--mdoc") return print(imgManual());
    if (words[1] == "--bash") return print(imgCompletion());
    RHEA_TRY(const ImgCommand* asked, findImgCommand(words[1]));
    return print(helpOf(*asked));
  }
  RHEA_TRY(const ImgCommand* command, findImgCommand(words.front()));
  Result<int> status = runCommand(*command, words.subspan(1));
  // Which status an error has is the subcommand's to say, but for the end by a signal.
  constexpr int kSignals = 128;
  if (status.ok() || status.error().exitCode() > kSignals) return status;
  return status.takeError().withExitCode(command->errorStatus);
}

}  // namespace
}  // namespace rhea::block

int main(int argc, char** argv) {
  const std::vector<std::string_view> words(argv + 1, argv + argc);
  const rhea::Result<int> status = rhea::block::runImg(words);
  if (status.ok()) return *status;
  std::fflush(stdout);
  std::fprintf(stderr, "rhea-img: %s\n", rhea::visible(status.error().describe()).c_str());
  return status.error().exitCode();
}
