// FdSets: descriptors that a client or the command line handed over, opened by file names "/dev/fdset/N".
//
// A service of the machine. A set may hold one descriptor per access mode; open() duplicates the one that fits, so that
// taking a descriptor out of its set does not disturb what was opened through it. Any thread.
#pragma once

#include "emu/base/base.h"
#include "emu/io/fd.h"

namespace rhea {

class FdSets {
 public:
  struct Member {
    int fd = -1;
    std::optional<std::string> opaque;  // the client's own note
  };
  struct Set {
    std::int64_t id = 0;
    std::vector<Member> members;
  };
  struct Added {
    std::int64_t set = 0;
    int fd = -1;  // its number in this process
  };

  // Without an id the lowest free one is taken. Error: a negative id.
  Result<Added> add(std::optional<std::int64_t> set, Fd fd, std::optional<std::string> opaque);
  // Closes one member, or all; a set without members is gone. Error: no such set or member; what there is.
  Result<void> remove(std::int64_t set, std::optional<int> fd);
  std::vector<Set> list() const;

  // Whether a file name means a set, "/dev/fdset/N".
  static bool isSetName(std::string_view path);
  // A duplicate of the member whose access mode is that of `flags` (O_RDONLY, O_WRONLY, O_RDWR), else of one that is
  // open for both; among several the one whose O_DIRECT is that of `flags` too. Errors: a malformed name, no such set,
  // no member that fits.
  Result<Fd> open(std::string_view path, int flags) const;

 private:
  struct Entry {
    Fd fd;
    std::optional<std::string> opaque;
  };
  Error noSet(std::int64_t set) const;

  mutable std::mutex guard_;
  std::map<std::int64_t, std::vector<Entry>> sets_;
};

}  // namespace rhea
