// open, close, reopen, quit, abort, sigraise: what rhea-io can do and a monitor's io cannot.
#include <csignal>
#include <cstdlib>

#include "block/tool/io/io-host.h"
#include "block/tool/io/io-verb.h"

namespace rhea::block {

namespace {

void addOption(std::string& text, std::string_view key, std::string_view value) {
  if (!text.empty()) text.push_back(',');
  text.append(key).push_back('=');
  for (const char letter : value) text.append(letter == ',' ? 2 : 1, letter);
}

}  // namespace

std::string driveText(const IoOpening& wish) {
  std::string text = "if=none,id=image";
  addOption(text, "cache", wish.cache);
  addOption(text, "discard", wish.discard);
  if (!wish.aio.empty()) addOption(text, "aio", wish.aio);
  if (wish.readOnly) addOption(text, "read-only", "on");
  if (wish.forceShare) addOption(text, "force-share", "on");
  if (wish.copyOnRead) addOption(text, "copy-on-read", "on");
  if (wish.snapshot) addOption(text, "snapshot", "on");
  if (!wish.format.empty()) addOption(text, "format", wish.format);
  if (wish.imageOptions) {
    text += "," + wish.name;
  } else if (!wish.name.empty()) {
    addOption(text, "file", wish.name);
  }
  for (const std::string& options : wish.options) text += "," + options;
  return text;
}

Task<Result<IoOutcome>> ioOpen(IoTarget target, IoCall call) {
  IoOpening wish;
  if (!call.words.empty()) wish.name = call.words[0];
  wish.readOnly = call.has('r');
  wish.snapshot = call.has('s');
  wish.copyOnRead = call.has('C');
  wish.forceShare = call.has('U');
  if (call.has('n')) wish.cache = "none";
  if (call.has('k')) wish.aio = "native";
  const auto take = [&call](char letter, std::string& to) {
    if (call.has(letter)) to = call.switches[letter];
  };
  take('t', wish.cache);
  take('i', wish.aio);
  take('d', wish.discard);
  if (call.has('o')) wish.options.push_back(call.switches['o']);
  if (wish.name.empty() && wish.options.empty()) {
    co_return Error("no image is named").expected("open PATH, or open -o driver=...,file.filename=...");
  }
  RHEA_CO_CHECK(co_await target.host->open(std::move(wish)));
  co_return std::string();
}

Task<Result<IoOutcome>> ioClose(IoTarget target, IoCall) {
  target.disk.reset();
  RHEA_CO_CHECK(co_await target.host->close());
  co_return std::string();
}

Task<Result<IoOutcome>> ioReopen(IoTarget target, IoCall call) {
  IoReopening wish;
  if (call.has('r') && call.has('w')) co_return Error("-r and -w exclude one another").expected("one of them");
  if (call.has('r') || call.has('w')) wish.readOnly = call.has('r');
  if (call.has('c')) wish.cache = call.switches['c'];
  if (call.has('o')) wish.options.push_back(call.switches['o']);
  target.disk.reset();
  RHEA_CO_CHECK(co_await target.host->reopen(std::move(wish)));
  co_return std::string();
}

Task<Result<IoOutcome>> ioQuit(IoTarget target, IoCall) {
  target.host->quit();
  co_return std::string();
}

// For tests of what a crash leaves.
Task<Result<IoOutcome>> ioAbort(IoTarget, IoCall) {
  std::abort();
  co_return std::string();
}

Task<Result<IoOutcome>> ioRaise(IoTarget, IoCall call) {
  RHEA_CO_TRY(const std::uint64_t number, call.size(0, "number of a signal"));
  if (number == 0 || number >= static_cast<std::uint64_t>(NSIG)) {
    co_return Error(fmt::format("there is no signal {}", number)).expected(fmt::format("1 to {}", NSIG - 1));
  }
  std::raise(static_cast<int>(number));
  co_return std::string();
}

}  // namespace rhea::block
