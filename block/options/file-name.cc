#include "block/options/file-name.h"

#include "block/driver/sheepdog/uri.h"
#include "emu/base/json.h"

namespace rhea::block {

namespace {

constexpr std::string_view kProtocols[] = {"file", "host_cdrom", "host_device", "null-aio", "null-co", "sheepdog"};

// "null-co" of "null-co://x"; empty where the name is a path. A scheme is a word of letters, digits, '+', '-', '_', '.'
// before the first colon that is no slash away.
std::string_view schemeOf(std::string_view name) {
  const std::size_t colon = name.find(':');
  if (colon == std::string_view::npos || colon == 0 || name.substr(0, colon).find('/') != std::string_view::npos)
    return {};
  const std::string_view scheme = name.substr(0, colon);
  const bool wellFormed = std::all_of(scheme.begin(), scheme.end(), [](char letter) {
    return std::isalnum(static_cast<unsigned char>(letter)) != 0 ||
           std::string_view("+-_.").find(letter) != std::string_view::npos;
  });
  return wellFormed ? scheme : std::string_view();
}

// Leaves of a JSON object as dotted keys.
void flatten(json::View value, const std::string& prefix, std::vector<std::pair<std::string, std::string>>& options) {
  if (value.isObject()) {
    for (const json::Member& member : value.members()) {
      flatten(member.value, prefix.empty() ? std::string(member.key) : fmt::format("{}.{}", prefix, member.key),
              options);
    }
  } else if (value.isArray()) {
    std::size_t index = 0;
    for (const json::View item : value.items()) flatten(item, fmt::format("{}.{}", prefix, index++), options);
  } else if (value.kind() == json::Kind::kBool) {
    options.emplace_back(prefix, value.asBool() ? "on" : "off");
  } else {
    options.emplace_back(prefix, value.isString() ? std::string(value.asString()) : value.text());
  }
}

Result<FileName> parseJsonName(std::string_view text) {
  RHEA_TRY(const json::Value value, json::parse(text));
  FileName file;
  file.explicitDriver = true;
  flatten(value, {}, file.options);
  const auto driver = std::find_if(file.options.begin(), file.options.end(),
                                   [](const auto& option) { return option.first == "driver"; });
  if (!value.isObject() || driver == file.options.end()) {
    return Error("json: is followed by an object that describes a node")
        .expected(R"(json:{"driver": "file", "filename": "..."})");
  }
  file.driver = driver->second;
  file.options.erase(driver);
  return file;
}

}  // namespace

bool isProtocolDriver(std::string_view driver) {
  return std::find(std::begin(kProtocols), std::end(kProtocols), driver) != std::end(kProtocols);
}

Result<FileName> parseFileName(std::string_view name) {
  if (name.empty()) return Error("the image has no name").expected("a file name");
  if (name.starts_with("json:")) return parseJsonName(name.substr(5));
  FileName file;
  file.driver = "file";
  const std::string_view scheme = schemeOf(name);
  if (scheme.empty()) {
    file.options.emplace_back("filename", std::string(name));
    return file;
  }
  if (sheepdog::isUriScheme(scheme)) {
    RHEA_TRY(const sheepdog::Uri uri, sheepdog::parseUri(name));
    file.driver = "sheepdog";
    file.explicitDriver = true;
    file.options = sheepdog::optionsOf(uri);
    return file;
  }
  if (!isProtocolDriver(scheme)) {
    std::vector<std::string> known;
    for (const std::string_view protocol : kProtocols) known.push_back(fmt::format("{}:", protocol));
    known.emplace_back("json:");
    return Error(fmt::format("no driver opens '{}:' names", scheme))
        .candidates(std::move(known))
        .hint(fmt::format("a file of that name is meant by ./{} or file:{}", name, name));
  }
  file.driver = scheme;
  file.explicitDriver = true;
  const std::string_view rest = name.substr(scheme.size() + 1);
  if (!scheme.starts_with("null-")) {
    file.options.emplace_back("filename", std::string(rest));
  } else if (rest != "//" && !rest.empty()) {
    return Error(fmt::format("'{}' takes nothing behind '{}://'", name, scheme));
  }
  return file;
}

}  // namespace rhea::block
