// The command line of rhea-io.
#include "block/tool/io/io-program.h"
#include "emu/base/names.h"

namespace rhea::block {

namespace {

struct Option {
  char letter = 0;  // 0: long only
  std::string_view name;
  std::string_view value;  // "" for one that takes none
  std::string_view doc;
  void (*apply)(IoArguments& to, std::string value);
};

constexpr Option kOptions[] = {
    {'c', "cmd", "COMMAND", "run this line and then end; may be given several times",
     [](IoArguments& to, std::string value) { to.commands.push_back(std::move(value)); }},
    {'f', "format", "FMT", "format of the image; without it, found out from its first bytes",
     [](IoArguments& to, std::string value) { to.image.format = std::move(value); }},
    {'o', "image-opts", "", "the image's name is a list of node options: driver=...,file.filename=...",
     [](IoArguments& to, std::string) { to.image.imageOptions = true; }},
    {'r', "read-only", "", "open it for reading only", [](IoArguments& to, std::string) { to.image.readOnly = true; }},
    {'s', "snapshot", "", "write to a temporary file instead of the image",
     [](IoArguments& to, std::string) { to.image.snapshot = true; }},
    {'n', "nocache", "", "as -t none", [](IoArguments& to, std::string) { to.image.cache = "none"; }},
    {'C', "copy-on-read", "", "store in the image what is read from its backing file",
     [](IoArguments& to, std::string) { to.image.copyOnRead = true; }},
    {'m', "misalign", "", "taken for older scripts; memory is aligned where it must be",
     [](IoArguments&, std::string) {}},
    {'k', "native-aio", "", "as -i native", [](IoArguments& to, std::string) { to.image.aio = "native"; }},
    {'i', "aio", "MODE", "io_uring, threads or native",
     [](IoArguments& to, std::string value) { to.image.aio = std::move(value); }},
    {'t', "cache", "MODE", "cache mode: writeback, none, writethrough, directsync or unsafe",
     [](IoArguments& to, std::string value) { to.image.cache = std::move(value); }},
    {'d', "discard", "MODE", "what becomes of discards: unmap or ignore",
     [](IoArguments& to, std::string value) { to.image.discard = std::move(value); }},
    {'U', "force-share", "", "open it although others write to it; with -r",
     [](IoArguments& to, std::string) { to.image.forceShare = true; }},
    {'h', "help", "", "show this", [](IoArguments& to, std::string) { to.help = true; }},
    {'V', "version", "", "show the version", [](IoArguments& to, std::string) { to.version = true; }},
};

const Option* byLetter(char letter) {
  const auto* found = std::find_if(std::begin(kOptions), std::end(kOptions),
                                   [letter](const Option& option) { return option.letter == letter; });
  return found == std::end(kOptions) ? nullptr : found;
}

const Option* byName(std::string_view name) {
  const auto* found = std::find_if(std::begin(kOptions), std::end(kOptions),
                                   [name](const Option& option) { return option.name == name; });
  return found == std::end(kOptions) ? nullptr : found;
}

Error unknown(std::string_view word) {
  std::vector<std::string> names;
  for (const Option& option : kOptions) names.push_back(fmt::format("--{}", option.name));
  std::vector<std::string> near = nearestNames(word, std::span<const std::string>(names));
  Error error(fmt::format("there is no option {}", word));
  if (near.empty()) return std::move(error).hint("rhea-io --help lists them");
  return std::move(error).candidates(std::move(near));
}

class Reader {
 public:
  explicit Reader(std::span<const std::string_view> words) : words_(words) {}

  Result<IoArguments> read() {
    for (; at_ < words_.size(); ++at_) {
      const std::string_view word = words_[at_];
      if (!optionsEnded_ && word == "--") {
        optionsEnded_ = true;
      } else if (!optionsEnded_ && word.starts_with("--")) {
        RHEA_CHECK(readLong(word));
      } else if (!optionsEnded_ && word.size() > 1 && word[0] == '-') {
        RHEA_CHECK(readShort(word));
      } else if (!arguments_.image.name.empty()) {
        return Error(fmt::format("'{}' is one image too many", word)).expected("one image");
      } else {
        arguments_.image.name = word;
      }
    }
    return std::move(arguments_);
  }

 private:
  Result<std::string> following(std::string_view option) {
    if (at_ + 1 == words_.size()) return Error(fmt::format("{} wants a value", option));
    return std::string(words_[++at_]);
  }

  Result<void> readLong(std::string_view word) {
    const std::size_t equals = word.find('=');
    const Option* const option = byName(word.substr(2, equals == std::string_view::npos ? equals : equals - 2));
    if (option == nullptr) return unknown(word.substr(0, equals));
    std::string value;
    if (equals != std::string_view::npos) {
      if (option->value.empty()) return Error(fmt::format("--{} takes no value", option->name));
      value = word.substr(equals + 1);
    } else if (!option->value.empty()) {
      RHEA_TRY(value, following(word));
    }
    option->apply(arguments_, std::move(value));
    return success();
  }

  Result<void> readShort(std::string_view word) {
    for (std::size_t i = 1; i < word.size(); ++i) {
      const Option* const option = byLetter(word[i]);
      if (option == nullptr) return unknown(fmt::format("-{}", word[i]));
      if (option->value.empty()) {
        option->apply(arguments_, "");
        continue;
      }
      std::string value(word.substr(i + 1));
      if (value.empty()) {
        RHEA_TRY(value, following(fmt::format("-{}", word[i])));
      }
      option->apply(arguments_, std::move(value));
      break;
    }
    return success();
  }

  std::span<const std::string_view> words_;
  std::size_t at_ = 0;
  bool optionsEnded_ = false;
  IoArguments arguments_;
};

}  // namespace

Result<IoArguments> readIoArguments(std::span<const std::string_view> words) {
  RHEA_TRY(IoArguments arguments, Reader(words).read());
  // Said here, before anything is opened, and in the words of this program's options.
  RHEA_CHECK(cacheSwitchesOf(arguments.image.cache));
  return arguments;
}

std::string ioUsage() {
  std::string text =
      "usage: rhea-io [OPTIONS] [-c COMMAND]... [IMAGE]\n"
      "Reads and writes a disk image by lines such as 'write -P 0x11 0 64k'. Without -c it reads them from standard "
      "input.\n\n";
  for (const Option& option : kOptions) {
    std::string form = fmt::format("-{}, --{}", option.letter, option.name);
    if (!option.value.empty()) form += fmt::format("={}", option.value);
    text += fmt::format("  {:<24} {}\n", form, option.doc);
  }
  return text + "\nrhea-io -c help lists the commands.\n";
}

}  // namespace rhea::block
