#include "emu/cpu/trace-log.h"

#include <fcntl.h>
#include <unistd.h>

#include <charconv>

#include "emu/base/names.h"

namespace rhea::cpu {

namespace {

constexpr TraceLog::Named kKnown[] = {
    {"in_asm", TraceLog::kInAsm, "guest code, block by block, as it is decoded"},
    {"out_asm", TraceLog::kOutAsm, "host code, block by block, as it is translated"},
    {"exec", TraceLog::kExec, "each block before it runs; blocks do not go on to one another by themselves then"},
    {"cpu", TraceLog::kCpu, "the registers before each block"},
    {"nochain", TraceLog::kNoChain, "nothing by itself: blocks do not go on to one another by themselves"},
    {"turns", TraceLog::kTurns, "with -icount: after each turn of a vCPU the time and a sum over its state"},
    {"int", TraceLog::kInterrupts, "each interrupt and exception, as it is delivered"},
    {"cpu_reset", TraceLog::kReset, "the registers before a CPU is reset"},
    {"unimp", TraceLog::kUnimplemented, "ports and registers of the guest's that nothing answers, each once"},
};

Result<std::uint64_t> parseAddress(std::string_view text) {
  const bool hex = text.starts_with("0x") || text.starts_with("0X");
  const std::string_view digits = hex ? text.substr(2) : text;
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value, hex ? 16 : 10);
  if (error == std::errc() && end == digits.data() + digits.size()) return value;
  return Error(fmt::format("'{}' is no address", text)).expected("a number, 0x in front of a hexadecimal one");
}

Result<TraceLog::Range> parseRange(std::string_view text) {
  const std::size_t dots = text.find("..");
  const std::size_t sign = dots != std::string_view::npos ? dots : text.find_first_of("+-");
  if (sign == std::string_view::npos) {
    return Error(fmt::format("'{}' is no range of addresses", text)).expected("FIRST..LAST, START+SIZE or END-SIZE");
  }
  RHEA_TRY(const std::uint64_t left, parseAddress(text.substr(0, sign)));
  RHEA_TRY(const std::uint64_t right, parseAddress(text.substr(sign + (text[sign] == '.' ? 2 : 1))));
  TraceLog::Range range{left, right};
  if (text[sign] == '+') range.last = left + right - 1;
  if (text[sign] == '-') range = {left - right + 1, left};
  if (range.first <= range.last && (text[sign] == '.' || right != 0)) return range;
  return Error(fmt::format("the range '{}' is empty", text)).expected("a first address that is not above the last");
}

}  // namespace

std::span<const TraceLog::Named> TraceLog::known() { return kKnown; }

std::string TraceLog::help() {
  std::string text = "Log items (comma separated):\n";
  for (const Named& item : kKnown) text += fmt::format("{:<15} {}\n", item.name, item.doc);
  return text + fmt::format("{:<15} {}\n{:<15} {}\n", "all", "all of these", "none", "nothing");
}

Result<std::uint32_t> TraceLog::parseItems(std::string_view names) {
  std::uint32_t items = 0;
  while (!names.empty()) {
    const std::string_view name = names.substr(0, names.find(','));
    names.remove_prefix(std::min(name.size() + 1, names.size()));
    const auto found = std::ranges::find(kKnown, name, &Named::name);
    if (found != std::end(kKnown)) {
      items |= found->items;
    } else if (name == "all") {
      for (const Named& item : kKnown) items |= item.items;
    } else if (name == "none") {
      items = 0;
    } else if (name == "op" || name == "op_opt" || name == "op_ind" || name == "op_plugin") {
      return Error(fmt::format("there is no log item '{}': translation has no intermediate code", name))
          .expected("in_asm and out_asm, which are what there is");
    } else {
      std::vector<std::string_view> all;
      std::string list;
      for (const Named& item : kKnown) {
        all.push_back(item.name);
        list.append(list.empty() ? "" : ", ").append(item.name);
      }
      return Error(fmt::format("there is no log item '{}'", name)).expected(list).candidates(nearestNames(name, all));
    }
  }
  return items;
}

Result<std::vector<TraceLog::Range>> TraceLog::parseRanges(std::string_view text) {
  std::vector<Range> ranges;
  while (!text.empty()) {
    const std::string_view one = text.substr(0, text.find(','));
    text.remove_prefix(std::min(one.size() + 1, text.size()));
    RHEA_TRY(const Range range, parseRange(one));
    ranges.push_back(range);
  }
  return ranges;
}

Result<void> TraceLog::configure(const Settings& settings) {
  ranges_ = settings.ranges;
  if (!settings.file.empty()) RHEA_CHECK(openFile(settings.file));
  setItems(settings.items);
  return success();
}

Result<void> TraceLog::openFile(std::string name) {
  if (const std::size_t number = name.find("%d"); number != std::string::npos) {
    name.replace(number, 2, fmt::format("{}", ::getpid()));
  }
  constexpr int kMode = 0644;
  Fd file(::open(name.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOCTTY, kMode));
  if (!file) return Error(fmt::format("the log file '{}' cannot be written: {}", name, std::strerror(errno)));
  const std::scoped_lock lock(mutex_);
  std::swap(file_, file);
  return success();
}

bool TraceLog::inRanges(std::uint64_t address) const {
  return ranges_.empty() || std::ranges::any_of(ranges_, [address](const Range& range) {
           return range.first <= address && address <= range.last;
         });
}

void TraceLog::write(std::string_view lines) {
  const std::scoped_lock lock(mutex_);
  const int fd = file_ ? file_.get() : STDERR_FILENO;
  while (!lines.empty()) {
    const ssize_t written = ::write(fd, lines.data(), lines.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return;  // a full disk stops no guest
    lines.remove_prefix(static_cast<std::size_t>(written));
  }
}

}  // namespace rhea::cpu
