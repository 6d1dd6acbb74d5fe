// Body of the human command io, also known as qemu-io.
#include "block/command/support.h"
#include "block/tool/io/io-command.h"
#include "emu/io/human-command.h"
#include "qapi/human-block-core.h"

namespace rhea {

using block::BlockGraph;

Task<Result<HumanOutput>> HumanCommand<qapi::human::Io>::run(CommandContext context, qapi::human::Io arguments) {
  BlockGraph& graph = context.get<BlockGraph>();
  block::DiskPtr disk = graph.findDisk(arguments.device);
  block::DiskPtr attached;
  const bool isNode = graph.findNode(arguments.device) != nullptr;
  if (!disk && (arguments.qdev || (!isNode && !graph.disks().empty()))) {
    co_return graph.disk(arguments.device).takeError();
  }
  if (!disk) {
    // A node without a disk: an attachment for the time of this line, with the right to write where the node has it.
    RHEA_CO_TRY(const block::NodePtr node, graph.node(arguments.device));
    using block::Permissions;
    const Permissions rights = node->isReadOnly()
                                   ? Permissions::consistentRead()
                                   : Permissions::consistentRead() | Permissions::write() | Permissions::resize();
    RHEA_CO_TRY(attached, co_await graph.attachMonitor(node->name(), rights, block::changeContext(context)));
    disk = attached;
  }
  context.setWaitingFor(fmt::format("io on '{}': {}", arguments.device, arguments.command));
  block::IoTarget target(graph, disk);
  target.context = block::changeContext(context);
  Result<std::string> text = co_await block::runIoCommand(std::move(target), arguments.command);
  if (attached) {
    const block::ChangeContext always(context.peer().who, CancelToken());
    [[maybe_unused]] const Result<void> gone = co_await graph.removeDisk(attached, always);
  }
  if (!text) co_return text.takeError();
  co_return HumanOutput(*std::move(text));
}

}  // namespace rhea
