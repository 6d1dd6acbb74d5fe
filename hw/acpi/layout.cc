#include "hw/acpi/layout.h"

namespace rhea::hw {

std::vector<MapEntry> memoryMap(const Layout& layout) {
  using Kind = MapEntry::Kind;
  std::vector<MapEntry> map = {
      {0, Layout::kConventionalEnd, Kind::kRam},
      {Layout::kConventionalEnd, 0xa0000 - Layout::kConventionalEnd, Kind::kReserved},
      {Layout::kBiosBase, Layout::kBiosEnd - Layout::kBiosBase, Kind::kReserved},
      {Layout::kBiosEnd, layout.lowEnd - Layout::kBiosEnd, Kind::kRam},
  };
  if (layout.ecamSize != 0) map.push_back({layout.ecamBase, layout.ecamSize, Kind::kReserved});
  if (layout.highEnd > Layout::kFourGiB) {
    map.push_back({Layout::kFourGiB, layout.highEnd - Layout::kFourGiB, Kind::kRam});
  }
  return map;
}

}  // namespace rhea::hw
