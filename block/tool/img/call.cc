#include "block/tool/img/command.h"
#include "emu/base/names.h"
#include "emu/base/size.h"

namespace rhea::block {

namespace {

Error usageError(const ImgCommand& command, std::string message) {
  return Error(fmt::format("{}: {}", command.name, std::move(message)));
}

Error withUsage(const ImgCommand& command, Error error) {
  return std::move(error).hint(fmt::format("usage: {}", synopsis(command)));
}

// Takes the words of one subcommand apart, one after the other.
class CallParser {
 public:
  CallParser(const ImgCommand& command, std::span<const std::string_view> words)
      : command_(command), words_(words), call_(command) {}

  Result<ImgCall> parse() {
    const std::size_t optionsEnd = endOfOptions();
    for (; at_ < words_.size(); ++at_) {
      const std::string_view word = words_[at_];
      if (at_ >= optionsEnd || word.size() < 2 || word.front() != '-') {
        call_.words.emplace_back(word);
      } else if (word == "--") {
        call_.words.insert(call_.words.end(), words_.begin() + static_cast<std::ptrdiff_t>(at_) + 1, words_.end());
        break;
      } else if (word.starts_with("--")) {
        RHEA_CHECK(longOption(word.substr(2)));
      } else {
        RHEA_CHECK(letters(word.substr(1)));
      }
    }
    const bool asksForHelp = call_.has("help");
    if (!asksForHelp) RHEA_CHECK(checkWords());
    return std::move(call_);
  }

 private:
  // A size that is taken away ("-1G") looks like an option.
  std::size_t endOfOptions() const {
    if (!command_.signedWord || words_.empty()) return words_.size();
    const std::string_view last = words_.back();
    return last.size() > 1 && last[0] == '-' && last[1] >= '0' && last[1] <= '9' ? words_.size() - 1 : words_.size();
  }

  Result<void> checkWords() const {
    const std::size_t given = call_.words.size();
    if (given < command_.leastWords) {
      return withUsage(command_, usageError(command_, fmt::format("{} missing", command_.words)));
    }
    if (given > command_.mostWords) {
      return withUsage(command_,
                       usageError(command_, fmt::format("'{}' is one word too many", call_.words[command_.mostWords])));
    }
    return success();
  }

  Result<void> take(const ImgOption& option, std::string_view spelt, std::optional<std::string_view> value) {
    if (value && option.value.empty()) {
      return usageError(command_, fmt::format("option '{}' takes no value, '{}' was given", spelt, *value));
    }
    if (!value && option.takesValue()) {
      if (at_ + 1 == words_.size()) {
        return usageError(command_, fmt::format("option '{}' wants a value", spelt))
            .expected(std::string(option.value));
      }
      value = words_[++at_];
    }
    call_.given.push_back({&option, std::string(value.value_or(""))});
    return success();
  }

  Result<void> longOption(std::string_view text) {
    const std::size_t equals = text.find('=');
    const std::string_view name = text.substr(0, equals);
    std::optional<std::string_view> value;
    if (equals != std::string_view::npos) value = text.substr(equals + 1);
    const ImgOption* found = nullptr;
    std::vector<std::string> fits;
    for (const ImgOption& option : command_.options) {
      if (!option.name.starts_with(name) || name.empty()) continue;
      fits.push_back(fmt::format("--{}", option.name));
      found = &option;
      if (option.name == name) {
        fits.resize(1);
        break;
      }
    }
    if (fits.size() == 1) return take(*found, fmt::format("--{}", found->name), value);
    if (fits.size() > 1) {
      return usageError(command_, fmt::format("'--{}' may be several options", name)).candidates(std::move(fits));
    }
    std::vector<std::string_view> known;
    for (const ImgOption& option : command_.options) known.push_back(option.name);
    std::vector<std::string> near;
    for (const std::string& each : nearestNames(name, known)) near.push_back(fmt::format("--{}", each));
    Error error = usageError(command_, fmt::format("there is no option '--{}'", name));
    if (!near.empty()) return std::move(error).candidates(std::move(near));
    return withUsage(command_, std::move(error));
  }

  Result<void> letters(std::string_view text) {
    for (std::size_t i = 0; i < text.size(); ++i) {
      const auto found = std::find_if(command_.options.begin(), command_.options.end(),
                                      [&](const ImgOption& option) { return option.letter == text[i]; });
      if (found == command_.options.end()) {
        return withUsage(command_, usageError(command_, fmt::format("there is no option '-{}'", text[i])));
      }
      const std::string spelt = fmt::format("-{}", text[i]);
      if (!found->takesValue()) {
        RHEA_CHECK(take(*found, spelt, std::nullopt));
        continue;
      }
      std::optional<std::string_view> value;
      if (i + 1 < text.size()) value = text.substr(i + 1);
      return take(*found, spelt, value);
    }
    return success();
  }

  const ImgCommand& command_;
  std::span<const std::string_view> words_;
  ImgCall call_;
  std::size_t at_ = 0;
};

std::string optionForm(const ImgOption& option) {
  const std::string name = option.letter != 0 ? fmt::format("-{}", option.letter) : fmt::format("--{}", option.name);
  if (option.mayTakeValue()) return fmt::format("[--{}{}]", option.name, option.value);
  if (!option.takesValue()) return fmt::format("[{}]", name);
  return fmt::format("[{}{}{}]", name, option.letter != 0 ? " " : "=", option.value);
}

}  // namespace

bool ImgCall::has(std::string_view option) const {
  return std::any_of(given.begin(), given.end(), [&](const Given& each) { return each.option->name == option; });
}

std::vector<std::string> ImgCall::values(std::string_view option) const {
  std::vector<std::string> found;
  for (const Given& each : given) {
    if (each.option->name == option) found.push_back(each.value);
  }
  return found;
}

std::optional<std::string> ImgCall::value(std::string_view option) const {
  std::vector<std::string> all = values(option);
  return all.empty() ? std::nullopt : std::optional<std::string>(std::move(all.back()));
}

std::string ImgCall::valueOr(std::string_view option, std::string_view otherwise) const {
  return value(option).value_or(std::string(otherwise));
}

Result<std::optional<std::uint64_t>> ImgCall::size(std::string_view option) const {
  const std::optional<std::string> text = value(option);
  if (!text) return std::optional<std::uint64_t>();
  Result<std::uint64_t> bytes = parseSize(*text);
  if (!bytes) return bytes.takeError().context(fmt::format("{}: --{}", command->name, option));
  return std::optional<std::uint64_t>(*bytes);
}

Result<std::optional<std::uint64_t>> ImgCall::number(std::string_view option, std::uint64_t least,
                                                     std::uint64_t most) const {
  RHEA_TRY(const std::optional<std::uint64_t> number, size(option));
  if (number && (*number < least || *number > most)) {
    return usageError(*command, fmt::format("--{}={} is out of range", option, *number))
        .expected(fmt::format("{} to {}", least, most));
  }
  return number;
}

Result<ImgCall> parseCall(const ImgCommand& command, std::span<const std::string_view> words) {
  return CallParser(command, words).parse();
}

std::string synopsis(const ImgCommand& command) {
  std::string text = fmt::format("rhea-img {}", command.name);
  for (const ImgOption& option : command.options) {
    if (option.name != "help") text += ' ' + optionForm(option);
  }
  if (!command.words.empty()) text += fmt::format(" {}", command.words);
  return text;
}

std::string helpOf(const ImgCommand& command) {
  std::string text = fmt::format("usage: {}\n\n{}.\n", synopsis(command), command.doc);
  if (!command.options.empty()) text += '\n';
  for (const ImgOption& option : command.options) {
    std::string form = option.letter != 0 ? fmt::format("-{}, --{}", option.letter, option.name)
                                          : fmt::format("    --{}", option.name);
    if (option.mayTakeValue()) form += option.value;
    if (option.takesValue()) form += fmt::format("={}", option.value);
    text += fmt::format("  {:<30} {}\n", form, option.doc);
  }
  return text;
}

}  // namespace rhea::block
