// Printers: the reply of a QMP command as a person wants to read it.
//
// Every printer reads the generated type of the reply, so that a change of the schema fails the build here. A reply
// without a printer of its own is shown by printAny, so a new command is readable from its first day.
#pragma once

#include "emu/base/base.h"
#include "emu/base/json.h"
#include "monitor/human/screen.h"

namespace rhea::monitor {

struct PrintRequest {
  PrintRequest(json::Value theReply, json::Value theArguments, const Dress& theDress)
      : reply(std::move(theReply)), arguments(std::move(theArguments)), dress(theDress) {}
  json::Value reply;      // what stood under "return"
  json::Value arguments;  // what was asked: switches such as verbose
  Dress dress;
};

using Printer = Result<std::string> (*)(const PrintRequest&);

// Null where the command has no printer of its own.
Printer printerOf(std::string_view command);

// Any JSON: facts as "name: value" lines, lists of objects as tables, nothing for an empty object.
Result<std::string> printAny(const PrintRequest& request);

// Bytes in binary units for people: "8 GiB", "3.1 MiB".
std::string humanSize(std::uint64_t bytes);
// Nanoseconds with a fitting unit: "12.3 ms".
std::string humanDuration(std::uint64_t nanoseconds);

}  // namespace rhea::monitor
