#include "emu/machine/chardev-objects.h"

namespace rhea::machine {

namespace {

using object::Class;
using object::Property;

class ChardevObject final : public object::Object {
 public:
  ChardevObject(const Class& type, const chardev::Chardev& chardev) : Object(type), chardev_(chardev) {}

  std::string filename() const { return chardev_.backend().filename(); }
  bool frontEndOpen() const { return chardev_.frontEndOpen(); }
  // A socket's file name says so as long as nobody is there.
  bool connected() const { return !filename().starts_with("disconnected:"); }

 private:
  const chardev::Chardev& chardev_;  // the table takes this object away first
};

const Property kProperties[] = {
    object::property<&ChardevObject::filename>("filename", "what it is connected to, as query-chardev tells it"),
    object::property<&ChardevObject::frontEndOpen>("frontend-open", "whether its user in the machine is ready"),
};
const Property kSocketProperties[] = {
    object::property<&ChardevObject::connected>("connected", "whether there is a peer"),
};

struct Kind {
  std::string_view name;
  std::string_view doc;
  std::span<const Property> properties = {};
};
const Kind kKinds[] = {
    {"chardev-socket", "a chardev on a stream socket", kSocketProperties},
    {"chardev-udp", "a chardev on datagrams"},
    {"chardev-stdio", "a chardev on standard input and output"},
    {"chardev-pty", "a chardev on a pseudo-terminal"},
    {"chardev-null", "a chardev that takes everything and gives nothing"},
    {"chardev-file", "a chardev on files"},
    {"chardev-pipe", "a chardev on named pipes"},
    {"chardev-ringbuf", "a chardev on memory, which keeps what came last"},
    {"chardev-mux", "a chardev that several users share"},
};

}  // namespace

void ChardevObjects::addClasses(object::ClassTable& classes) {
  Class base;
  base.name = "chardev";
  base.parent = "object";
  base.doc = "a byte channel between the outside and one user in the machine";
  base.isAbstract = true;
  base.properties = kProperties;
  classes.add(std::move(base));
  for (const Kind& kind : kKinds) {
    Class type;
    type.name = kind.name;
    type.parent = "chardev";
    type.doc = kind.doc;
    type.properties = kind.properties;
    classes.add(std::move(type));
  }
}

ChardevObjects::ChardevObjects(object::ObjectTree& tree) : tree_(tree), container_(tree.container("chardevs")) {}

void ChardevObjects::chardevAdded(const chardev::Chardev& chardev) {
  const Class* type = tree_.classes().find(fmt::format("chardev-{}", chardev.kind()));
  container_.adopt(chardev.id(), std::make_unique<ChardevObject>(*type, chardev));
}

void ChardevObjects::chardevRemoved(const chardev::Chardev& chardev) {
  if (object::Object* mirrored = container_.child(chardev.id()); mirrored != nullptr) container_.release(*mirrored);
}

}  // namespace rhea::machine
