#include "block/core/cache-mode.h"

#include "emu/base/names.h"

namespace rhea::block {

namespace {

struct NamedMode {
  std::string_view name;
  CacheSwitches switches;
};

constexpr std::array<NamedMode, 5> kModes = {{
    {"writeback", {true, false, false}},
    {"none", {true, true, false}},
    {"writethrough", {false, false, false}},
    {"directsync", {false, true, false}},
    {"unsafe", {true, false, true}},
}};

}  // namespace

std::string describe(CacheSwitches switches) {
  for (const NamedMode& mode : kModes) {
    if (mode.switches == switches) return std::string(mode.name);
  }
  std::string text;
  const auto add = [&text](bool set, std::string_view name) {
    if (set) text += (text.empty() ? "" : "+") + std::string(name);
  };
  add(!switches.writeback, "writethrough");
  add(switches.direct, "direct");
  add(switches.noFlush, "no-flush");
  return text;
}

Result<CacheSwitches> cacheSwitchesOf(std::string_view mode) {
  std::vector<std::string_view> names;
  for (const NamedMode& known : kModes) {
    if (known.name == mode) return known.switches;
    names.push_back(known.name);
  }
  return Error(fmt::format("'{}' is not a cache mode", mode))
      .expected("writeback, none, writethrough, directsync or unsafe")
      .candidates(nearestNames(mode, names));
}

Result<void> checkHostChoice(CacheSwitches switches) {
  if (switches.writeback || !switches.noFlush) return success();
  return Error("write-back off together with no-flush would promise stable storage and never ask for it")
      .hint("choose writethrough or directsync (stable), or unsafe (fast, nothing promised)");
}

}  // namespace rhea::block
