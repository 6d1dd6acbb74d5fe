// Small assembled guests (tests/target/guests/*.S): what each reports is held to the line `# result:` at its head.
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <sstream>
#include <thread>

#include "target/x86/t1/engine.h"

namespace rhea::x86::test {
namespace {

namespace fs = std::filesystem;
const fs::path kFolder = "tests/target/guests";

// Asks for one interrupt at a time.
class Interrupts final : public cpu::LocalInterrupts {
 public:
  std::optional<std::uint8_t> acknowledge() override { return std::exchange(vector_, std::nullopt); }
  bool pending() const override { return vector_.has_value(); }
  std::uint8_t priority() const override { return 0; }
  void setPriority(std::uint8_t) override {}
  bool readMsr(std::uint32_t, std::uint64_t&) override { return false; }
  bool writeMsr(std::uint32_t, std::uint64_t) override { return false; }
  void reset(bool) override { vector_.reset(); }
  void raise(cpu::Vcpu& vcpu, std::uint8_t vector) {
    vector_ = vector;
    vcpu.post(cpu::kInterrupt);
  }

 private:
  std::optional<std::uint8_t> vector_;
};

// Ports 0xe9 (bytes of the report), 0xea (raises an interrupt) and 0xf4 (done).
class Ports final : public mem::IoHandler {
 public:
  AccessSizes accessSizes() const override { return {1, 4}; }
  std::uint64_t read(std::uint64_t, unsigned) override { return 0xff; }
  void write(std::uint64_t offset, std::uint64_t value, unsigned) override {
    if (offset == 0) {
      bytes_.push_back(static_cast<std::uint8_t>(value));
    } else if (offset == 1 && vcpu_ != nullptr) {
      interrupts_.raise(*vcpu_, static_cast<std::uint8_t>(value));
    } else if (offset == 0xf4 - 0xe9) {
      done_ = true;
    }
  }
  bool done() const { return done_; }
  void connect(cpu::Vcpu& vcpu) {
    vcpu_ = &vcpu;
    vcpu.connect(interrupts_);
  }
  std::string text() const {
    std::string result;
    for (std::size_t at = 0; at + 4 <= bytes_.size(); at += 4) {
      result += fmt::format("{}{:x}", at == 0 ? "" : " ", loadHost<std::uint32_t>(bytes_.data() + at));
    }
    return result;
  }

 private:
  std::vector<std::uint8_t> bytes_;
  bool done_ = false;
  Interrupts interrupts_;
  cpu::Vcpu* vcpu_ = nullptr;
};

// Two pages at 0xf00000: how often each was accessed, with 0xa or 0xb in front.
class CountingRegisters final : public mem::IoHandler {
 public:
  AccessSizes accessSizes() const override { return {4, 4}; }
  std::uint64_t read(std::uint64_t offset, unsigned) override {
    const std::size_t page = offset >> 12;
    return (0xa0000 + page * 0x10000) | ++accesses_[page];
  }
  void write(std::uint64_t, std::uint64_t, unsigned) override {}

 private:
  std::array<std::uint32_t, 2> accesses_{};
};

std::string content(const fs::path& path) {
  std::ifstream stream(path, std::ios::binary);
  std::ostringstream text;
  text << stream.rdbuf();
  return std::move(text).str();
}

// The values of the line, one blank apart.
std::string expected(const std::string& source) {
  std::string result;
  std::istringstream lines(source);
  for (std::string line; std::getline(lines, line);) {
    if (!line.starts_with("# result:")) continue;
    std::istringstream words(line.substr(9));
    for (std::string word; words >> word;) result += (result.empty() ? "" : " ") + word;
  }
  return result;
}

std::string assemble(const fs::path& source) {
  std::string name = (fs::temp_directory_path() / "rhea-guest-XXXXXX").string();
  const char* folder = ::mkdtemp(name.data());
  EXPECT_NE(folder, nullptr);
  const std::string command = fmt::format(
      "as --64 -I {0} -o {1}/o {2} && ld -m elf_x86_64 -Ttext=0x7c00 --oformat binary -e 0x7c00 -o {1}/bin {1}/o",
      kFolder.string(), name, source.string());
  EXPECT_EQ(std::system(command.c_str()), 0) << command;
  std::string binary = content(fs::path(name) / "bin");
  fs::remove_all(name);
  return binary;
}

class Guest : public testing::TestWithParam<std::string> {};

// A CPU with one of them in its memory.
class GuestCpu {
 public:
  explicit GuestCpu(const std::string& binary, bool counts = false)
      : ram_(*mem::RamBlock::anonymous("ram", 4 << 20)),
        ramMapping_(memory_.map({"ram", 0, ram_->size(), mem::Target::ram(ram_)})),
        portMapping_(ports_.map({"report", 0xe9, 16, mem::Target::io(port_)})),
        registersMapping_(memory_.map({"registers", 0xf00000, 0x2000, mem::Target::io(registers_)})),
        cpu_(0, environment(counts)) {
    port_.connect(cpu_);
    cpu_.onShutdown([this](std::string why) {
      died_ = std::move(why);
      cpu_.post(cpu::kPause);
    });
    std::memcpy(ram_->host() + 0x7c00, binary.data(), binary.size());
    cpu_.loadRealSegment(kCs, 0);
    cpu_.st.segments[kCs].base = 0;
    cpu_.st.gpr[kRipRegister] = 0x7c00;
    cpu_.st.gpr[kRsp] = 0x7c00;
    cpu_.updateMode();
  }
  // Error: this build or host does not translate.
  Result<void> translate() {
    RHEA_CHECK(cpu_.translateCode());
    cpu_.engine()->setWarm(0);
    cpu_.engine()->setHeat(1);
    return success();
  }
  void run() {
    // Time enough for any of them, and an end for one that hangs.
    std::atomic<bool> finished{false};
    std::thread watch([&] {
      for (int n = 0; n < 3000 && !finished.load(); ++n) {
        if (port_.done()) break;
        std::this_thread::sleep_for(std::chrono::milliseconds(1));
      }
      cpu_.post(cpu::kPause);
    });
    cpu_.run();
    finished.store(true);
    watch.join();
  }
  // In slices of so many instructions, until it is halted for good; how many it took.
  std::uint64_t runInSlices(std::uint64_t slice) {
    constexpr std::uint64_t kMost = 100'000'000;
    std::uint64_t executed = 0;
    for (std::uint64_t now = 1; now != 0 && died_.empty() && executed < kMost; executed += now) {
      cpu_.runFor(slice);
      now = slice - cpu_.left();
      EXPECT_LE(now, slice);
    }
    return executed;
  }

  Cpu& cpu() { return cpu_; }
  const Ports& port() const { return port_; }
  const std::string& died() const { return died_; }

 private:
  Environment environment(bool counts) {
    Environment environment{memory_, ports_, model_, [] { return std::uint64_t{0}; }, nullptr, {}, {}};
    if (counts) environment.settle = [](Cpu&) {};
    return environment;
  }

  mem::RamBlockPtr ram_;
  mem::AddressSpace memory_{"memory", 0};
  mem::AddressSpace ports_{"ports", 0x10000};
  Ports port_;
  CountingRegisters registers_;
  mem::AddressSpace::Mapping ramMapping_, portMapping_, registersMapping_;
  const Model model_ = *findModel("max");
  std::string died_;
  Cpu cpu_;
};

void runGuest(const std::string& name, bool translated) {
  const fs::path source = kFolder / (name + ".S");
  const std::string binary = assemble(source);
  ASSERT_FALSE(binary.empty());
  GuestCpu guest(binary);
  if (translated) {
    if (Result<void> made = guest.translate(); !made.ok()) GTEST_SKIP() << made.error().message();
  }
  guest.run();
  EXPECT_EQ(guest.died(), "") << guest.cpu().describe();
  EXPECT_TRUE(guest.port().done()) << guest.cpu().describe();
  EXPECT_EQ(guest.port().text(), expected(content(source)));
}

TEST_P(Guest, ReportsWhatItsHeaderSays) { runGuest(GetParam(), false); }
TEST_P(Guest, ReportsItTranslated) { runGuest(GetParam(), true); }

// -icount: however it is run and in whatever pieces, it reports the same after the same number of instructions.
TEST_P(Guest, TakesTheSameNumberOfInstructionsHoweverItIsRun) {
  const fs::path source = kFolder / (GetParam() + ".S");
  const std::string binary = assemble(source);
  std::optional<std::uint64_t> executed;
  for (const bool translated : {false, true}) {
    for (const std::uint64_t slice :
         {std::uint64_t{1}, std::uint64_t{7}, std::uint64_t{1000}, std::uint64_t{1} << 40}) {
      GuestCpu guest(binary, true);
      if (translated && !guest.translate().ok()) continue;
      const std::uint64_t now = guest.runInSlices(slice);
      EXPECT_TRUE(guest.port().done()) << guest.died() << guest.cpu().describe();
      EXPECT_EQ(guest.port().text(), expected(content(source))) << "slices of " << slice;
      if (!executed) executed = now;
      EXPECT_EQ(now, *executed) << (translated ? "translated" : "interpreted") << ", slices of " << slice;
    }
  }
}

std::vector<std::string> guests() {
  std::vector<std::string> names;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(kFolder, error)) {
    if (entry.path().extension() == ".S") names.push_back(entry.path().stem().string());
  }
  std::sort(names.begin(), names.end());
  return names;
}

INSTANTIATE_TEST_SUITE_P(All, Guest, testing::ValuesIn(guests()), [](const auto& guest) {
  std::string name = guest.param;
  std::replace(name.begin(), name.end(), '-', '_');
  return name;
});

}  // namespace
}  // namespace rhea::x86::test
