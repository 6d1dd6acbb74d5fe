#include "block/options/named-image.h"

#include "block/options/file-name.h"
#include "block/options/node-options-of.h"
#include "block/options/probe.h"
#include "emu/base/keyval.h"
#include "emu/io/offload.h"

namespace rhea::block {

namespace {

Result<NodeOptions> nodeOf(const Keyval& options) {
  RHEA_TRY(const json::Text text, options.toJson());
  RHEA_TRY(const json::Value tree, json::parse(text));
  RHEA_TRY(const qapi::BlockdevOptions node, json::readJson<qapi::BlockdevOptions>(tree, {}, json::Spelling::kKeyval));
  return nodeOptionsOf(node);
}

// The path of a file of the host; empty where it is something else.
std::string pathOf(const FileName& file) {
  if (file.driver != "file" && !file.driver.starts_with("host_")) return {};
  for (const auto& [key, value] : file.options) {
    if (key == "filename") return value;
  }
  return {};
}

}  // namespace

std::string nameFrom(std::string_view from, std::string_view name) {
  const std::size_t colon = name.find(':');
  const bool hasScheme = colon != std::string_view::npos && name.substr(0, colon).find('/') == std::string_view::npos;
  if (name.empty() || name.front() == '/' || hasScheme) return std::string(name);
  const std::size_t slash = from.rfind('/');
  if (slash == std::string_view::npos) return std::string(name);
  return std::string(from.substr(0, slash + 1)) + std::string(name);
}

Task<Result<NodeOptions>> optionsOfImage(NamedImage image, const DriverRegistry& drivers) {
  RHEA_CO_TRY(FileName file, parseFileName(image.name));
  std::string format = image.format;
  const std::string path = pathOf(file);
  if (!path.empty()) {
    const bool wantsHead = format.empty();
    const auto work = [path, wantsHead] { return lookAtImage(path, wantsHead); };
    const ImageLook seen = co_await offload(work);
    if (seen.blockDevice && file.driver == "file" && !file.explicitDriver) file.driver = "host_device";
    if (format.empty()) format = probeFormat(drivers, seen.head, path);
  } else if (format.empty()) {
    format = isProtocolDriver(file.driver) ? "raw" : "protocol";
  }
  const bool asItIs = format == "protocol" || isProtocolDriver(format) || !isProtocolDriver(file.driver);
  Keyval options;
  const std::string prefix = asItIs ? "" : "file.";
  options.set("driver", asItIs ? file.driver : format);
  if (!asItIs) options.set("file.driver", file.driver);
  for (const auto& [key, value] : file.options) options.set(prefix + key, value);
  co_return nodeOf(options);
}

}  // namespace rhea::block
