// Boards: what -machine can name, and the object /machine that one becomes.
#pragma once

#include "emu/base/base.h"
#include "emu/base/keyval.h"
#include "emu/object/tree.h"

namespace rhea::machine {

struct Board {
  std::string_view name;
  std::string_view doc;
  std::string_view typeName;    // its class, "none-machine"
  std::string_view alias = {};  // a shorter name for the newest of its kind
  bool isDefault = false;
  std::int64_t mostCpus = 0;             // 0: it has none, and no memory
  std::string_view defaultCpuType = {};  // as clients know it
  std::string_view defaultMemoryId = {};
};

// All of this build.
std::span<const Board> boards();

// The board and accelerator that -machine and -accel ask for, as merged keys. Errors name what exists.
Result<const Board*> chooseBoard(const Keyval& machine);
enum class Accelerator : std::uint8_t { kInterpreter, kTranslator };
// "kvm:tcg", the names in order of preference: the first that this build has. Errors: a name that is no accelerator;
// none of them can run this board's CPUs. The board `none` runs no code, so it takes every accelerator.
Result<Accelerator> chooseAccelerator(std::string_view names, const Board& board);

// Adds the classes of all boards.
void addBoardClasses(object::ClassTable& classes);
// Makes /machine and the containers below it.
void makeMachine(const Board& board, object::ObjectTree& tree);

}  // namespace rhea::machine
