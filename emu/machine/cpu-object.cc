#include "emu/machine/cpu-object.h"

#include "target/x86/model.h"

namespace rhea::machine {

namespace {

const object::Property kProperties[] = {
    object::property<&CpuObject::apicId>("apic-id", "its local APIC's number"),
    object::property<&CpuObject::socket>("socket-id", "its package"),
    object::property<&CpuObject::core>("core-id", "its core in the package"),
    object::property<&CpuObject::thread>("thread-id", "its thread in the core"),
};

// Classes name themselves by views: these live as long as the program.
const std::vector<std::string>& typeNames() {
  static const std::vector<std::string> names = [] {
    std::vector<std::string> made;
    for (const x86::ModelName& model : x86::modelNames()) made.push_back(CpuObject::typeNameOf(model.name));
    return made;
  }();
  return names;
}

}  // namespace

void CpuObject::addClasses(object::ClassTable& classes) {
  object::Class cpu;
  cpu.name = "cpu";
  cpu.parent = "object";
  cpu.doc = "a virtual CPU";
  cpu.isAbstract = true;
  classes.add(std::move(cpu));
  object::Class x86;
  x86.name = "x86_64-cpu";
  x86.parent = "cpu";
  x86.doc = "a virtual x86-64 CPU";
  x86.isAbstract = true;
  x86.properties = kProperties;
  classes.add(std::move(x86));
  for (const std::string& name : typeNames()) {
    object::Class type;
    type.name = name;
    type.parent = "x86_64-cpu";
    type.doc = "a virtual CPU of this model";
    classes.add(std::move(type));
  }
}

}  // namespace rhea::machine
