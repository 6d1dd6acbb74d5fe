#include "emu/machine/pc-options.h"

#include <charconv>
#include <ctime>

#include "emu/base/size.h"
#include "emu/cpu/turns.h"
#include "hw/acpi/layout.h"

namespace rhea::machine {

namespace {

using object::CommandLine;

constexpr int kUsage = 2;  // exit status

Result<std::optional<unsigned>> numberOf(const Keyval& pairs, std::string_view key, unsigned most) {
  const Keyval::Entry* entry = pairs.find(key);
  if (entry == nullptr) return std::optional<unsigned>();
  unsigned value = 0;
  const std::string& text = entry->value;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error == std::errc() && end == text.data() + text.size() && value >= 1 && value <= most)
    return std::optional(value);
  return Error(fmt::format("'{}={}': no number that can be had", key, text)).expected(fmt::format("1 to {}", most));
}

Result<void> readMemory(const CommandLine& line, PcOptions& options) {
  const Keyval pairs = line.merged("m");
  if (const Keyval::Entry* slots = pairs.find("slots"); slots != nullptr && slots->value != "0") {
    return Error("memory cannot be added while the machine runs in this version").expected("slots=0").where("slots");
  }
  if (const Keyval::Entry* size = pairs.find("size"); size != nullptr) {
    RHEA_TRY(options.memory, parseSize(size->value, SizeUnit::kMiB));
  }
  if (const Keyval::Entry* most = pairs.find("maxmem"); most != nullptr) {
    RHEA_TRY(const std::uint64_t bytes, parseSize(most->value, SizeUnit::kMiB));
    if (bytes != options.memory) {
      return Error("memory cannot be added while the machine runs in this version")
          .expected("maxmem as large as the size");
    }
  }
  constexpr std::uint64_t kLeast = std::uint64_t{2} << 20;
  constexpr std::uint64_t kPage = 0x1000;
  if (options.memory < kLeast || options.memory > PcOptions::kMostMemory || options.memory % kPage != 0) {
    return Error(fmt::format("{} of memory cannot be had", exactSize(options.memory)))
        .expected(
            fmt::format("{} to {}, in whole pages of 4 KiB", exactSize(kLeast), exactSize(PcOptions::kMostMemory)));
  }
  return success();
}

// Of cpus, sockets, cores and threads those that are not given follow from the others, cores before sockets.
Result<void> readCpus(const CommandLine& line, PcOptions& options) {
  const Keyval pairs = line.merged("smp");
  for (const char* single : {"dies", "clusters"}) RHEA_CHECK(numberOf(pairs, single, 1));
  RHEA_TRY(const std::optional<unsigned> cpus, numberOf(pairs, "cpus", PcOptions::kMostCpus));
  RHEA_TRY(const std::optional<unsigned> sockets, numberOf(pairs, "sockets", PcOptions::kMostCpus));
  RHEA_TRY(const std::optional<unsigned> cores, numberOf(pairs, "cores", PcOptions::kMostCpus));
  RHEA_TRY(const std::optional<unsigned> threads, numberOf(pairs, "threads", PcOptions::kMostCpus));
  RHEA_TRY(const std::optional<unsigned> most, numberOf(pairs, "maxcpus", PcOptions::kMostCpus));
  options.threads = threads.value_or(1);
  unsigned packages = sockets.value_or(1);
  options.cpus = cpus.value_or(packages * cores.value_or(1) * options.threads);
  options.cores = cores.value_or(std::max(1U, options.cpus / (packages * options.threads)));
  if (!sockets) packages = std::max(1U, options.cpus / (options.cores * options.threads));
  if (packages * options.cores * options.threads != options.cpus || options.cpus > PcOptions::kMostCpus) {
    return Error(fmt::format("{} sockets of {} cores of {} threads are not {} CPUs", packages, options.cores,
                             options.threads, options.cpus))
        .expected("cpus = sockets * cores * threads");
  }
  if (most.value_or(options.cpus) != options.cpus) {
    return Error("CPUs cannot be added while the machine runs in this version")
        .expected(fmt::format("maxcpus={}", options.cpus));
  }
  return success();
}

bool isOff(const Keyval& pairs, std::string_view key) {
  const Keyval::Entry* entry = pairs.find(key);
  return entry != nullptr && (entry->value == "off" || entry->value == "no" || entry->value == "false");
}

Result<void> readMachine(const CommandLine& line, PcOptions& options) {
  const Keyval pairs = line.merged("machine");
  options.hpet = !isOff(pairs, "hpet");
  if (const Keyval::Entry* backend = pairs.find("memory-backend"); backend != nullptr)
    options.memoryBackend = backend->value;
  for (const char* absent : {"usb", "vmport", "smm"}) {
    const Keyval::Entry* entry = pairs.find(absent);
    if (entry == nullptr || entry->value == "auto" || isOff(pairs, absent)) continue;
    return Error(fmt::format("'{}={}' cannot be had in this version", absent, entry->value)).expected("off");
  }
  return success();
}

// -no-reboot and -no-shutdown say the same as keys of -action.
Result<void> readActions(const CommandLine& line, GuestActions& actions) {
  if (line.has("no-reboot")) actions.reboot = qapi::RebootAction::shutdown;
  if (line.has("no-shutdown")) actions.shutdown = qapi::ShutdownAction::pause;
  const Keyval pairs = line.merged("action");
  const auto read = [&pairs](std::string_view key, auto& action, std::string_view expected) -> Result<void> {
    const Keyval::Entry* entry = pairs.find(key);
    if (entry == nullptr) return success();
    const auto value = qapi::fromString<std::remove_reference_t<decltype(action)>>(entry->value);
    if (!value) return Error(fmt::format("{} has no action '{}'", key, entry->value)).expected(std::string(expected));
    action = *value;
    return success();
  };
  RHEA_CHECK(read("reboot", actions.reboot, "reset or shutdown"));
  RHEA_CHECK(read("shutdown", actions.shutdown, "poweroff or pause"));
  return read("panic", actions.panic, "pause, shutdown, exit-failure or none");
}

Result<std::int64_t> readMoment(const std::string& text) {
  for (const char* form : {"%Y-%m-%dT%H:%M:%S", "%Y-%m-%d"}) {
    std::tm moment{};
    const char* const end = ::strptime(text.c_str(), form, &moment);
    if (end != nullptr && *end == '\0') return static_cast<std::int64_t>(::timegm(&moment));
  }
  return Error(fmt::format("'base={}' is no time to start at", text))
      .expected("utc, localtime, or a moment as 2024-02-29T12:00:00");
}

Result<void> readRtc(const CommandLine& line, RtcOptions& rtc) {
  const Keyval pairs = line.merged("rtc");
  const auto word = [&pairs](std::string_view key, std::string_view initial) {
    const Keyval::Entry* entry = pairs.find(key);
    return entry == nullptr ? std::string(initial) : entry->value;
  };
  const std::string base = word("base", "utc"), clock = word("clock", "host"), fix = word("driftfix", "none");
  rtc.localTime = base == "localtime";
  if (!rtc.localTime && base != "utc") {
    RHEA_TRY(rtc.start, readMoment(base));
  }
  if (clock == "vm") {
    rtc.follows = RtcOptions::Follows::kVirtualTime;
  } else if (clock == "rt") {
    rtc.follows = RtcOptions::Follows::kHostUptime;
  } else if (clock != "host") {
    return Error(fmt::format("there is no clock '{}' to follow", clock)).expected("host, rt or vm");
  }
  rtc.catchesUp = fix == "slew";
  if (rtc.catchesUp || fix == "none") return success();
  return Error(fmt::format("'driftfix={}' cannot be had", fix)).expected("none or slew");
}

// -accel, each for its own accelerator, -singlestep and -icount.
Result<void> readAccelerators(const CommandLine& line, PcOptions& options) {
  options.oneInsn = line.has("singlestep");
  for (const object::Given* given : line.all("accel")) {
    const Keyval& pairs = given->pairs;
    const Keyval::Entry* name = pairs.find("accel");
    const bool translates = name == nullptr || name->value == "tcg";
    for (const char* key : {"tb-size", "thread", "split-wx"}) {
      if (!translates && pairs.find(key) != nullptr)
        return Error(fmt::format("'{}' is for the accelerator tcg, which '{}' is not", key, name->value));
    }
    constexpr unsigned kMostMiB = 65536;
    RHEA_TRY(const std::optional<unsigned> size, numberOf(pairs, "tb-size", kMostMiB));
    if (size) options.codeCache = std::uint64_t{*size} << 20;
    if (const Keyval::Entry* one = pairs.find("one-insn-per-tb"); one != nullptr)
      options.oneInsn = !isOff(pairs, "one-insn-per-tb");
    if (isOff(pairs, "split-wx"))
      return Error("'split-wx=off' cannot be had: code is never writable where it is executed").expected("on");
    const Keyval::Entry* thread = pairs.find("thread");
    const std::string_view needed = line.has("icount") ? "single" : "multi";
    if (thread != nullptr && thread->value != needed) {
      return Error(fmt::format("'thread={}' cannot be had: {}", thread->value,
                               line.has("icount") ? "with -icount CPUs take turns on one" : "each CPU has a thread"))
          .expected(std::string(needed));
    }
  }
  return success();
}

// Nothing of the host's may reach the guest: the RTC, too, follows the machine's own time, from a fixed moment on.
Result<void> readInstructionCount(const CommandLine& line, PcOptions& options) {
  if (!line.has("icount")) return success();
  const Keyval pairs = line.merged("icount");
  for (const char* absent : {"rr", "rrfile", "rrsnapshot"}) {
    if (pairs.find(absent) != nullptr)
      return Error(fmt::format("'{}' cannot be had: nothing is recorded or replayed in this version", absent));
  }
  if (const Keyval::Entry* align = pairs.find("align"); align != nullptr && !isOff(pairs, "align"))
    return Error("'align=on' cannot be had: virtual time waits for nobody").expected("align=off");
  const Keyval::Entry* shift = pairs.find("shift");
  if (shift == nullptr || shift->value == "auto") {
    return Error("'shift=auto' cannot be had: how long an instruction takes is not to depend on the host")
        .expected(fmt::format("shift=0 to shift={}", cpu::Turns::kMostShift));
  }
  CountOptions count;
  const std::string& text = shift->value;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), count.shift);
  if (error != std::errc() || end != text.data() + text.size() || count.shift > cpu::Turns::kMostShift) {
    return Error(fmt::format("'shift={}' is no shift that can be had", text))
        .expected(fmt::format("0 to {}", cpu::Turns::kMostShift));
  }
  count.sleeps = !isOff(pairs, "sleep");
  options.count = count;
  constexpr std::int64_t kStart = 946684800;  // 2000-01-01
  if (!options.rtc.start) options.rtc.start = kStart;
  options.rtc.localTime = false;
  options.rtc.follows = RtcOptions::Follows::kVirtualTime;
  return success();
}

Result<void> named(Result<void> result, const CommandLine& line, std::string_view option) {
  if (result.ok()) return result;
  const object::Given* given = line.last(option);
  return result.takeError()
      .context(given == nullptr ? fmt::format("-{}", option) : fmt::format("{} {}", given->origin, given->written))
      .withExitCode(kUsage);
}

}  // namespace

// Memory is given by the host as it is touched; so much for each that one alone has enough, and many not too much.
std::size_t PcOptions::codeCacheOfEach() const {
  constexpr std::uint64_t kMiB = std::uint64_t{1} << 20;
  constexpr std::uint64_t kEach = 64 * kMiB, kAll = 512 * kMiB;
  const std::uint64_t share = codeCache ? *codeCache / cpus : std::min(kEach, kAll / cpus);
  // Distances in translated code have 32 bits, one of them the sign.
  return std::clamp(share, kMiB, 1024 * kMiB) & ~std::uint64_t{0xfff};
}

Result<PcOptions> readPcOptions(const CommandLine& line) {
  PcOptions options;
  RHEA_CHECK(named(readMemory(line, options), line, "m"));
  RHEA_CHECK(named(readCpus(line, options), line, "smp"));
  RHEA_CHECK(named(readMachine(line, options), line, "machine"));
  options.cpu = line.word("cpu").value_or("");
  options.kernel = line.word("kernel").value_or("");
  options.initrd = line.word("initrd").value_or("");
  options.append = line.word("append").value_or("");
  for (const char* dependent : {"initrd", "append"}) {
    if (line.has(dependent) && !line.has("kernel")) {
      return Error(fmt::format("-{} is for a kernel that -kernel names", dependent)).withExitCode(kUsage);
    }
  }
  RHEA_CHECK(named(readActions(line, options.actions), line, "action"));
  RHEA_CHECK(named(readRtc(line, options.rtc), line, "rtc"));
  RHEA_CHECK(named(readAccelerators(line, options), line, "accel"));
  RHEA_CHECK(named(readInstructionCount(line, options), line, "icount"));
  options.perfMap = line.has("perfmap");
  return options;
}

Result<void> refusePcOptions(const CommandLine& line, std::string_view board) {
  for (const char* option : {"kernel", "initrd", "append"}) {
    if (!line.has(option)) continue;
    return Error(fmt::format("-{}: the machine `{}` has no CPU to run a kernel", option, board))
        .hint("-machine q35 has")
        .withExitCode(kUsage);
  }
  return success();
}

}  // namespace rhea::machine
