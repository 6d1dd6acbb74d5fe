// AsNobody: gives up root's rights for a while, so that refused permissions can be tested by root too.
#pragma once

#include <unistd.h>

namespace rhea::test {

class AsNobody {
 public:
  AsNobody() : before_(geteuid()) {
    if (before_ == 0) done_ = seteuid(65534) == 0;
  }
  ~AsNobody() {
    if (done_) static_cast<void>(!seteuid(before_));
  }
  AsNobody(const AsNobody&) = delete;
  AsNobody& operator=(const AsNobody&) = delete;

 private:
  uid_t before_;
  bool done_ = false;
};

}  // namespace rhea::test
