// A whole machine's state: saved from one, loaded into a fresh one, and the guest goes on where it was.
#include <gtest/gtest.h>

#include <fstream>

#include "block/driver/table.h"
#include "block/options/open-drive.h"
#include "emu/base/log.h"
#include "emu/chardev/memory.h"
#include "emu/chardev/parse.h"
#include "emu/chardev/table.h"
#include "emu/io/file-engine.h"
#include "emu/io/offload.h"
#include "emu/machine/board.h"
#include "emu/machine/disks.h"
#include "emu/machine/pc.h"
#include "emu/net/net-table.h"
#include "emu/object/iothread.h"
#include "hw/core/device-tree.h"
#include "hw/devices.h"
#include "tests/lib/guest-machine.h"
#include "tests/support/run-task.h"

namespace rhea::machine {
namespace {

class Silent final : public EventSink {
 public:
  void emit(const EventInfo&, std::string, std::string_view) override {}
};

Ending::Settings neverForced() {
  Ending::Settings settings;
  // The thread that ends a stuck process must not end this test's.
  settings.flushTime = settings.teardownTime = std::chrono::hours(1);
  return settings;
}

// What emu/program.cc composes, without monitors: the built-in guest with a disk and a console that is kept.
class Machine {
 public:
  explicit Machine(const std::string& image, const std::string& kernel = test::builtInGuest()) : kernel_(kernel) {
    services_.provide(log_);
    services_.provide(fileEngine_);
    services_.provide(tree_);
    services_.provide(runState_);
    services_.provide(networks_);
    services_.provide(devices_);
    services_.provide<object::ProgramEnd>(ending_);
    services_.provide(chardevs_);
    block::GraphContext context(*loop_, drivers_, services_, observer_);
    context.runState = &disks_;
    graph_ = std::make_unique<block::BlockGraph>(context);
    disks_.setGraph(*graph_);
    services_.provide(*graph_);
    ending_.setRunState(&runState_);
    makeMachine(**chooseBoard(*Keyval::parse("q35", "type")), tree_);
    const Result<void> made = run(make(image));
    if (made.ok()) return;
    // A destructor is not run for what was made in part, and a graph has to be shut down.
    end();
    throw std::runtime_error(made.error().describe());
  }
  ~Machine() { end(); }

  template <class T>
  T run(Task<T> task) {
    return test::runTask(*loop_, std::move(task));
  }
  // Everything on the console up to and with `text`.
  std::string await(std::string_view text) {
    const auto tick = loop_->timer(
        std::chrono::milliseconds(2), [] {}, true);
    loop_->waitUntil([&] {
      said_ += console_->backend().ringBuffer()->read(4096);
      return said_.find(text) != std::string::npos;
    });
    const std::size_t end = said_.find(text) + text.size();
    const std::string before = said_.substr(0, end);
    said_.erase(0, end);
    return before;
  }
  Result<void> resume() {
    auto work = [](Machine& self) -> Task<Result<void>> { co_return self.runState_.resume(); };
    return run(work(*this));
  }
  Pc& pc() { return *pc_; }
  object::RunState& runState() { return runState_; }
  bool isAtItsEnd() {
    const auto tick = loop_->timer(
        std::chrono::milliseconds(2), [] {}, true);
    loop_->waitUntil([&] { return ending_.requested(); });
    return true;
  }
  std::span<std::byte> memory() { return pc_->ram().bytes(); }

 private:
  void end() {
    auto work = [](Machine& self) -> Task<Result<void>> {
      if (self.pc_ != nullptr) co_await self.pc_->halt();
      (void)co_await self.devices_.removeAll(CancelToken());
      (void)co_await self.graph_->shutdown(CancelToken());
      co_return success();
    };
    (void)run(work(*this));
    pc_.reset();
  }
  Task<Result<void>> make(std::string image) {
    RHEA_CO_TRY(chardev::Options options, chardev::parseChardev("ringbuf,id=console,size=64k"));
    RHEA_CO_TRY(console_, co_await chardevs_.add(std::move(options)));
    RHEA_CO_TRY(block::NodeOptions node,
                block::parseBlockdev("driver=file,node-name=disk,locking=off,filename=" + image));
    RHEA_CO_CHECK(co_await graph_->addNode(std::move(node), block::ChangeContext()));
    PcOptions pcOptions;
    pcOptions.memory = std::uint64_t{32} << 20;
    pcOptions.kernel = kernel_;
    Pc::Surroundings around(*loop_, tree_, services_, runState_, silent_, ending_, log_, trace_);
    RHEA_CO_TRY(pc_, co_await Pc::create(around, std::move(pcOptions), Pc::Serials(1, console_)));
    runState_.observe(disks_, object::RunState::Layer::kDisks);
    for (const char* text :
         {R"({"driver": "virtio-blk-pci", "drive": "disk", "id": "vda"})",
          R"({"driver": "virtio-rng-pci", "id": "rng"})", R"({"driver": "pcie-root-port", "id": "port0"})"}) {
      RHEA_CO_TRY(json::Value device, json::parse(text));
      RHEA_CO_CHECK(co_await devices_.add(std::move(device), json::Spelling::kJson));
    }
    devices_.machineStarts();
    co_return pc_->start();
  }

  static object::ClassTable& addAll(object::ClassTable& classes) {
    object::IoThread::addClass(classes);
    addBoardClasses(classes);
    hw::addDeviceClasses(classes);
    return classes;
  }
  static Log::Settings quiet() {
    Log::Settings settings;
    settings.fd = -1;
    return settings;
  }

  const std::string kernel_;
  WorkerPool workers_;
  std::unique_ptr<Loop> loop_ = Loop::create("machine", workers_).value();
  Log log_{quiet()};
  cpu::TraceLog trace_;
  Silent silent_;
  DefaultFileEngine fileEngine_{log_};
  Services services_;
  object::ClassTable classes_;
  object::ObjectTree tree_{addAll(classes_), services_};
  object::RunState runState_{*loop_, silent_, true};
  net::NetTable networks_;
  hw::DeviceTree devices_{tree_, services_, *loop_, silent_};
  FdSets fdSets_;
  chardev::ChardevTable chardevs_{*loop_, fdSets_};
  Disks disks_{runState_};
  Ending ending_{*loop_, silent_, log_, neverForced()};
  block::GraphObserver observer_;
  block::DriverRegistry drivers_{block::allDrivers()};
  std::unique_ptr<block::BlockGraph> graph_;
  std::unique_ptr<Pc> pc_;
  chardev::Chardev* console_ = nullptr;
  std::string said_;
};

class SavedMachine : public testing::Test {
 protected:
  test::TempDir folder_;
  std::string image_ = folder_.makeFile("disk.raw", 8 << 20);
};

TEST_F(SavedMachine, GoesOnInAFreshOneWhereItWas) {
  std::vector<std::byte> state, memory;
  {
    Machine first(image_);
    ASSERT_TRUE(first.resume().ok());
    first.await("round 2:");
    first.await("read back right");
    const Result<void> stopped = first.run(first.runState().stop());
    ASSERT_TRUE(stopped.ok()) << stopped.error().describe();
    auto save = [](Machine& self) -> Task<migrate::StateWriter> { return self.pc().saveState(); };
    const migrate::StateWriter saved = first.run(save(first));
    state.assign(saved.bytes().begin(), saved.bytes().end());
    memory.assign(first.memory().begin(), first.memory().end());
  }
  Machine second(image_);
  std::ranges::copy(memory, second.memory().begin());
  auto load = [](Machine& self, std::span<const std::byte> bytes) -> Task<Result<void>> {
    RHEA_CO_TRY(migrate::StateReader reader, migrate::StateReader::open("machine", bytes));
    co_return co_await self.pc().loadState(std::move(reader));
  };
  const Result<void> loaded = second.run(load(second, state));
  ASSERT_TRUE(loaded.ok()) << loaded.error().describe();
  ASSERT_TRUE(second.resume().ok());
  // It counts on, and its disk, timer and interrupts serve it; it has not begun anew.
  const std::string said = second.await("round 4:");
  EXPECT_EQ(said.find("built-in guest"), std::string::npos) << said;
  EXPECT_NE(said.find("round 3:"), std::string::npos) << said;
  EXPECT_NE(said.find("read back right"), std::string::npos) << said;
  EXPECT_EQ(said.find("WRONG"), std::string::npos) << said;
  second.pc().pressPowerButton();
  second.await("Power button. Turning off.");
  EXPECT_TRUE(second.isAtItsEnd());
}

TEST_F(SavedMachine, SaysWhatDoesNotFit) {
  Machine machine(image_);
  auto save = [](Machine& self) -> Task<migrate::StateWriter> { return self.pc().saveState(); };
  const migrate::StateWriter saved = machine.run(save(machine));
  // A device of another name, as if the other machine had been made with other options.
  std::string text(reinterpret_cast<const char*>(saved.bytes().data()), saved.bytes().size());
  const std::size_t at = text.find("/machine/peripheral/rng");
  ASSERT_NE(at, text.npos);
  text.replace(at, 23, "/machine/peripheral/xyz");
  auto load = [](Machine& self, std::span<const std::byte> bytes) -> Task<Result<void>> {
    RHEA_CO_TRY(migrate::StateReader reader, migrate::StateReader::open("machine", bytes));
    co_return co_await self.pc().loadState(std::move(reader));
  };
  const Result<void> loaded = machine.run(load(machine, std::as_bytes(std::span(text))));
  ASSERT_FALSE(loaded.ok());
  EXPECT_NE(loaded.error().describe().find("/machine/peripheral/rng"), std::string::npos) << loaded.error().describe();
}

// As where the guest has not been built: the others fail by this message then.
TEST_F(SavedMachine, CannotBeMadeWithoutItsKernel) {
  const std::string missing = folder_.file("not-built.elf");
  try {
    const Machine machine(image_, missing);
    FAIL() << "a machine was made";
  } catch (const std::runtime_error& error) {
    EXPECT_NE(std::string(error.what()).find(missing), std::string::npos) << error.what();
  }
}

}  // namespace
}  // namespace rhea::machine
