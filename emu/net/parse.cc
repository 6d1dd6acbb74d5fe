#include "emu/net/parse.h"

#include "emu/base/keyval.h"

namespace rhea::net {

namespace {

// Each `hostfwd=X` as `hostfwd.N.str=X`: the form that the schema's list has.
std::string withLists(std::string_view text) {
  constexpr std::string_view kKey = "hostfwd=";
  std::string result;
  unsigned count = 0;
  bool atKey = true;
  for (std::size_t i = 0; i < text.size();) {
    if (atKey && text.substr(i).starts_with(kKey)) {
      result += fmt::format("hostfwd.{}.str=", count++);
      i += kKey.size();
      atKey = false;
      continue;
    }
    // Two commas are one of the value.
    const bool doubled = text.substr(i).starts_with(",,");
    atKey = text[i] == ',' && !doubled;
    result += text.substr(i, doubled ? 2 : 1);
    i += doubled ? 2 : 1;
  }
  return result;
}

std::string modelOf(std::string_view name) { return name == "virtio" ? "virtio-net-pci" : std::string(name); }

Error second(std::string_view what) {
  return Error(fmt::format("there is a {} of -net already, and it makes one", what))
      .hint("-nic makes as many as wanted");
}

}  // namespace

Result<qapi::Netdev> parseNetdev(std::string_view text) {
  const bool isJson = text.starts_with('{');
  RHEA_TRY(const json::Value tree, isJson ? parseOption(text, "type") : parseOption(withLists(text), "type"));
  return json::readJson<qapi::Netdev>(tree, {}, isJson ? json::Spelling::kJson : json::Spelling::kKeyval);
}

Result<Nic> parseNic(std::string_view text, unsigned number) {
  Nic nic;
  if (text == "none") return nic;
  // The card's own keys are taken out; hostfwd may be there twice, which Keyval would refuse.
  std::string rest;
  bool hasId = false;
  while (!text.empty()) {
    std::size_t end = 0;
    while (end < text.size() && (text[end] != ',' || text.substr(end).starts_with(",,")))
      end += text[end] == ',' ? 2 : 1;
    const std::string_view part = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    if (part.starts_with("model=")) {
      nic.model = modelOf(part.substr(6));
    } else if (part.starts_with("mac=")) {
      nic.mac = part.substr(4);
    } else {
      hasId = hasId || part.starts_with("id=");
      rest.append(rest.empty() ? "" : ",").append(part);
    }
  }
  if (!hasId) rest += fmt::format(",id=nic{}", number);
  RHEA_TRY(nic.netdev, parseNetdev(rest));
  return nic;
}

Result<void> addOldNet(std::string_view text, OldNet& to) {
  if (text == "none") return success();
  if (text != "nic" && !text.starts_with("nic,")) {
    if (to.netdev) return second("network");
    const bool hasId = text.find(",id=") != text.npos;
    RHEA_TRY(to.netdev, parseNetdev(hasId ? std::string(text) : fmt::format("{},id=net-user", text)));
    return success();
  }
  if (std::exchange(to.hasCard, true)) return second("card");
  RHEA_TRY(const Keyval pairs, Keyval::parse(text, "type"));
  for (const Keyval::Entry& entry : pairs.entries()) {
    if (entry.key == "model") {
      to.model = modelOf(entry.value);
    } else if (entry.key == "macaddr") {
      to.mac = entry.value;
    } else if (entry.key == "netdev") {
      to.cards = entry.value;
    } else if (entry.key != "type") {
      return Error(fmt::format("a card of -net has no '{}'", entry.key)).expected("model, macaddr or netdev");
    }
  }
  return success();
}

}  // namespace rhea::net
