// The printers by subject; printer.cc puts their rows together.
#pragma once

#include "monitor/human/printer.h"

namespace rhea::monitor {

struct PrinterRow {
  std::string_view command;
  Printer print;
};

std::span<const PrinterRow> machinePrinters();
std::span<const PrinterRow> blockPrinters();
std::span<const PrinterRow> cachePrinters();

}  // namespace rhea::monitor
