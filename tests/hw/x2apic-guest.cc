// An assembled guest that uses its local APIC by MSRs (tests/hw/x2apic.S), interpreted and translated.
#include <unistd.h>

#include <fstream>
#include <sstream>
#include <thread>

#include "hw/irq/local-apic.h"
#include "target/x86/cpu.h"
#include "target/x86/t1/engine.h"
#include "tests/hw/platform.h"
#include "tests/lib/temp-dir.h"

namespace rhea::hw {
namespace {

constexpr std::uint32_t kId = 0x21;  // bit 1 of cluster 2

std::string content(const std::string& path) {
  std::ifstream stream(path, std::ios::binary);
  std::ostringstream text;
  text << stream.rdbuf();
  return std::move(text).str();
}

// The values of the lines that begin with "# result:".
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

// Port 0xe9 takes the report, 0xf4 ends.
class Report final : public mem::IoHandler {
 public:
  AccessSizes accessSizes() const override { return {1, 4}; }
  std::uint64_t read(std::uint64_t, unsigned) override { return 0xff; }
  void write(std::uint64_t offset, std::uint64_t value, unsigned) override {
    if (offset == 0) bytes_.push_back(static_cast<std::uint8_t>(value));
    if (offset != 0xf4 - 0xe9) return;
    done_ = true;
    cpu->post(cpu::kPause);
  }
  bool done() const { return done_; }
  std::string text() const {
    std::string result;
    for (std::size_t at = 0; at + 4 <= bytes_.size(); at += 4) {
      result += fmt::format("{}{:x}", at == 0 ? "" : " ", x86::loadHost<std::uint32_t>(bytes_.data() + at));
    }
    return result;
  }
  x86::Cpu* cpu = nullptr;

 private:
  std::vector<std::uint8_t> bytes_;
  std::atomic<bool> done_{false};
};

class X2ApicGuest : public testing::TestWithParam<bool> {};

INSTANTIATE_TEST_SUITE_P(Engines, X2ApicGuest, testing::Bool(),
                         [](const auto& each) { return each.param ? "Translated" : "Interpreted"; });

TEST_P(X2ApicGuest, FindsWhatItsHeadSays) {
  const std::string source = "tests/hw/x2apic.S";
  const test::TempDir folder;
  const std::string object = folder.file("o"), binary = folder.file("bin");
  const std::string command = fmt::format(
      "as --64 -I tests/target/guests -o {0} {2} && ld -m elf_x86_64 -Ttext=0x7c00 --oformat binary -e 0x7c00 -o {1} "
      "{0}",
      object, binary, source);
  ASSERT_EQ(std::system(command.c_str()), 0) << command;
  const std::string code = content(binary);

  object::VirtualClock clock;
  ApicBus bus;
  LocalApic apic(testClass(), bus, clock, kId, true);
  bus.add(apic);
  const mem::RamBlockPtr ram = *mem::RamBlock::anonymous("ram", 4 << 20);
  mem::AddressSpace memory("memory", 0), ports("ports", 0x10000);
  Report report;
  const auto ramMapping = memory.map({"ram", 0, ram->size(), mem::Target::ram(ram)});
  const auto apicMapping = memory.map({"apic", ApicBus::kBase, ApicBus::kSize, mem::Target::io(bus)});
  const auto portMapping = ports.map({"report", 0xe9, 16, mem::Target::io(report)});
  const x86::Model model = *x86::findModel("max");
  x86::Environment environment{memory,  ports, model, [&clock] { return static_cast<std::uint64_t>(clock.now()); },
                               nullptr, {},    {}};
  environment.scale = &clock.scale();
  x86::Cpu cpu(0, environment);
  cpu.connect(apic);
  apic.connect(cpu);
  report.cpu = &cpu;
  std::string died;
  cpu.onShutdown([&](std::string why) {
    died = std::move(why);
    cpu.post(cpu::kPause);
  });
  std::memcpy(ram->host() + 0x7c00, code.data(), code.size());
  cpu.reset();
  cpu.loadRealSegment(x86::kCs, 0);
  cpu.st.segments[x86::kCs].base = 0;
  cpu.st.gpr[x86::kRipRegister] = 0x7c00;
  cpu.st.gpr[x86::kRsp] = 0x7c00;
  cpu.updateMode();
  if (GetParam()) {
    if (!x86::Cpu::translationIsBuilt()) GTEST_SKIP() << "this build does not translate";
    ASSERT_TRUE(cpu.translateCode().ok());
    cpu.engine()->setWarm(0);
  }
  std::thread thread([&] {
    cpu.setHostThread(::gettid());
    cpu.run();
  });
  clock.start();
  for (int n = 0; n < 10'000 && !report.done() && !cpu.asked(cpu::kPause); ++n)
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  cpu.post(cpu::kPause);
  thread.join();
  clock.stop();
  EXPECT_EQ(died, "") << cpu.describe();
  EXPECT_TRUE(report.done()) << cpu.describe();
  EXPECT_EQ(report.text(), expected(content(source)));
}

}  // namespace
}  // namespace rhea::hw
