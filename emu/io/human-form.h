// HumanForm: a command as a person types it, made by the generator from the schema's "human" members.
//
// The human monitor and rhea-shell parse a line against these tables into the JSON arguments of the QMP command, and
// take help and completion from the same rows. A human-command has no QMP twin but a body of its own, which is reached
// through human-monitor-command by other programs.
#pragma once

#include "emu/base/base.h"

namespace rhea {

// What an argument names; decides how it is read and what completion offers.
enum class ArgumentKind : std::uint8_t {
  kWord,    // up to the next blank, or a "quoted string"
  kString,  // the same, shown as text
  kInt,     // decimal or 0x
  kNumber,  // a decimal fraction
  kSize,    // bytes with a unit (k M G T P E, binary); a bare number counts MiB, as the classic commands have it
  kBool,    // on|off (also yes|no, true|false)
  kEnum,    // one of `values`
  kDrive,
  kNode,
  kDriveOrNode,
  kDevice,
  kChardev,
  kJob,
  kObject,
  kIothread,
  kFile,     // a host file name
  kPath,     // a path of the object tree
  kCommand,  // the first words of another form
  kKeyval,   // key=value,... turned into an object
  kRest,     // the rest of the line as it stands
};

struct HumanArgument {
  std::string_view member;  // the QMP member that it becomes
  ArgumentKind kind;
  char flag;      // 'v' where it is a switch ("-v" sets the member to true); 0 for a positional argument
  bool optional;  // flags always are
  std::span<const std::string_view> values;  // kEnum: its values; kKeyval, kRest: keys to offer, where they are known
  std::string_view doc;                      // one line
};

struct HumanForm {
  std::string_view command;                    // the QMP command, or the human-command's own name
  std::span<const std::string_view> words;     // literal words: {"info", "block"}
  std::span<const std::string_view> aliases;   // other spellings of the last word
  std::span<const HumanArgument> arguments;    // in the form's order
  std::string_view fixed;                      // members always sent, a JSON object; empty for none
  std::string_view usage;                      // "info block [-n] [-v] [device]"
  std::string_view doc;                        // what it does, for people
  std::span<const std::string_view> examples;  // lines to type
  bool ownBody;                                // a human-command
  bool changes;                                // effect: change
};

}  // namespace rhea
