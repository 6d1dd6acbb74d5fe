// TempDir: a folder that is gone with its last file when the test ends.
#pragma once

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>

namespace rhea::test {

class TempDir {
 public:
  TempDir() {
    std::string pattern = (std::filesystem::temp_directory_path() / "rhea-test-XXXXXX").string();
    path_ = mkdtemp(pattern.data());
  }
  ~TempDir() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  TempDir(const TempDir&) = delete;
  TempDir& operator=(const TempDir&) = delete;

  const std::string& path() const { return path_; }
  std::string file(const std::string& name) const { return path_ + "/" + name; }
  // A file of that size: sparse, or filled with one byte.
  std::string makeFile(const std::string& name, std::uintmax_t size, int fill = -1) const {
    const std::string made = file(name);
    std::ofstream out(made, std::ios::binary);
    if (fill >= 0) out << std::string(size, static_cast<char>(fill));
    out.close();
    std::filesystem::resize_file(made, size);
    return made;
  }

 private:
  std::string path_;
};

}  // namespace rhea::test
