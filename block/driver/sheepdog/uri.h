// Names of disks in a Sheepdog cluster, as people type them:
//   sheepdog:[//host[:port]/]vdi[#snapid|#tag]      also sheepdog+tcp:
//   sheepdog+unix:///vdi?socket=PATH[#snapid|#tag]
#pragma once

#include "block/driver/sheepdog/address.h"

namespace rhea::block::sheepdog {

struct Uri {
  std::optional<Address> server;  // none: not said
  std::string vdi;
  std::optional<std::uint32_t> snapId;  // a fragment of digits
  std::optional<std::string> tag;       // another one
};

bool isUriScheme(std::string_view scheme);
// Error: what is wrong with it and how one looks.
Result<Uri> parseUri(std::string_view text);
// The options of the driver, by dotted keys; the usual server where the name says none.
std::vector<std::pair<std::string, std::string>> optionsOf(const Uri& uri);
// The name of a disk on a server.
std::string uriOf(const Address& server, std::string_view vdi, std::uint32_t snapId, std::string_view tag);

}  // namespace rhea::block::sheepdog
