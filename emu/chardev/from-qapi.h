// Chardevs as chardev-add describes them.
#pragma once

#include "emu/chardev/options.h"
#include "emu/io/command-context.h"
#include "qapi/types-chardev.h"

namespace rhea::chardev {

// A descriptor that the client named by getfd is taken out of `context`. Errors name the member.
Result<Options> optionsOf(const CommandContext& context, std::string id, const qapi::ChardevBackend& backend);

}  // namespace rhea::chardev
