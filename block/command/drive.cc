// Bodies of the human commands drive_add and drive_del.
#include "block/command/support.h"
#include "block/options/open-drive.h"
#include "emu/io/human-command.h"
#include "qapi/human-block-core.h"

namespace rhea {

using block::BlockGraph;

Task<Result<HumanOutput>> HumanCommand<qapi::human::DriveAdd>::run(CommandContext context,
                                                                   qapi::human::DriveAdd arguments) {
  BlockGraph& graph = context.get<BlockGraph>();
  if (arguments.nodeOnly) {
    RHEA_CO_TRY(block::NodeOptions node, block::parseBlockdev(arguments.options));
    RHEA_CO_CHECK(co_await graph.addNode(std::move(node), block::changeContext(context)));
    co_return HumanOutput();
  }
  const unsigned index = static_cast<unsigned>(graph.disks().size());
  RHEA_CO_TRY(block::DriveOptions options, block::parseDrive(arguments.options, index));
  std::string text;
  block::NoteSink note = [&text](std::string line) { text += "warning: " + line + "\n"; };
  RHEA_CO_CHECK(co_await block::openDrive(graph, std::move(options), block::changeContext(context), std::move(note)));
  co_return HumanOutput(text + "OK\n");
}

Task<Result<HumanOutput>> HumanCommand<qapi::human::DriveDel>::run(CommandContext context,
                                                                   qapi::human::DriveDel arguments) {
  BlockGraph& graph = context.get<BlockGraph>();
  RHEA_CO_TRY(block::DiskPtr disk, graph.disk(arguments.device));
  context.setWaitingFor(fmt::format("requests and files of drive '{}'", arguments.device));
  RHEA_CO_CHECK(co_await graph.removeDisk(std::move(disk), block::lastingContext(context)));
  co_return HumanOutput();
}

}  // namespace rhea
