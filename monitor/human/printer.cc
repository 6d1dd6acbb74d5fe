#include "monitor/human/print-rooms.h"

namespace rhea::monitor {

Printer printerOf(std::string_view command) {
  for (const std::span<const PrinterRow> rows : {machinePrinters(), blockPrinters(), cachePrinters()}) {
    for (const PrinterRow& row : rows) {
      if (row.command == command) return row.print;
    }
  }
  return nullptr;
}

}  // namespace rhea::monitor
