// BlkDevice: virtio's block device (virtio 1.2, 5.2) on a disk of the block graph.
//
// Requests run on the loop of their queue, the I/O thread's where there is one, straight between guest memory and the
// disk. What the guest is told of its cache, and what follows from its choice, is docs/design/cache-modes.md's; see
// docs/design/virtio.md for the order in which it takes effect here.
#pragma once

#include "block/core/graph.h"
#include "emu/io/sync.h"
#include "emu/object/iothread.h"
#include "hw/virtio/virtio-device.h"
#include "qapi/types-common.h"

namespace rhea::virtio {

struct BlkOptions {
  std::string drive;                  // a drive's id or a node's name
  std::string iothread;               // empty: the main loop
  std::string serial;                 // 20 bytes at most
  std::uint16_t queues = UINT16_MAX;  // UINT16_MAX: one
  std::uint16_t queueSize = 256;
  std::uint32_t logicalBlock = 512;  // bytes
  std::uint32_t physicalBlock = 512;
  std::uint32_t minIo = 0;  // bytes; 0: not told
  std::uint32_t optIo = 0;
  bool discard = true;
  bool writeZeroes = true;
  bool configWce = true;
  bool scsi = false;
  bool shareRw = false;
  std::int32_t bootIndex = -1;
  qapi::OnOffAuto writeCache = qapi::OnOffAuto::auto_;
  std::string writeError = "auto";
  std::string readError = "auto";
};

class BlkDevice final : public VirtioDevice, private block::GuestLink {
 public:
  static void addClass(object::ClassTable& classes);

  BlkDevice(const object::Class& type, const Services& services, BlkOptions options);
  ~BlkDevice() override;

  Task<Result<void>> complete() override;
  Task<void> retire() override;

  std::vector<QueueShape> queues() const override;
  std::uint64_t features() const override;
  unsigned configSize() const override;
  std::uint64_t readConfig(unsigned offset, unsigned size) override;
  void writeConfig(unsigned offset, std::uint64_t value, unsigned size) override;
  void negotiated(std::uint64_t features) override;
  Task<void> deviceReset() override;
  void abandonHeld() override { disk_->abandonHeld(); }
  Task<void> settle() override;
  void save(migrate::StateWriter& to) const override;
  Result<void> load(migrate::StateReader& from) override;

  bool serve(Queue& queue) override;

  const block::DiskPtr& disk() const { return disk_; }

 private:
  enum class Outcome : std::uint8_t { kOk = 0, kError = 1, kUnsupported = 2 };
  struct Header {
    std::uint32_t type = 0;
    std::uint32_t reserved = 0;
    std::uint64_t sector = 0;
  };

  Result<void> checkOptions() const;
  Task<Result<void>> attach();
  Task<Result<void>> attachDrive(block::DiskPtr disk);
  Task<Result<void>> attachNode();
  Result<void> applyPolicies();
  Task<Result<void>> moveDisk(Loop& home);

  Task<void> handle(Queue& queue, Chain& chain);
  Task<Outcome> perform(Header header, block::IoVector out, block::IoVector in);
  Task<Outcome> performRanges(Header header, block::IoVector out);
  std::optional<block::Extent> extentOf(std::uint64_t sector, std::uint64_t bytes) const;
  block::WriteFlags writeFlags() const;
  void changeWriteback(bool writeback);
  void looked(bool writeback);
  // Has the graph take the guest's choice, and what has become of the guest's abilities and beliefs, into account.
  void followGuest();
  bool writebackNow() const;

  // GuestLink; the graph's loop.
  bool canFlush() const override;
  bool believesVolatile() const override;
  bool tell(bool writeback) override;
  void resized() override;

  const Services& services_;
  BlkOptions options_;
  block::BlockGraph* graph_ = nullptr;
  Loop* main_ = nullptr;
  object::IoThread* thread_ = nullptr;
  object::Object::Use threadUse_;
  block::DiskPtr disk_;
  // -icount: one request after the other, as the host does not answer in the same order each time.
  bool inOrder_ = false;
  Mutex turn_;
  TaskGroup changes_;  // of mode, on the main loop

  std::atomic<std::uint64_t> features_{0};
  std::atomic<bool> hostWriteback_{true};   // the host's policy
  std::atomic<bool> guestWriteback_{true};  // the guest's choice
  std::atomic<bool> told_{false};           // the guest has seen, or set, that its cache is volatile
};

}  // namespace rhea::virtio
