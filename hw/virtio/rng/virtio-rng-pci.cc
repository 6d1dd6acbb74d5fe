#include "hw/virtio/rng/virtio-rng-pci.h"

#include "emu/object/tree.h"

namespace rhea::virtio {

namespace {
// Of one request; a driver that wants more asks again, and other devices have had their turn.
constexpr std::size_t kMostBytes = 64 * 1024;
}  // namespace

Task<Result<void>> RngDevice::complete() {
  main_ = Loop::current();
  idle_.set();
  if (options_.period == 0 || options_.mostBytes == 0) {
    co_return Error("the guest would never get a byte")
        .where(options_.period == 0 ? "period" : "max-bytes")
        .expected("1 or more");
  }
  if (options_.source.empty()) co_return success();
  RHEA_CO_TRY(source_, services_.get<object::ObjectTree>().made<object::RngSource>(options_.source, "rng-backend"));
  use_ = source_->use(label());
  co_return success();
}

Task<void> RngDevice::retire() {
  use_ = object::Object::Use();
  co_return;
}

std::vector<QueueShape> RngDevice::queues() const {
  QueueShape shape;
  shape.size = 8;
  shape.loop = main_;
  return std::vector<QueueShape>(1, shape);
}

bool RngDevice::serve(Queue& queue) {
  if (running_) return false;  // its end kicks
  Chain* const chain = queue.take();
  if (chain == nullptr) return true;
  running_.emplace();
  idle_.reset();
  queue.loop().spawn(answer(queue, *chain));
  return false;
}

Task<Result<std::uint64_t>> RngDevice::quota(CancelToken cancel) {
  if (left_ == 0) {
    if (Clock::now() < periodEnd_) RHEA_CO_CHECK(co_await main_->sleep(periodEnd_ - Clock::now(), cancel));
    left_ = options_.mostBytes;
    periodEnd_ = Clock::now() + std::chrono::milliseconds(options_.period);
  }
  co_return left_;
}

Task<void> RngDevice::answer(Queue& queue, Chain& chain) {
  const CancelToken cancel = running_->token();
  std::uint64_t written = 0;
  const Result<std::uint64_t> most = co_await quota(cancel);
  if (most.ok()) {
    // Not straight into the guest's memory: what a source wrote and what was told would be two things otherwise.
    std::vector<std::byte> bytes(std::min({chain.writableBytes(), *most, std::uint64_t{kMostBytes}}));
    Result<std::size_t> got = bytes.size();
    if (source_ == nullptr) {
      got = object::fillFromKernel(bytes);
    } else if (!bytes.empty()) {
      got = co_await source_->fill(bytes, cancel);
    }
    if (got.ok()) {
      written = writeTo(chain, std::span(bytes).first(*got));
    } else if (!cancel.requested()) {
      // A driver that got nothing asks again at once.
      (void)co_await main_->sleep(std::chrono::seconds(1), cancel);
    }
    left_ -= written;
  }
  queue.handBack(chain, static_cast<std::uint32_t>(written));
  running_.reset();
  idle_.set();
  queue.kick();
}

std::uint64_t RngDevice::writeTo(const Chain& chain, std::span<const std::byte> bytes) const {
  std::size_t done = 0;
  for (const iovec& piece : chain.writable()) {
    const std::size_t part = std::min(piece.iov_len, bytes.size() - done);
    std::memcpy(piece.iov_base, bytes.data() + done, part);
    done += part;
  }
  return done;
}

void RngDevice::abandonHeld() {
  if (running_) running_->cancel(Error("the device is being reset"));
}

// A request that waits for its source ends with what there is: the driver asks again.
Task<void> RngDevice::settle() {
  if (running_) running_->cancel(Error("the machine stops"));
  (void)co_await idle_.wait();
}

const object::Property VirtioRngPci::kProperties[] = {
    object::field<&VirtioRngPci::options_, &RngOptions::source>(
        "rng", "", "the object that gives random bytes; the host's kernel when left out"),
    object::field<&VirtioRngPci::options_, &RngOptions::mostBytes>("max-bytes", "9223372036854775807",
                                                                   "bytes that the guest gets in each period, at most"),
    object::field<&VirtioRngPci::options_, &RngOptions::period>("period", "65536", "length of a period, in ms"),
};

void VirtioRngPci::addClasses(object::ClassTable& classes) {
  object::Class device;
  device.name = "virtio-rng-device";
  device.parent = "virtio-device";
  device.doc = "a virtio entropy device without its transport";
  classes.add(std::move(device));
  object::Class type;
  type.name = "virtio-rng-pci";
  type.parent = "virtio-pci";
  type.doc = "a virtio entropy device: the guest gets random bytes";
  type.alias = "virtio-rng";
  type.properties = kProperties;
  type.make = [](const object::Class& made, const Services& services) -> std::unique_ptr<object::Object> {
    return std::make_unique<VirtioRngPci>(made, services);
  };
  classes.add(std::move(type));
}

std::unique_ptr<VirtioDevice> VirtioRngPci::makeDevice() {
  const object::ClassTable& classes = services().get<object::ObjectTree>().classes();
  return std::make_unique<RngDevice>(*classes.find("virtio-rng-device"), services(), options_);
}

}  // namespace rhea::virtio
