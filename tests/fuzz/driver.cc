// Runs a fuzz target without libFuzzer: replays every file of the corpora, then a bounded number of mutations of them
// from a seeded generator, so that a run can be repeated.
//
//   BUILD/fuzz/NAME [-runs=N] [-max_total_time=SECONDS] [-seed=N] [-max_len=BYTES] [FILE or FOLDER]...
//
// A crash leaves the input that caused it in crash-NAME-SEED-RUN (or $RHEA_FUZZ_CRASHES/...); replay it by giving it as
// FILE.
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <memory>
#include <random>
#include <string>
#include <vector>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

namespace {

using Bytes = std::vector<std::uint8_t>;

struct Settings {
  std::uint64_t runs = 10000;
  std::uint64_t seconds = 0;  // of mutations; 0: until all runs are done
  std::uint64_t seed = 1;
  std::size_t maxLength = 4096;  // bytes, of mutated inputs
  std::vector<std::string> corpora;
};

// What the signal handler writes out; plain, because it runs while everything else may be broken.
struct Current {
  const Bytes* input = nullptr;
  char name[512] = {};
};
Current current;

void writeCrash(int number) {
  if (current.input != nullptr) {
    if (const int fd = open(current.name, O_WRONLY | O_CREAT | O_TRUNC, 0644); fd >= 0) {
      const ssize_t ignored = write(fd, current.input->data(), current.input->size());
      (void)ignored;
      close(fd);
      constexpr char kText[] = "fuzz: this input is kept in ";
      (void)!write(STDERR_FILENO, kText, sizeof kText - 1);
      (void)!write(STDERR_FILENO, current.name, std::char_traits<char>::length(current.name));
      (void)!write(STDERR_FILENO, "\n", 1);
    }
  }
  std::signal(number, SIG_DFL);
  raise(number);
}

void run(const Bytes& input, const std::string& name) {
  current.input = &input;
  name.copy(current.name, sizeof current.name - 1);
  current.name[std::min(name.size(), sizeof current.name - 1)] = '\0';
  // A copy without room to spare, so that AddressSanitizer sees a read one byte too far.
  const auto exact = std::make_unique_for_overwrite<std::uint8_t[]>(input.size());
  std::ranges::copy(input, exact.get());
  LLVMFuzzerTestOneInput(exact.get(), input.size());
  current.input = nullptr;
}

bool readNumber(std::string_view argument, std::string_view key, auto& value) {
  if (!argument.starts_with(key)) {
    return false;
  }
  argument.remove_prefix(key.size());
  const auto [end, error] = std::from_chars(argument.data(), argument.data() + argument.size(), value);
  if (error != std::errc() || end != argument.data() + argument.size()) {
    std::fprintf(stderr, "fuzz: '%s' needs a whole number behind it\n", std::string(key).c_str());
    std::exit(2);
  }
  return true;
}

Settings readArguments(int count, char** values) {
  Settings settings;
  for (const std::string_view argument : std::span(values + 1, static_cast<std::size_t>(count - 1))) {
    if (readNumber(argument, "-runs=", settings.runs) || readNumber(argument, "-seed=", settings.seed) ||
        readNumber(argument, "-max_total_time=", settings.seconds) ||
        readNumber(argument, "-max_len=", settings.maxLength)) {
      continue;
    }
    if (argument.starts_with('-')) {
      std::fprintf(stderr, "fuzz: unknown option '%s' (there are -runs=, -max_total_time=, -seed=, -max_len=)\n",
                   std::string(argument).c_str());
      std::exit(2);
    }
    settings.corpora.emplace_back(argument);
  }
  return settings;
}

std::vector<std::pair<std::string, Bytes>> readCorpora(const std::vector<std::string>& corpora) {
  namespace fs = std::filesystem;
  std::vector<std::pair<std::string, Bytes>> inputs;
  const auto add = [&inputs](const fs::path& path) {
    std::ifstream in(path, std::ios::binary);
    inputs.emplace_back(path.string(), Bytes(std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()));
  };
  for (const std::string& corpus : corpora) {
    if (fs::is_directory(corpus)) {
      for (const auto& entry : fs::recursive_directory_iterator(corpus)) {
        if (entry.is_regular_file()) {
          add(entry.path());
        }
      }
    } else if (fs::exists(corpus)) {
      add(corpus);
    } else {
      std::fprintf(stderr, "fuzz: no corpus at '%s'\n", corpus.c_str());
      std::exit(2);
    }
  }
  std::ranges::sort(inputs, {}, &std::pair<std::string, Bytes>::first);  // the same run on every file system
  return inputs;
}

class Mutator {
 public:
  Mutator(const std::vector<std::pair<std::string, Bytes>>& inputs, const Settings& settings)
      : inputs_(inputs), maxLength_(settings.maxLength), random_(settings.seed) {}

  Bytes next() {
    Bytes bytes = inputs_.empty() ? Bytes() : pick();
    for (std::size_t steps = 1 + below(8); steps > 0; --steps) {
      step(bytes);
    }
    bytes.resize(std::min(bytes.size(), maxLength_));
    return bytes;
  }

 private:
  std::size_t below(std::size_t limit) { return limit == 0 ? 0 : static_cast<std::size_t>(random_() % limit); }
  std::uint8_t byte() { return static_cast<std::uint8_t>(random_()); }
  const Bytes& pick() { return inputs_[below(inputs_.size())].second; }

  // The bytes on which readers of text turn.
  std::uint8_t telling() {
    static constexpr std::string_view kTelling("{}[]:,\"\\/'=-+.0123456789eEtfn \n\r\0\xff\x7f", 36);
    return static_cast<std::uint8_t>(kTelling[below(kTelling.size())]);
  }

  void step(Bytes& bytes) {
    const auto at = [&](std::size_t offset) { return bytes.begin() + static_cast<std::ptrdiff_t>(offset); };
    const std::size_t place = below(bytes.size() + 1);
    switch (below(7)) {
      case 0:
        bytes.insert(at(place), byte());
        break;
      case 1:
        bytes.insert(at(place), telling());
        break;
      case 2:
        if (place < bytes.size()) {
          bytes[place] = below(2) == 0 ? byte() : telling();
        }
        break;
      case 3:
        if (place < bytes.size()) {
          bytes[place] = static_cast<std::uint8_t>(bytes[place] ^ (1U << below(8)));
        }
        break;
      case 4:
        bytes.erase(at(place), at(place + below(std::min<std::size_t>(bytes.size() - place, 16) + 1)));
        break;
      case 5: {  // repeat a part
        const Bytes part(at(place), at(place + below(std::min<std::size_t>(bytes.size() - place, 64) + 1)));
        bytes.insert(at(place), part.begin(), part.end());
        break;
      }
      default:  // the head of one input and the tail of another
        if (!inputs_.empty()) {
          const Bytes& other = pick();
          const std::size_t from = below(other.size() + 1);
          bytes.erase(at(place), bytes.end());
          bytes.insert(bytes.end(), other.begin() + static_cast<std::ptrdiff_t>(from), other.end());
        }
        break;
    }
    if (bytes.size() > 4 * maxLength_) {
      bytes.resize(maxLength_);
    }
  }

  const std::vector<std::pair<std::string, Bytes>>& inputs_;
  std::size_t maxLength_;
  std::mt19937_64 random_;
};

}  // namespace

int main(int count, char** values) {
  const Settings settings = readArguments(count, values);
  for (const int number : {SIGSEGV, SIGABRT, SIGBUS, SIGILL, SIGFPE, SIGALRM, SIGTERM}) {
    std::signal(number, writeCrash);
  }
  const auto inputs = readCorpora(settings.corpora);
  for (const auto& [path, bytes] : inputs) {
    run(bytes, path + ".crash");
  }
  const char* folder = std::getenv("RHEA_FUZZ_CRASHES");
  const std::string prefix = std::string(folder != nullptr ? folder : ".") + "/crash-" +
                             std::filesystem::path(values[0]).filename().string() + "-" +
                             std::to_string(settings.seed) + "-";
  Mutator mutator(inputs, settings);
  const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(settings.seconds);
  std::uint64_t done = 0;
  for (; done < settings.runs; ++done) {
    if (settings.seconds != 0 && std::chrono::steady_clock::now() >= end) break;
    run(mutator.next(), prefix + std::to_string(done));
  }
  std::printf("%zu inputs of the corpus and %llu mutations (seed %llu)\n", inputs.size(),
              static_cast<unsigned long long>(done), static_cast<unsigned long long>(settings.seed));
  return 0;
}
