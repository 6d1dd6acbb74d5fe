#include "emu/io/fd-sets.h"

#include <fcntl.h>

#include <charconv>

namespace rhea {

namespace {

constexpr std::string_view kPrefix = "/dev/fdset/";

std::string_view accessName(int flags) {
  switch (flags & O_ACCMODE) {
    case O_RDONLY:
      return "reading";
    case O_WRONLY:
      return "writing";
    default:
      return "reading and writing";
  }
}

}  // namespace

Error FdSets::noSet(std::int64_t set) const {
  std::vector<std::string> ids;
  for (const auto& [id, members] : sets_) ids.push_back(std::to_string(id));
  return Error(fmt::format("there is no descriptor set {}", set))
      .candidates(std::move(ids))
      .hint("add-fd makes a set, query-fdsets lists them");
}

Result<FdSets::Added> FdSets::add(std::optional<std::int64_t> set, Fd fd, std::optional<std::string> opaque) {
  if (set && *set < 0) return Error(fmt::format("a descriptor set is numbered from 0, {} is below", *set));
  const std::lock_guard lock(guard_);
  std::int64_t id = set.value_or(0);
  if (!set) {
    while (sets_.contains(id)) ++id;
  }
  const int number = fd.get();
  sets_[id].push_back({std::move(fd), std::move(opaque)});
  return Added{id, number};
}

Result<void> FdSets::remove(std::int64_t set, std::optional<int> fd) {
  const std::lock_guard lock(guard_);
  const auto found = sets_.find(set);
  if (found == sets_.end()) return noSet(set);
  if (!fd) {
    sets_.erase(found);
    return success();
  }
  std::vector<Entry>& members = found->second;
  const auto member = std::ranges::find_if(members, [&](const Entry& entry) { return entry.fd.get() == *fd; });
  if (member == members.end()) {
    std::vector<std::string> numbers;
    for (const Entry& entry : members) numbers.push_back(std::to_string(entry.fd.get()));
    return Error(fmt::format("descriptor set {} has no descriptor {}", set, *fd)).candidates(std::move(numbers));
  }
  members.erase(member);
  if (members.empty()) sets_.erase(found);
  return success();
}

std::vector<FdSets::Set> FdSets::list() const {
  const std::lock_guard lock(guard_);
  std::vector<Set> result;
  for (const auto& [id, members] : sets_) {
    Set& set = result.emplace_back();
    set.id = id;
    for (const Entry& entry : members) set.members.push_back({entry.fd.get(), entry.opaque});
  }
  return result;
}

bool FdSets::isSetName(std::string_view path) { return path.starts_with(kPrefix); }

Result<Fd> FdSets::open(std::string_view path, int flags) const {
  const std::string_view digits = path.substr(std::min(kPrefix.size(), path.size()));
  std::int64_t id = -1;
  const auto parsed = std::from_chars(digits.data(), digits.data() + digits.size(), id);
  if (!isSetName(path) || parsed.ec != std::errc() || parsed.ptr != digits.data() + digits.size() || id < 0) {
    return Error(fmt::format("'{}' names no descriptor set", path)).expected("/dev/fdset/ and the set's number");
  }
  const std::lock_guard lock(guard_);
  const auto found = sets_.find(id);
  if (found == sets_.end()) return noSet(id);
  const Entry* best = nullptr;
  int bestFit = 0;
  for (const Entry& entry : found->second) {
    const int mode = fcntl(entry.fd.get(), F_GETFL);
    if (mode < 0) continue;
    const bool sameAccess = (mode & O_ACCMODE) == (flags & O_ACCMODE);
    if (!sameAccess && (mode & O_ACCMODE) != O_RDWR) continue;
    const bool sameDirect = ((mode ^ flags) & O_DIRECT) == 0;
    const int fit = 1 + (sameDirect ? 1 : 0) + (sameAccess ? 2 : 0);
    if (fit > bestFit) {
      best = &entry;
      bestFit = fit;
    }
  }
  if (best == nullptr) {
    return Error::fromErrno(EACCES,
                            fmt::format("descriptor set {} has no descriptor open for {}", id, accessName(flags)))
        .hint("add one with that access by add-fd");
  }
  return best->fd.duplicate();
}

}  // namespace rhea
