// The built-in guest: uses its disk for everyone to see. Each second it writes a round of blocks, flushes, and reads
// them back; what a disk of an earlier run holds, it checks first. It follows the write cache as the host switches it.
//
// On the disk: block 0 is the record (magic, last round that was flushed); round n fills kRound blocks of area n %
// kAreas.
#include "tests/guest/console.h"
#include "tests/guest/disk.h"
#include "tests/guest/interrupts.h"
#include "tests/guest/power.h"

namespace guest {
namespace {

constexpr unsigned kRound = Disk::kMost;
constexpr uint64_t kAreas = 8;
constexpr uint64_t kNeeded = 1 + kAreas * kRound;
constexpr uint64_t kMagic = 0x31746573756f6872;

alignas(4096) uint8_t data[kRound * kBlock];
alignas(4096) uint8_t record[kBlock];
Disk disk;
Power power;

uint64_t firstBlock(uint64_t round) { return 1 + (round % kAreas) * kRound; }

uint64_t word(uint64_t round, uint64_t index) { return (round * 0x9e3779b97f4a7c15) ^ index; }

void fill(uint64_t round) {
  for (uint64_t i = 0; i < sizeof(data) / 8; ++i) reinterpret_cast<uint64_t*>(data)[i] = word(round, i);
}

// Blocks of `data` that are not what `round` wrote.
unsigned wrongBlocks(uint64_t round) {
  unsigned wrong = 0;
  for (uint64_t block = 0; block < kRound; ++block) {
    bool same = true;
    for (uint64_t i = block * kBlock / 8; i < (block + 1) * kBlock / 8; ++i) {
      same = same && reinterpret_cast<uint64_t*>(data)[i] == word(round, i);
    }
    if (!same) ++wrong;
  }
  return wrong;
}

// The last round that an earlier run has flushed, after a look at whether its rounds are all there; 0: a new disk.
uint64_t checkEarlierRun() {
  if (!disk.read(0, 1, record)) {
    print("The record cannot be read.\n");
    return 0;
  }
  const uint64_t* words = reinterpret_cast<uint64_t*>(record);
  if (words[0] != kMagic) {
    print("The disk is new to me.\n");
    return 0;
  }
  const uint64_t last = words[1];
  unsigned wrong = 0;
  unsigned checked = 0;
  // The area of round last + 1 may have been half written when the earlier run ended.
  for (uint64_t round = last > kAreas - 1 ? last - kAreas + 2 : 1; round <= last; ++round, ++checked) {
    if (!disk.read(firstBlock(round), kRound, data)) wrong += kRound;
    wrong += wrongBlocks(round);
  }
  print("An earlier run flushed up to round ", last, ": ");
  if (wrong == 0) {
    print("its last ", uint64_t{checked}, " rounds are all there\n");
  } else {
    print(uint64_t{wrong}, " blocks of its last ", uint64_t{checked});
    print(" rounds are LOST\n");
  }
  return last;
}

const char* cacheWord() { return disk.writeBack() ? "on" : "off"; }

void printTime(const char* what, uint64_t time) { print(what, time, " us"); }

bool doRound(uint64_t round) {
  fill(round);
  const uint64_t begin = microseconds();
  if (!disk.write(firstBlock(round), kRound, data)) return false;
  const uint64_t written = microseconds();
  if (!disk.flush()) return false;
  const uint64_t flushed = microseconds();
  uint64_t* words = reinterpret_cast<uint64_t*>(record);
  words[0] = kMagic;
  words[1] = round;
  if (!disk.write(0, 1, record) || !disk.flush()) return false;
  if (!disk.read(firstBlock(round), kRound, data)) return false;
  const unsigned wrong = wrongBlocks(round);
  print("round ", round, ": wrote ", uint64_t{kRound * kBlock / 1024});
  printTime(" KiB in ", written - begin);
  printTime(", flushed in ", flushed - written);
  if (wrong == 0) {
    print(", read back right; write cache ", cacheWord(), "\n");
  } else {
    print(", ", uint64_t{wrong}, " blocks read back WRONG\n");
  }
  return true;
}

void turnOff(const char* why) {
  print(why);
  if (disk.blocks() != 0 && !disk.flush()) print("The last flush failed.\n");
  print("Turning off.\n");
  power.off();
}

class Watch {
 public:
  // Says what has changed on the disk since the last look.
  void look() {
    if (const bool on = disk.writeBack(); on != writeBack_) {
      writeBack_ = on;
      print("The write cache of my disk is now ", on ? "on" : "off", "\n");
    }
    if (const uint64_t blocks = disk.blocks(); blocks != blocks_) {
      if (blocks_ != 0) print("My disk is now ", blocks * kBlock / 1024, " KiB\n");
      blocks_ = blocks;
    }
  }

 private:
  bool writeBack_ = disk.writeBack();
  uint64_t blocks_ = disk.blocks();
};

// The keys; true where the round is to come at once.
bool serveKeys(bool& working) {
  for (char key = pressedKey(); key != 0; key = pressedKey()) {
    if (key == 'w' && disk.canSwitch()) {
      disk.setWriteBack(!disk.writeBack());
      print("I ask for the write cache ", cacheWord(), "\n");
    } else if (key == 'w') {
      print("This disk does not let me switch its write cache.\n");
    } else if (key == 'p') {
      working = !working;
      print(working ? "Going on.\n" : "Pausing.\n");
    } else if (key == 'r') {
      return true;
    } else if (key == 'q') {
      turnOff("");
    } else {
      print("Keys: w switch the write cache, p pause, r a round at once, q turn off\n");
    }
  }
  return false;
}

// N of `rounds=N` on the kernel's command line: after so many the machine is turned off; 0: never.
uint64_t roundsWanted(uint64_t startInfo) {
  constexpr uint64_t kCommandLine = 24;  // hvm_start_info
  const char* text = reinterpret_cast<const char*>(readAt<uint64_t>(startInfo + kCommandLine));
  constexpr char kName[] = "rounds=";
  if (text == nullptr) return 0;
  for (unsigned n = 0; n < sizeof(kName) - 1; ++n, ++text) {
    if (*text != kName[n]) return 0;
  }
  uint64_t rounds = 0;
  for (; *text >= '0' && *text <= '9'; ++text) rounds = rounds * 10 + static_cast<uint64_t>(*text - '0');
  return rounds;
}

void workForever(uint64_t round, uint64_t wanted) {
  Watch watch;
  bool working = true;
  uint64_t next = ticks();
  for (;;) {
    const bool now = serveKeys(working);
    if (power.buttonPressed()) turnOff("Power button. ");
    watch.look();
    if (now || (working && ticks() >= next)) {
      next = ticks() + kTicksPerSecond;
      if (doRound(round)) {
        ++round;
        if (wanted != 0 && --wanted == 0) turnOff("");
      } else {
        print("round ", round, ": the disk reports an error; I will try again\n");
      }
    }
    waitForInterrupt();
  }
}

void idleForever() {
  for (;;) {
    if (power.buttonPressed()) turnOff("Power button. ");
    waitForInterrupt();
  }
}

}  // namespace
}  // namespace guest

// `startInfo`: hvm_start_info of the PVH boot protocol; the RSDP's address at offset 32.
extern "C" void guestMain(uint64_t startInfo) {
  using namespace guest;
  startConsole();
  print("\nrhea's built-in guest\n");
  startInterrupts();
  power.start(readAt<uint32_t>(startInfo) == 0x336ec578 ? readAt<uint64_t>(startInfo + 32) : 0);
  if (!disk.start()) idleForever();
  print("My disk: ", disk.blocks() * kBlock / 1024, " KiB, write cache ");
  print(cacheWord(), disk.canSwitch() ? ", which I can switch (key w)\n" : "\n");
  if (disk.blocks() < kNeeded) {
    print("That is too small: I need ", kNeeded * kBlock / 1024, " KiB.\n");
    idleForever();
  }
  workForever(checkEarlierRun() + 1, roundsWanted(startInfo));
}

// What the compiler calls by itself.
extern "C" void* memset(void* to, int value, size_t length) {
  auto* bytes = static_cast<unsigned char*>(to);
  for (size_t i = 0; i < length; ++i) bytes[i] = static_cast<unsigned char>(value);
  return to;
}
extern "C" void* memcpy(void* to, const void* from, size_t length) {
  auto* bytes = static_cast<unsigned char*>(to);
  for (size_t i = 0; i < length; ++i) bytes[i] = static_cast<const unsigned char*>(from)[i];
  return to;
}
