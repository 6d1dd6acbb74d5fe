#include "block/driver/file/mount-facts.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>

#include <fstream>
#include <sstream>

#include "emu/io/fd.h"

namespace rhea::block {

namespace {

// Options that weaken or strengthen flushes; everything else in the table is noise here.
constexpr std::array<std::string_view, 12> kTold = {
    "nobarrier", "barrier=0",  "barrier=none",         "data=writeback", "data=journal",  "sync",
    "volatile",  "norecovery", "journal_async_commit", "soft",           "flushoncommit", "nologreplay"};

// The mount table writes blanks, tabs, newlines and backslashes as \ooo.
std::string unescape(std::string_view text) {
  std::string plain;
  for (std::size_t at = 0; at < text.size(); ++at) {
    if (text[at] == '\\' && at + 3 < text.size()) {
      plain += static_cast<char>((text[at + 1] - '0') * 64 + (text[at + 2] - '0') * 8 + (text[at + 3] - '0'));
      at += 3;
    } else {
      plain += text[at];
    }
  }
  return plain;
}

void addTold(std::vector<std::string>& options, const std::string& list) {
  std::istringstream items(list);
  std::string item;
  while (std::getline(items, item, ',')) {
    const bool told = std::find(kTold.begin(), kTold.end(), item) != kTold.end();
    if (told && std::find(options.begin(), options.end(), item) == options.end()) options.push_back(item);
  }
}

// 36 35 98:0 /root /mount/point rw,noatime master:1 - ext4 /dev/vda rw,errors=continue
MountFacts parseMountLine(const std::string& line) {
  std::istringstream words(line);
  std::string id, parent, device, root, point, options, field, superOptions;
  MountFacts facts;
  words >> id >> parent >> device >> root >> point >> options;
  while (words >> field && field != "-") {
  }
  std::string source;
  words >> facts.type >> source >> superOptions;
  facts.mountPoint = unescape(point);
  facts.source = unescape(source);
  addTold(facts.options, options);
  addTold(facts.options, superOptions);
  return facts;
}

// The number of the mount a descriptor was opened on: exact where device numbers are not (btrfs, overlay).
std::string mountIdOf(int fd) {
  std::ifstream info(fmt::format("/proc/self/fdinfo/{}", fd));
  std::string key, value;
  while (info >> key >> value) {
    if (key == "mnt_id:") return value;
  }
  return "";
}

// A file of the request queue of the disk that holds `device`: a partition's stand with its disk.
std::string queueSetting(dev_t device, std::string_view name) {
  const std::string base = fmt::format("/sys/dev/block/{}:{}", major(device), minor(device));
  for (const std::string_view folder : {"/queue/", "/../queue/"}) {
    std::ifstream file(fmt::format("{}{}{}", base, folder, name));
    std::string text;
    if (std::getline(file, text)) return text;
  }
  return "";
}

}  // namespace

MountFacts mountFactsOf(int fd) {
  const std::string id = mountIdOf(fd);
  std::ifstream table("/proc/self/mountinfo");
  std::string line;
  while (!id.empty() && std::getline(table, line)) {
    if (line.starts_with(id + " ")) return parseMountLine(line);
  }
  return {};
}

MountFacts mountFactsOf(const std::string& path) {
  const Fd fd(open(path.c_str(), O_PATH | O_CLOEXEC));
  return fd.valid() ? mountFactsOf(fd.get()) : MountFacts();
}

std::string deviceWriteCache(dev_t device) { return queueSetting(device, "write_cache"); }

std::optional<bool> deviceFua(dev_t device) {
  const std::string text = queueSetting(device, "fua");
  if (text.empty()) return std::nullopt;
  return text != "0";
}

bool isOnLocalFileSystem(int fd) {
  static constexpr std::array<std::uint64_t, 6> kLocal = {EXT4_SUPER_MAGIC, XFS_SUPER_MAGIC, BTRFS_SUPER_MAGIC,
                                                          F2FS_SUPER_MAGIC, TMPFS_MAGIC,     RAMFS_MAGIC};
  struct statfs facts {};
  if (fstatfs(fd, &facts) != 0) return false;
  return std::ranges::find(kLocal, static_cast<std::uint64_t>(facts.f_type)) != kLocal.end();
}

}  // namespace rhea::block
