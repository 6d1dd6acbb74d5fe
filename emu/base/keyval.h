// Option strings: "driver=file,filename=a,,b.raw,cache.direct=on".
//
//   RHEA_TRY(Keyval options, Keyval::parse("socket,id=c0,path=/tmp/s,server", "backend"));
//   RHEA_TRY(json::Text arguments, options.toJson());
//
// A comma ends a value, two commas are one comma of the value. The first parameter may leave out its key where the
// option has an implied one. A bare word is a switch: `server` is server=on. Dots nest: cache.direct=on becomes
// {"cache": {"direct": "on"}}, and keys that are all numbers 0..n make an array.
#pragma once

#include "emu/base/base.h"
#include "emu/base/json.h"

namespace rhea {

class Keyval {
 public:
  struct Entry {
    std::string key;
    std::string value;   // "on" for a bare word
    bool bare = false;   // written without '='
    std::size_t offset;  // of the entry in the text, for errors
  };

  // Errors: an empty key, a key of strange characters, a key given twice; each says where in the text.
  static Result<Keyval> parse(std::string_view text, std::string_view impliedKey = {});

  const std::vector<Entry>& entries() const { return entries_; }
  // Null where the key was not given.
  const Entry* find(std::string_view key) const;
  // The value, taken out; nothing where the key was not given.
  std::optional<std::string> take(std::string_view key);
  void set(std::string key, std::string value);
  // `help` or `?` in place of a key or of the implied key's value: the user asks what there is.
  bool wantsHelp() const;

  // Nested as described above, every leaf a string, but a bare word the boolean true. Errors: a key is both a value
  // and a group ("a=1,a.b=2"), an array has a gap.
  Result<json::Text> toJson() const;
  // The string that parses to this, with commas doubled.
  std::string toText() const;

 private:
  std::vector<Entry> entries_;
};

// An option's argument in either of its two forms: JSON when it begins with '{' (then the result is that object, with
// its types), else key=value as above.
Result<json::Value> parseOption(std::string_view text, std::string_view impliedKey = {});

}  // namespace rhea
