// Options of new images (-o cluster_size=64k,...): one table per format, in the classic spelling, mapped to the
// format's create struct.
#pragma once

#include "block/core/driver-info.h"
#include "emu/base/json.h"
#include "emu/base/keyval.h"

namespace rhea::block {

struct CreateKey {
  std::string_view name;       // "cluster_size"
  std::string_view member;     // of the create struct: "cluster-size"; empty: for the tool itself
  std::string_view value;      // "<size>", "<str>", "<bool (on/off)>"
  std::string_view otherwise;  // what is shown where it was not given; empty: nothing
  std::string_view doc;
  bool amendable = false;
};

struct CreateForm {
  std::string_view format;
  std::span<const CreateKey> keys;
  // From the struct's members as JSON with strings as values; null: it is made by its place (new-vdi.h).
  Result<DriverOptions> (*read)(json::View members) = nullptr;
};

// Error: the format cannot make images; names those that can.
Result<const CreateForm*> createFormOf(std::string_view format);
// The formats that images can be made of.
std::vector<std::string> creatableFormats();

// Every -o of a call in one. Error: unknown keys, with the nearest; `amending`: keys that cannot change.
Result<Keyval> readCreateOptions(const CreateForm& form, std::span<const std::string> texts, bool amending = false);
// Whether one of them asks for help.
bool wantsOptionHelp(std::span<const std::string> texts);
std::string optionHelp(const CreateForm& form, bool amending = false);
// The driver's struct. `size`: of the disk in bytes.
Result<DriverOptions> driverOptionsOf(const CreateForm& form, const Keyval& options, std::uint64_t size);
// "cluster_size=65536 size=1048576": what the image is made with, in the table's order.
std::string shownOptions(const CreateForm& form, const Keyval& options, std::uint64_t size);

}  // namespace rhea::block
