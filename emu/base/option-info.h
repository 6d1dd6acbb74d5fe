// OptionInfo: what the schema (qapi/options.json) says of one option of a program's command line. The generator makes a
// table of them; parsing, help, completion, the manual page, query-command-line-options, --config and --dump-config
// all read that table.
#pragma once

#include "emu/base/base.h"

namespace rhea {

struct OptionParameter {
  std::string_view name;
  std::string_view type;  // "string", "boolean", "number", "size": as query-command-line-options tells it
  std::string_view doc;
  std::string_view initial = {};  // what holds when it is not given; empty: nothing
};

enum class OptionArgument : std::uint8_t {
  kNone,    // a switch: -S
  kWord,    // one word: -pidfile PATH
  kKeyval,  // key=value,...: -name guest=vm
  kJson,    // key=value,... or a JSON object: -object {"qom-type":...}
};

struct OptionInfo {
  std::string_view name;  // without dashes
  OptionArgument argument = OptionArgument::kNone;
  bool repeatable = false;             // each occurrence counts; else the last word holds, and keys are merged
  std::string_view argumentName = {};  // kWord: "PATH", in -help
  std::string_view impliedKey = {};    // kKeyval, kJson: the key of a first value without one
  std::string_view doc = {};           // one or more sentences; the first is the line of -help
  std::string_view refusal = {};       // not empty: known, but not there in this build, and why
  std::span<const OptionParameter> parameters = {};
  std::span<const std::string_view> aliases = {};
  bool openKeys = false;  // kKeyval: more keys are taken than `parameters` names, a driver's for instance
};

}  // namespace rhea
