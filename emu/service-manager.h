// What a service manager wants to hear (sd_notify(3)), without its library.
#pragma once

#include "emu/base/base.h"

namespace rhea {

// Sends `state` ("READY=1") to $NOTIFY_SOCKET; nothing happens without one.
void notifyServiceManager(std::string_view state);

}  // namespace rhea
