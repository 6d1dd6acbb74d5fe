#include "block/driver/file/lock-holder.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <charconv>
#include <cstdio>
#include <ctime>
#include <fstream>
#include <sstream>

namespace rhea::block {

namespace {

struct Identity {
  dev_t device = 0;
  ino_t inode = 0;
};

// A line of /proc/locks, or of the "lock:" lines in fdinfo:
//   1: OFDLCK ADVISORY  READ -1 fe:00:10953122 100 101
//   2: POSIX  ADVISORY  WRITE 4711 fe:00:10953122 0 EOF
struct LockLine {
  pid_t pid = -1;
  std::uint64_t inode = 0;
  LockSet bytes;
};

std::optional<LockLine> parseLockLine(const std::string& line) {
  std::istringstream words(line);
  std::string number, kind, advice, access, place, first, last;
  LockLine parsed;
  words >> number >> kind;
  if (kind == "->") return std::nullopt;  // waits for the lock, does not hold it
  if (!(words >> advice >> access >> parsed.pid >> place >> first >> last)) return std::nullopt;
  if (kind != "OFDLCK" && kind != "POSIX") return std::nullopt;
  const auto colon = place.rfind(':');
  if (colon == std::string::npos) return std::nullopt;
  const char* begin = place.data() + colon + 1;
  if (std::from_chars(begin, place.data() + place.size(), parsed.inode).ec != std::errc()) return std::nullopt;
  std::int64_t from = 0;
  std::int64_t to = -1;
  if (std::from_chars(first.data(), first.data() + first.size(), from).ec != std::errc()) return std::nullopt;
  if (last != "EOF" && std::from_chars(last.data(), last.data() + last.size(), to).ec != std::errc()) {
    return std::nullopt;
  }
  parsed.bytes = lockSetOfRange(from, to);
  return parsed;
}

std::string commandOf(pid_t pid) {
  std::ifstream file(fmt::format("/proc/{}/comm", pid));
  std::string name;
  std::getline(file, name);
  return name.empty() ? "unknown" : name;
}

// Field 22 of /proc/PID/stat: start in clock ticks after boot; the second field may hold anything but ends at the
// last ')'.
std::string startOf(pid_t pid) {
  std::ifstream stat(fmt::format("/proc/{}/stat", pid));
  std::string line;
  std::getline(stat, line);
  const auto paren = line.rfind(')');
  if (paren == std::string::npos) return "";
  std::istringstream words(line.substr(paren + 1));
  std::string skipped;
  for (int field = 3; field < 22; ++field) words >> skipped;
  std::uint64_t ticks = 0;
  if (!(words >> ticks)) return "";

  std::ifstream global("/proc/stat");
  std::time_t boot = 0;
  while (std::getline(global, line)) {
    if (line.starts_with("btime ")) boot = std::strtoll(line.c_str() + 6, nullptr, 10);
  }
  const std::time_t start = boot + static_cast<std::time_t>(ticks / static_cast<std::uint64_t>(sysconf(_SC_CLK_TCK)));
  const std::time_t now = std::time(nullptr);
  std::tm began{};
  std::tm today{};
  localtime_r(&start, &began);
  localtime_r(&now, &today);
  const bool sameDay = began.tm_year == today.tm_year && began.tm_yday == today.tm_yday;
  char text[32];
  const std::size_t length = std::strftime(text, sizeof text, sameDay ? "%H:%M:%S" : "%Y-%m-%d %H:%M:%S", &began);
  return std::string(text, length);
}

bool sameFile(const std::string& path, Identity wanted) {
  struct stat seen {};
  return stat(path.c_str(), &seen) == 0 && seen.st_dev == wanted.device && seen.st_ino == wanted.inode;
}

// Names of a /proc folder that are numbers.
std::vector<int> numbersIn(const std::string& folder) {
  std::vector<int> numbers;
  DIR* dir = opendir(folder.c_str());
  if (dir == nullptr) return numbers;
  while (const dirent* entry = readdir(dir)) {
    int number = 0;
    const std::string_view name = entry->d_name;
    const auto end = name.data() + name.size();
    if (const auto parsed = std::from_chars(name.data(), end, number); parsed.ec == std::errc() && parsed.ptr == end) {
      numbers.push_back(number);
    }
  }
  closedir(dir);
  return numbers;
}

// The lock bytes that one descriptor of a process holds on `file`. The kernel lists under each descriptor the locks of
// its own open file description only; the inode number alone may belong to another file system, so it is looked up.
LockSet locksOf(pid_t pid, int descriptor, Identity file) {
  std::ifstream info(fmt::format("/proc/{}/fdinfo/{}", pid, descriptor));
  std::string line;
  LockSet held;
  while (std::getline(info, line)) {
    if (!line.starts_with("lock:")) continue;
    const auto parsed = parseLockLine(line.substr(5));
    if (parsed && parsed->inode == file.inode) held = held | parsed->bytes;
  }
  if (held.empty() || !sameFile(fmt::format("/proc/{}/fd/{}", pid, descriptor), file)) return {};
  return held;
}

void addPosixHolders(std::vector<LockHolder>& holders, Identity file) {
  std::ifstream locks("/proc/locks");
  std::string line;
  while (std::getline(locks, line)) {
    const auto parsed = parseLockLine(line);
    if (!parsed || parsed->pid <= 0 || parsed->inode != file.inode || parsed->bytes.empty()) continue;
    const auto known = std::find_if(holders.begin(), holders.end(),
                                    [&parsed](const LockHolder& holder) { return holder.pid == parsed->pid; });
    if (known != holders.end()) {
      known->held = known->held | parsed->bytes;
      continue;
    }
    holders.push_back({parsed->pid, commandOf(parsed->pid), startOf(parsed->pid), parsed->bytes});
  }
}

std::string purposeOf(LockSet held) {
  if ((held.uses & lockBit(LockBit::kWrite)) != 0) return "holds it for writing";
  if ((held.uses & lockBit(LockBit::kResize)) != 0) return "may resize it";
  if ((held.denies & lockBit(LockBit::kWrite)) != 0) return "holds it for reading and lets nobody write";
  if (held.uses != 0) return "holds it for reading";
  return "lets nobody else use it";
}

}  // namespace

LockSet lockSetOfRange(std::int64_t first, std::int64_t last) {
  LockSet set;
  for (unsigned bit = 0; bit < kLockBits; ++bit) {
    const auto within = [first, last](std::int64_t at) { return at >= first && (last < 0 || at <= last); };
    if (within(100 + static_cast<std::int64_t>(bit))) set.uses |= 1U << bit;
    if (within(200 + static_cast<std::int64_t>(bit))) set.denies |= 1U << bit;
  }
  return set;
}

std::vector<LockHolder> findHolders(int fd) {
  struct stat mine {};
  std::vector<LockHolder> holders;
  if (fstat(fd, &mine) != 0) return holders;
  const Identity file{mine.st_dev, mine.st_ino};
  const pid_t self = getpid();
  for (const pid_t pid : numbersIn("/proc")) {
    LockHolder holder;
    for (const int descriptor : numbersIn(fmt::format("/proc/{}/fdinfo", pid))) {
      if (pid == self && descriptor == fd) continue;
      holder.held = holder.held | locksOf(pid, descriptor, file);
    }
    if (holder.held.empty()) continue;
    holder.pid = pid;
    holder.command = commandOf(pid);
    holder.since = startOf(pid);
    holders.push_back(std::move(holder));
  }
  addPosixHolders(holders, file);
  return holders;
}

std::string describeHolders(int fd, LockConflict conflict) {
  const std::uint32_t bit = lockBit(conflict.bit);
  std::string text;
  for (const LockHolder& holder : findHolders(fd)) {
    const std::uint32_t theirs = conflict.theyUse ? holder.held.uses : holder.held.denies;
    if ((theirs & bit) == 0) continue;
    if (!text.empty()) text += "; ";
    const std::string since = holder.since.empty() ? "" : fmt::format(", since {},", holder.since);
    const bool self = holder.pid == getpid();
    text += fmt::format("{}process {} ({}){} {}", self ? "another node of this " : "", holder.pid, holder.command,
                        since, purposeOf(holder.held));
  }
  if (!text.empty()) return text;
  return fmt::format("somebody who cannot be seen from here (another user, container or host) {}",
                     conflict.theyUse ? fmt::format("may {} it", lockBitVerb(conflict.bit))
                                      : fmt::format("lets nobody else {} it", lockBitVerb(conflict.bit)));
}

}  // namespace rhea::block
