#include "tests/lib/bench-peer.h"

#include <fcntl.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <random>
#include <vector>

namespace rhea::test {

void fillFile(const std::string& path, std::uint64_t size) {
  const int file = ::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  std::vector<char> piece(1 << 20);
  std::minstd_rand random(1);
  for (char& byte : piece) byte = static_cast<char>(random());
  for (std::uint64_t at = 0; at < size; at += piece.size()) {
    if (::write(file, piece.data(), piece.size()) != static_cast<ssize_t>(piece.size())) std::abort();
  }
  ::fsync(file);
  ::close(file);
}

std::string outputOf(const std::string& command) {
  std::FILE* const output = ::popen(command.c_str(), "r");
  if (output == nullptr) return {};
  std::string text(1 << 14, '\0');
  text.resize(std::fread(text.data(), 1, text.size(), output));
  ::pclose(output);
  return text;
}

double field(const std::string& text, char separator, int number) {
  std::size_t at = 0;
  for (int i = 0; i < number && at != std::string::npos; i++) at = text.find(separator, at + (i > 0 ? 1 : 0));
  return at == std::string::npos || text.empty() ? 0 : std::atof(text.c_str() + at + 1);
}

}  // namespace rhea::test
