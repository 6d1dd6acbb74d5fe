#include "hw/virtio/blk/virtio-blk-pci.h"

#include "emu/object/tree.h"

namespace rhea::virtio {

namespace {

template <auto first, auto second>
object::Property field(std::string_view name, std::string_view initial, std::string_view doc) {
  return object::field<first, second>(name, initial, doc);
}

}  // namespace

const object::Property VirtioBlkPci::kProperties[] = {
    field<&VirtioBlkPci::options_, &BlkOptions::drive>("drive", "", "the drive, or the block node, behind the disk"),
    field<&VirtioBlkPci::options_, &BlkOptions::iothread>(
        "iothread", "", "the I/O thread that serves the queues; the main loop when left out"),
    field<&VirtioBlkPci::options_, &BlkOptions::queues>("num-queues", "65535", "queues; 65535: one"),
    field<&VirtioBlkPci::options_, &BlkOptions::queueSize>("queue-size", "256", "entries of a queue, a power of two"),
    field<&VirtioBlkPci::options_, &BlkOptions::serial>("serial", "", "what the guest sees as serial number"),
    field<&VirtioBlkPci::options_, &BlkOptions::logicalBlock>("logical_block_size", "512",
                                                              "the smallest unit that can be written, in bytes"),
    field<&VirtioBlkPci::options_, &BlkOptions::physicalBlock>(
        "physical_block_size", "512", "the unit that is written without reading before, in bytes"),
    field<&VirtioBlkPci::options_, &BlkOptions::minIo>("min_io_size", "0",
                                                       "preferred least size of a request, in bytes"),
    field<&VirtioBlkPci::options_, &BlkOptions::optIo>("opt_io_size", "0", "best size of a request, in bytes"),
    field<&VirtioBlkPci::options_, &BlkOptions::discard>("discard", "true", "whether the guest can discard"),
    field<&VirtioBlkPci::options_, &BlkOptions::writeZeroes>("write-zeroes", "true",
                                                             "whether the guest can write zeroes without data"),
    field<&VirtioBlkPci::options_, &BlkOptions::writeCache>(
        "write-cache", "\"auto\"", "whether the disk has a volatile write cache: on, off, or auto, as the drive says"),
    field<&VirtioBlkPci::options_, &BlkOptions::configWce>("config-wce", "true",
                                                           "whether the guest can turn its write cache off and on"),
    field<&VirtioBlkPci::options_, &BlkOptions::writeError>(
        "werror", "\"auto\"",
        "what happens when a write fails: report, ignore, enospc, stop, or auto, as the drive says"),
    field<&VirtioBlkPci::options_, &BlkOptions::readError>(
        "rerror", "\"auto\"", "what happens when a read fails: report, ignore, stop, or auto, as the drive says"),
    field<&VirtioBlkPci::options_, &BlkOptions::shareRw>("share-rw", "false",
                                                         "whether others may write to the node too"),
    field<&VirtioBlkPci::options_, &BlkOptions::scsi>("scsi", "false", "SCSI commands; off is what there is"),
    field<&VirtioBlkPci::options_, &BlkOptions::bootIndex>("bootindex", "-1",
                                                           "place in the firmware's order; -1: none. Without firmware "
                                                           "nothing follows from it"),
};

void VirtioBlkPci::addClasses(object::ClassTable& classes) {
  BlkDevice::addClass(classes);
  object::Class type;
  type.name = "virtio-blk-pci";
  type.parent = "virtio-pci";
  type.doc = "a virtio disk";
  type.alias = "virtio-blk";
  type.properties = kProperties;
  type.make = [](const object::Class& made, const Services& services) -> std::unique_ptr<object::Object> {
    return std::make_unique<VirtioBlkPci>(made, services);
  };
  classes.add(std::move(type));
}

std::unique_ptr<VirtioDevice> VirtioBlkPci::makeDevice() {
  const object::ClassTable& classes = services().get<object::ObjectTree>().classes();
  return std::make_unique<BlkDevice>(*classes.find("virtio-blk-device"), services(), options_);
}

}  // namespace rhea::virtio
