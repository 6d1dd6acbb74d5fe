#include "monitor/human/human-table.h"

#include "qapi/human.h"

namespace rhea::monitor {

const FormTable& humanFormTable() {
  static const FormTable kTable(qapi::humanForms());
  return kTable;
}

}  // namespace rhea::monitor
