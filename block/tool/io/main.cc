// rhea-io: reads and writes a disk image by lines of the io language.
#include <csignal>
#include <cstdio>
#include <filesystem>

#include "block/tool/io/io-lines.h"
#include "block/tool/io/io-program.h"
#include "emu/base/visible-text.h"
#include "emu/io/offload.h"
#include "emu/object/version.h"

namespace rhea::block {
namespace {

// "rhea-io version 7.2.0 (rhea 0.1.0)": the classic words around the same numbers.
std::string versionText() {
  const std::string line = object::versionLine();
  return "rhea-io" + line.substr(line.find(" version")) + "\n";
}

Task<void> runTo(IoProgram& program, IoArguments arguments, std::string prompt, Loop& loop, int& status) {
  const std::unique_ptr<IoLines> lines = standardLines();
  status = co_await program.run(std::move(arguments), *lines, std::move(prompt));
  loop.stop();
}

Result<int> runIo(std::span<const std::string_view> words, const std::string& calledAs) {
  RHEA_TRY(IoArguments arguments, readIoArguments(words));
  if (arguments.help || arguments.version) {
    const std::string text = arguments.help ? ioUsage() : versionText();
    std::fputs(text.c_str(), stdout);
    return std::fflush(stdout) == 0 ? 0 : 1;
  }
  std::signal(SIGPIPE, SIG_IGN);
  WorkerPool workers(16, "rhea-io");
  RHEA_TRY(const std::unique_ptr<Loop> loop, Loop::create("rhea-io", workers));
  const Services services;
  int status = 1;
  IoProgram program(*loop, services);
  loop->spawn(runTo(program, std::move(arguments), calledAs + "> ", *loop, status));
  loop->run();
  return status;
}

}  // namespace
}  // namespace rhea::block

int main(int argc, char** argv) {
  const std::vector<std::string_view> words(argv + 1, argv + argc);
  // Under the classic name it has the prompt that programs wait for.
  const std::string name = std::filesystem::path(argv[0]).filename().string();
  const rhea::Result<int> status = rhea::block::runIo(words, name == "qemu-io" ? name : "rhea-io");
  if (status.ok()) return *status;
  std::fputs(rhea::visible(fmt::format("rhea-io: {}\n", status.error().describe())).c_str(), stderr);
  return 1;
}
