// Version: which release of the interface clients meet, and which release of rhea.
#pragma once

#include "emu/base/base.h"
#include "qapi/types-control.h"

namespace rhea::object {

// What query-version and the greeting say. The interface has the shape that clients know from 7.2.0; changing it is a
// promise about every command, event and option.
qapi::VersionInfo versionInfo();
// "QEMU emulator version 7.2.0 (rhea 0.1.0)": the line of -version, in the form that clients parse.
std::string versionLine();

}  // namespace rhea::object
