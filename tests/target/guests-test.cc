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

void runGuest(const std::string& name, bool translated) {
  const fs::path source = kFolder / (name + ".S");
  const std::string binary = assemble(source);
  ASSERT_FALSE(binary.empty());
  auto ram = *mem::RamBlock::anonymous("ram", 4 << 20);
  mem::AddressSpace memory("memory", 0);
  mem::AddressSpace ports("ports", 0x10000);
  Ports port;
  const auto ramMapping = memory.map({"ram", 0, ram->size(), mem::Target::ram(ram)});
  const auto portMapping = ports.map({"report", 0xe9, 16, mem::Target::io(port)});
  const Model model = *findModel("max");
  Cpu cpu(0, {memory, ports, model, [] { return std::uint64_t{0}; }, nullptr, {}, {}});
  port.connect(cpu);
  if (translated) {
    if (Result<void> made = cpu.translateCode(); !made.ok()) GTEST_SKIP() << made.error().message();
    cpu.engine()->setWarm(0);
  }
  std::string died;
  cpu.onShutdown([&](std::string why) {
    died = std::move(why);
    cpu.post(cpu::kPause);
  });
  std::memcpy(ram->host() + 0x7c00, binary.data(), binary.size());
  cpu.loadRealSegment(kCs, 0);
  cpu.st.segments[kCs].base = 0;
  cpu.st.gpr[kRipRegister] = 0x7c00;
  cpu.st.gpr[kRsp] = 0x7c00;
  cpu.updateMode();
  // Time enough for any of them, and an end for one that hangs.
  std::atomic<bool> finished{false};
  std::thread watch([&] {
    for (int n = 0; n < 3000 && !finished.load(); ++n) {
      if (port.done()) break;
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
    cpu.post(cpu::kPause);
  });
  cpu.run();
  finished.store(true);
  watch.join();
  EXPECT_EQ(died, "") << cpu.describe();
  EXPECT_TRUE(port.done()) << cpu.describe();
  EXPECT_EQ(port.text(), expected(content(source)));
}

TEST_P(Guest, ReportsWhatItsHeaderSays) { runGuest(GetParam(), false); }
TEST_P(Guest, ReportsItTranslated) { runGuest(GetParam(), true); }

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
