#include "hw/core/device.h"

namespace rhea::hw {

void Device::save(migrate::StateWriter&) const {}

Result<void> Device::load(migrate::StateReader& from) { return from.finish(); }

}  // namespace rhea::hw
