// Image names as people type them: a path, "file:PATH", "null-co://", "json:{...}", "fat:" and other schemes.
#pragma once

#include "emu/base/base.h"

namespace rhea::block {

struct FileName {
  std::string driver;                                        // the protocol driver that opens it
  bool explicitDriver = false;                               // the name said so, by its scheme
  std::vector<std::pair<std::string, std::string>> options;  // dotted keys of that driver: {"filename", "/vm.raw"}
};

// A path is opened as a file; a block device is told apart when it is opened (resolveDevice). Error: a scheme that no
// driver knows, by name; a path with a colon in its first part can be written "./a:b" or "file:a:b".
Result<FileName> parseFileName(std::string_view name);

// Drivers that open storage of their own and so take file=NAME as their own file name.
bool isProtocolDriver(std::string_view driver);

}  // namespace rhea::block
