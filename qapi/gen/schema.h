// The schema as the generator holds it: entries of all files, resolved against one another, conditions applied.
#pragma once

#include "emu/base/json.h"

namespace rhea::gen {

struct File;
struct Entry;

// A place in a schema file, for messages.
struct Place {
  const File* file = nullptr;
  std::size_t offset = 0;
  std::string path;  // "command block_resize: data.size.type"
};

struct Feature {
  std::string name;
  std::string doc;
};

// A use of a type: a builtin's name or an entry's, or an array of it.
struct TypeUse {
  std::string name;
  bool list = false;
  const Entry* entry = nullptr;  // null for builtins
};

struct Member {
  std::string name;
  bool optional = false;
  bool secret = false;
  bool boxed = false;  // held through Box<>: its type leads back to the type that it is in
  TypeUse type;
  std::string doc;
  std::optional<json::Value> defaultValue;
  std::vector<Feature> features;
  Place place;
};

struct EnumValue {
  std::string name;
  std::string doc;
  std::vector<Feature> features;
  Place place;
};

// A branch of a union (name: the discriminator's value) or of an alternate.
struct Branch {
  std::string name;
  TypeUse type;
  bool boxed = false;
  std::string doc;
  Place place;
};

enum class EntryKind : std::uint8_t { kStruct, kUnion, kAlternate, kEnum, kCommand, kEvent, kHumanCommand, kOption };

// One argument of a human form; see emu/io/human-form.h for the kinds.
struct FormArgument {
  std::string member;
  std::string kind;    // "drive", "enum", ...
  TypeUse enumType;    // kind enum; kinds keyval, rest, word: the type whose keys completion offers
  std::string option;  // kinds keyval, rest, word: the option of the command line whose keys it offers ("-drive")
  char flag = 0;
  bool optional = false;
  std::string doc;
};

struct HumanForm {
  std::vector<std::string> words;
  std::vector<std::string> aliases;
  std::vector<FormArgument> arguments;
  std::string fixed;  // JSON object, or empty
  std::string doc;
  std::string usage;
  std::vector<std::string> examples;
};

// A parameter of a command line option.
struct Parameter {
  std::string name;
  std::string type;  // string, boolean, number, size
  std::string doc;
  std::string defaultText;
  std::vector<std::string> values;  // what completion offers
};

struct Entry {
  EntryKind kind{};
  std::string name;
  const File* file = nullptr;
  Place place;
  std::string doc;
  std::string since;
  std::vector<Feature> features;

  // struct, union (its base), command and event (arguments, where they are written out)
  std::vector<Member> members;
  TypeUse base;  // struct: its base; union: a base given by name; command, event: data given by name
  std::string discriminator;
  std::vector<Branch> branches;   // union, alternate
  std::vector<EnumValue> values;  // enum
  bool open = false;              // struct: takes members besides those declared

  std::optional<TypeUse> returns;
  bool changes = false;  // effect
  bool allowOob = false;
  bool allowPreconfig = false;
  bool rawReply = false;  // the body gives the reply as text
  bool boxed = false;     // data-boxed
  bool isNew = false;
  std::int64_t deadline = 0;
  std::vector<std::pair<std::string, std::string>> errors;
  std::vector<std::string> programs;
  std::optional<json::Value> example;
  std::optional<HumanForm> human;

  std::int64_t rateLimit = 0;  // event, in milliseconds
  std::string rateKey;

  // option
  std::string argumentsHelp;  // "[socket,]id=ID,path=PATH"
  std::string takes;          // none, text, keyval
  std::string impliedKey;
  TypeUse optionType;  // keyval:Type
  bool repeats = false;
  bool openKeys = false;
  std::string refusal;  // known, but not there, and why
  std::vector<Parameter> parameters;
  std::vector<std::string> aliases;
  std::vector<std::string> lines;  // examples

  bool isType() const { return kind <= EntryKind::kEnum; }
};

struct File {
  std::string name;  // as given on the command line
  std::string text;
  std::string subject;
  std::string doc;
  std::vector<std::string> uses;
  std::vector<std::unique_ptr<Entry>> entries;
  json::Value document;
};

struct Schema {
  std::vector<std::unique_ptr<File>> files;  // those a file uses stand before it
  std::map<std::string, const Entry*, std::less<>> types;
  std::map<std::string, const Entry*, std::less<>> commands;
  std::map<std::string, const Entry*, std::less<>> events;

  // Every entry of a kind, in the order of files and entries.
  std::vector<const Entry*> all(EntryKind kind) const;
};

// The builtin types; empty name where there is none.
struct Builtin {
  std::string_view name;
  std::string_view cpp;           // C++ type
  std::string_view info;          // its TypeInfo
  std::string_view jsonType;      // for introspection
  std::string_view introspected;  // name in introspection
};
const Builtin* findBuiltin(std::string_view name);
std::span<const Builtin> builtins();

// Members with those of the bases, the outermost base first.
std::vector<const Member*> allMembers(const Entry& entry);
// The data of a command or event, or of a type: itself, or the named type that it stands for; null: nothing.
const Entry* dataType(const Entry& entry);

// Collects what is wrong; nothing is generated when there is anything.
class Complaints {
 public:
  void add(const Place& place, std::string message);
  // Without a place in a file.
  void add(std::string message) { messages_.push_back(std::move(message)); }
  bool any() const { return !messages_.empty(); }
  const std::vector<std::string>& messages() const { return messages_; }

 private:
  std::vector<std::string> messages_;
};

// Macros of a config.h: name to whether it is on.
using Config = std::map<std::string, bool, std::less<>>;

}  // namespace rhea::gen
