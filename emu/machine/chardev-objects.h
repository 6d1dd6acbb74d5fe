// ChardevObjects: the chardevs below /chardevs in the object tree, where clients look for them.
//
// Neither room knows the other one: chardevs come and go in their own table, and this holds a picture of it in the
// tree.
#pragma once

#include "emu/chardev/table.h"
#include "emu/object/tree.h"

namespace rhea::machine {

class ChardevObjects final : public chardev::TableObserver {
 public:
  // chardev (abstract), chardev-socket, chardev-stdio ...: one for each kind.
  static void addClasses(object::ClassTable& classes);

  explicit ChardevObjects(object::ObjectTree& tree);

  void chardevAdded(const chardev::Chardev& chardev) override;
  void chardevRemoved(const chardev::Chardev& chardev) override;

 private:
  object::ObjectTree& tree_;
  object::Object& container_;
};

}  // namespace rhea::machine
