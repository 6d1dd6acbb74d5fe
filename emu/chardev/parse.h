// Chardevs as the command line writes them.
#pragma once

#include "emu/base/base.h"
#include "emu/chardev/options.h"

namespace rhea::chardev {

// -chardev: "socket,id=c0,path=/run/s,server=on,wait=off". Errors name the option and the nearest known ones.
Result<Options> parseChardev(std::string_view text);

// What -qmp, -monitor and -serial take in place of a chardev of its own.
struct ShortForm {
  Options options;
  bool none = false;         // "none": no chardev
  std::string existing;      // "chardev:ID": one that -chardev made
  bool withMonitor = false;  // "mon:...": a mux that the human monitor shares
};
// "unix:PATH,server=on,wait=off", "tcp:HOST:PORT,server=on", "fd:N,server=on", "stdio", "pty", "null", "file:PATH",
// "pipe:PATH", "ringbuf", "none", "chardev:ID", each also behind "mon:". `id` becomes the name of what is made.
Result<ShortForm> parseShortForm(std::string_view text, std::string id);

// What -chardev can make, for help.
struct KindHelp {
  std::string_view name;
  std::string_view doc;
};
std::vector<KindHelp> kinds();

}  // namespace rhea::chardev
