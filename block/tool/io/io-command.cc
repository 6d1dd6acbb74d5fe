#include "block/tool/io/io-command.h"

#include "block/tool/io/io-verb.h"
#include "emu/base/names.h"
#include "emu/base/size.h"

namespace rhea::block {

namespace {

constexpr IoVerb kVerbs[] = {
    {"abort", "", "", 0, 0, "abort", "end at once as a crash would, without closing anything", ioAbort,
     IoPlace::kProgram},
    {"aio_flush", "", "", 0, 0, "aio_flush", "wait for the requests that aio_read and aio_write began", ioAioFlush,
     IoPlace::kAnywhere},
    {"aio_read", "", "CqvP:", 2, 64, "aio_read [-Cqv] [-P pattern] offset length [length...]",
     "as readv, in rhea-io without waiting for it", ioAioRead},
    {"aio_write", "", "CqfuzP:s:", 2, 64, "aio_write [-Cqfuz] [-P pattern | -s file] offset length [length...]",
     "as writev, in rhea-io without waiting for it; -z zeroes, -u with -z may leave a hole", ioAioWrite},
    {"alloc", "", "", 1, 2, "alloc offset [count]", "how much of count bytes (default 512) at offset is allocated",
     ioAlloc},
    {"break", "", "", 2, 2, "break point tag",
     "stop the next request that comes to a point of the blkdebug filter, under a tag", ioBreak},
    {"close", "c", "", 0, 0, "close", "close the image", ioClose, IoPlace::kProgram},
    {"discard", "d", "Cq", 2, 2, "discard [-Cq] offset length", "tell the storage that a range is not needed any more",
     ioDiscard},
    {"flush", "f", "", 0, 0, "flush", "put what was written on stable storage", ioFlush},
    {"help", "?", "", 0, 1, "help [verb]", "this list, or how a verb is used", ioHelp, IoPlace::kAnywhere},
    {"info", "i", "", 0, 0, "info", "format, name, size and cache mode of the disk", ioInfo},
    {"length", "l", "", 0, 0, "length", "size of the disk", ioLength},
    {"load", "", "rwRb:d:t:n:F:s:l:", 0, 0,
     "load [-rwR] [-b size] [-d depth] [-t seconds] [-n requests] [-F writes] [-s offset] [-l length]",
     "put load on the disk: -r reads, -w writes, both mixed by default, -R at random places; -b bytes a request (4k), "
     "-d requests at a time (1), for -t seconds (5) or -n requests; -F flush after so many writes; "
     "-s, -l the range. Writes overwrite it. Shows rates and latencies",
     ioLoad},
    {"map", "", "", 0, 0, "map", "which ranges are allocated", ioMap},
    {"open", "o", "rsCnkUi:t:d:o:", 0, 1, "open [-rsCnkU] [-t cache] [-i aio] [-d discard] [-o options] [path]",
     "open an image: -r for reading only, -n as -t none, -k as -i native, -U although others write to it, -C with "
     "copy-on-read, -o options of its node",
     ioOpen, IoPlace::kProgram},
    {"quit", "q", "", 0, 0, "quit", "close the image and end", ioQuit, IoPlace::kProgram},
    {"read", "r", "bCpqvP:s:l:", 2, 2, "read [-bCqv] [-P pattern [-s start] [-l length]] offset length",
     "read a range; -v shows it, -P checks that every byte (of length bytes from start) is pattern, -b reads from the "
     "machine's state beside the disk",
     ioRead},
    {"readv", "rv", "CqvP:", 2, 64, "readv [-Cqv] [-P pattern] offset length [length...]",
     "read into several buffers by one request", ioReadVector},
    {"remove_break", "", "", 1, 1, "remove_break tag", "take back a break, and let go what it stopped", ioResume},
    {"reopen", "", "rwc:o:", 0, 0, "reopen [-r|-w] [-c cache] [-o options]",
     "give the open image other options, or another cache mode while requests run", ioReopen, IoPlace::kProgram},
    {"resume", "", "", 1, 1, "resume tag", "let the requests go on that were stopped under a tag", ioResume},
    {"sigraise", "", "", 1, 1, "sigraise signal", "send a signal to the program itself", ioRaise, IoPlace::kProgram},
    {"sleep", "", "", 1, 1, "sleep milliseconds", "wait", ioSleep, IoPlace::kAnywhere},
    {"truncate", "t", "m:", 1, 1, "truncate [-m preallocation] length",
     "change the size of the disk; -m how new space is laid out: off, metadata, falloc or full", ioTruncate},
    {"wait_break", "", "", 1, 1, "wait_break tag", "wait until a request is stopped under a tag", ioWaitBreak},
    {"write", "w", "bcCfnpquzP:s:", 2, 2, "write [-bcCfnquz] [-P pattern | -s file] offset length",
     "write a range: bytes of pattern (0xcd), or the file's over and over; -z zeroes, -u with -z may leave a hole, -n "
     "with -z only where that is quick, -f on stable storage at completion, -c compressed, -b into the machine's state "
     "beside the disk",
     ioWrite},
    {"writev", "wv", "CqfP:s:", 2, 64, "writev [-Cqf] [-P pattern | -s file] offset length [length...]",
     "write from several buffers by one request", ioWriteVector},
};

std::vector<std::string> split(std::string_view line) {
  std::vector<std::string> words;
  std::string word;
  for (const char letter : line) {
    if (letter != ' ' && letter != '\t' && letter != '\n') {
      word.push_back(letter);
    } else if (!word.empty()) {
      words.push_back(std::exchange(word, {}));
    }
  }
  if (!word.empty()) words.push_back(std::move(word));
  return words;
}

Error usageError(const IoVerb& verb, std::string message) {
  return Error(std::move(message)).hint(fmt::format("usage: {}", verb.usage));
}

const IoVerb* findVerb(std::string_view name) {
  for (const IoVerb& verb : kVerbs) {
    if (verb.name == name || (!verb.alias.empty() && verb.alias == name)) return &verb;
  }
  return nullptr;
}

// Switches come before the words.
Result<IoCall> takeApart(const IoVerb& verb, const std::vector<std::string>& words) {
  IoCall call;
  call.verb = verb.name;
  std::size_t at = 1;
  for (; at < words.size() && words[at].size() > 1 && words[at][0] == '-'; ++at) {
    const std::string& word = words[at];
    for (std::size_t i = 1; i < word.size(); ++i) {
      const std::size_t known = verb.letters.find(word[i]);
      if (known == std::string_view::npos || word[i] == ':')
        return usageError(verb, fmt::format("{} has no switch -{}", verb.name, word[i]));
      const bool takesValue = known + 1 < verb.letters.size() && verb.letters[known + 1] == ':';
      if (!takesValue) {
        call.switches[word[i]] = "";
        continue;
      }
      std::string value = word.substr(i + 1);
      if (value.empty()) {
        if (at + 1 == words.size()) return usageError(verb, fmt::format("-{} wants a value", word[i]));
        value = words[++at];
      }
      call.switches[word[i]] = std::move(value);
      break;
    }
  }
  call.words.assign(words.begin() + static_cast<std::ptrdiff_t>(at), words.end());
  if (call.words.size() < verb.leastWords || call.words.size() > verb.mostWords) {
    return usageError(
        verb, fmt::format("{} takes {} words here, not {}", verb.name,
                          verb.leastWords == verb.mostWords ? fmt::format("{}", verb.leastWords)
                                                            : fmt::format("{} to {}", verb.leastWords, verb.mostWords),
                          call.words.size()));
  }
  return call;
}

Result<std::uint64_t> readSize(const std::string& text, std::string_view what) {
  Result<std::uint64_t> size = parseSize(text);
  if (!size) return Error(fmt::format("'{}' is no {}", text, what)).expected("bytes, as 4096, 0x1000, 4k or 1M");
  return size;
}

}  // namespace

std::span<const IoVerb> ioVerbTable() { return kVerbs; }

std::vector<std::string> ioVerbs() {
  std::vector<std::string> names;
  for (const IoVerb& verb : kVerbs) names.emplace_back(verb.name);
  return names;
}

Result<std::uint64_t> IoCall::sizeOf(char letter, std::uint64_t otherwise) const {
  const auto found = switches.find(letter);
  if (found == switches.end()) return otherwise;
  return readSize(found->second, fmt::format("value of -{}", letter));
}

Result<std::uint64_t> IoCall::size(std::size_t word, std::string_view what) const {
  return readSize(words[word], what);
}

Task<Result<IoOutcome>> runIoLine(IoTarget target, std::string line) {
  const std::vector<std::string> words = split(line);
  if (words.empty()) co_return Error("no command is given").hint("help lists them");
  const IoVerb* verb = findVerb(words.front());
  if (verb == nullptr) {
    std::vector<std::string> near = nearestNames(words.front(), ioVerbs());
    Error error(fmt::format("io knows no '{}'", words.front()));
    if (near.empty()) co_return std::move(error).hint("help lists what it knows");
    co_return std::move(error).candidates(std::move(near));
  }
  RHEA_CO_TRY(IoCall call, takeApart(*verb, words));
  if (verb->place == IoPlace::kProgram && target.host == nullptr) {
    co_return Error(fmt::format("'{}' is for rhea-io; here the disk is the machine's", verb->name));
  }
  if (verb->place == IoPlace::kDisk && target.disk == nullptr) {
    co_return Error("no file open").hint("open one: help open");
  }
  co_return co_await verb->run(std::move(target), std::move(call));
}

Task<Result<std::string>> runIoCommand(IoTarget target, std::string line) {
  RHEA_CO_TRY(IoOutcome outcome, co_await runIoLine(std::move(target), std::move(line)));
  if (outcome.error) co_return *std::move(outcome.error);
  co_return std::move(outcome.text);
}

Task<Result<IoOutcome>> ioHelp(IoTarget target, IoCall call) {
  std::string text;
  for (const IoVerb& verb : kVerbs) {
    if (verb.place == IoPlace::kProgram && target.host == nullptr) continue;
    if (!call.words.empty() && verb.name != call.words.front() && verb.alias != call.words.front()) continue;
    text += fmt::format("{}\n    {}\n", verb.usage, verb.doc);
  }
  if (text.empty()) co_return Error(fmt::format("io knows no '{}'", call.words.front()));
  co_return text;
}

}  // namespace rhea::block
