#include "hw/input/ps2-output.h"

namespace rhea::hw {

std::uint8_t Ps2Output::take() {
  if (bytes_.empty()) return last_;
  last_ = bytes_.front();
  bytes_.pop_front();
  return last_;
}

void Ps2Output::save(migrate::StateWriter& to) const {
  const std::vector<std::uint8_t> bytes(bytes_.begin(), bytes_.end());
  to.putBytes("output", std::as_bytes(std::span(bytes)));
  to.put("last", last_);
}

Result<void> Ps2Output::load(migrate::StateReader& from) {
  RHEA_TRY(const std::span<const std::byte> bytes, from.bytes("output", kMost + 8));
  bytes_.clear();
  for (const std::byte byte : bytes) bytes_.push_back(std::to_integer<std::uint8_t>(byte));
  return from.get("last", last_);
}

}  // namespace rhea::hw
