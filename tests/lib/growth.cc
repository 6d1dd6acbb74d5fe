#include "tests/lib/growth.h"

#include <unistd.h>

#include <filesystem>
#include <fstream>

namespace rhea::test {

Footprint footprintOf(pid_t pid) {
  const std::string process = "/proc/" + std::to_string(pid);
  Footprint found;
  std::ifstream statm(process + "/statm");
  std::size_t size = 0;
  statm >> size >> found.resident;
  found.resident *= static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
  for ([[maybe_unused]] const auto& entry : std::filesystem::directory_iterator(process + "/fd")) ++found.descriptors;
  return found;
}

void addAndDelete(QmpClient& client, const std::string& file, int times) {
  const std::string add = R"({"driver": "file", "node-name": "n", "filename": ")" + file + "\"}";
  for (int time = 0; time < times; ++time) {
    client.returned("blockdev-add", add);
    client.returned("blockdev-del", R"({"node-name": "n"})");
  }
}

}  // namespace rhea::test
