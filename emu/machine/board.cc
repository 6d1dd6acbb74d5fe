#include "emu/machine/board.h"

#include "emu/base/names.h"
#include "emu/machine/cpu-object.h"

namespace rhea::machine {

namespace {

constexpr Board kBoards[] = {
    {.name = "none",
     .doc = "no CPU, no memory, no devices: monitor, block nodes, chardevs and objects",
     .typeName = "none-machine",
     .isDefault = true,
     .mostCpus = 0},
    {.name = "pc-q35-7.2",
     .doc = "a PC with PCI Express (q35, ICH9)",
     .typeName = "pc-q35-7.2-machine",
     .alias = "q35",
     .mostCpus = 255,
     .defaultCpuType = "qemu64-x86_64-cpu",
     .defaultMemoryId = "pc.ram"},
};

constexpr std::string_view kAccelerators[] = {"interp", "kvm", "tcg"};

}  // namespace

std::span<const Board> boards() { return kBoards; }

Result<const Board*> chooseBoard(const Keyval& machine) {
  const Keyval::Entry* type = machine.find("type");
  std::vector<std::string_view> names;
  for (const Board& board : kBoards) {
    if (type == nullptr ? board.isDefault
                        : board.name == type->value || (!board.alias.empty() && board.alias == type->value))
      return &board;
    names.push_back(board.alias.empty() ? board.name : board.alias);
  }
  std::string list;
  for (const std::string_view name : names) list.append(list.empty() ? "" : ", ").append(name);
  return Error(fmt::format("there is no machine '{}' in this version", type == nullptr ? "" : type->value))
      .expected(list)
      .hint("-machine help lists the machines")
      .withExitCode(2);
}

Result<Accelerator> chooseAccelerator(std::string_view names, const Board& board) {
  std::optional<Accelerator> chosen;
  if (board.mostCpus == 0) chosen = Accelerator::kInterpreter;
  while (!names.empty()) {
    const std::size_t colon = std::min(names.find(':'), names.size());
    const std::string_view name = names.substr(0, colon);
    names.remove_prefix(std::min(colon + 1, names.size()));
    if (!chosen && name == "tcg") chosen = Accelerator::kTranslator;
    if (!chosen && name == "interp") chosen = Accelerator::kInterpreter;
    if (std::ranges::find(kAccelerators, name) != std::end(kAccelerators)) continue;
    return Error(fmt::format("there is no accelerator '{}'", name))
        .expected("tcg, kvm, interp")
        .candidates(nearestNames(name, std::span<const std::string_view>(kAccelerators)))
        .withExitCode(2);
  }
  if (chosen) return *chosen;
  return Error("KVM is not there in this version").expected("tcg, or kvm:tcg to take what there is").withExitCode(2);
}

void addBoardClasses(object::ClassTable& classes) {
  object::Class machine;
  machine.name = "machine";
  machine.parent = "object";
  machine.doc = "a board";
  machine.isAbstract = true;
  classes.add(std::move(machine));
  CpuObject::addClasses(classes);
  for (const Board& board : kBoards) {
    object::Class type;
    type.name = board.typeName;
    type.parent = "machine";
    type.doc = board.doc;
    classes.add(std::move(type));
  }
}

void makeMachine(const Board& board, object::ObjectTree& tree) {
  const object::ClassTable& classes = tree.classes();
  object::Object& machine =
      tree.root().adopt("machine", std::make_unique<object::Object>(*classes.find(board.typeName)));
  for (const char* name : {"peripheral", "peripheral-anon", "unattached"}) {
    machine.adopt(name, std::make_unique<object::Object>(*classes.find("container")));
  }
}

}  // namespace rhea::machine
