// C++ names for the schema's names.
#pragma once

#include "qapi/gen/schema.h"

namespace rhea::gen {

// "block_resize", "query-status", "BLOCK_IO_ERROR", "info block" -> BlockResize, QueryStatus, BlockIoError, InfoBlock.
std::string pascalName(std::string_view name);
// "node-name", "KVMMissingCap", "default" -> nodeName, kvmMissingCap, default_.
std::string camelName(std::string_view name);
// The C++ struct or enum of an entry, without namespace: events end in Event.
std::string typeName(const Entry& entry);
// The type of a use: "std::vector<BlockInfo>".
std::string cppType(const TypeUse& use, bool boxed = false);
// The expression that names its TypeInfo.
std::string infoOf(const TypeUse& use, bool boxed = false);
// The member of a struct, as a C++ name; command and event structs have names of their own that it must not be.
std::string memberName(std::string_view name);

}  // namespace rhea::gen
