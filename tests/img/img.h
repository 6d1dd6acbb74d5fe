// Running rhea-img in a folder of its own, and the peer beside it where that is installed.
#pragma once

#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>

#include "emu/base/json.h"
#include "tests/lib/command.h"
#include "tests/lib/temp-dir.h"

namespace rhea::test {

class ImgFolder {
 public:
  // In the folder, with a time limit.
  CommandResult img(const std::string& arguments) const { return inside(program() + " " + arguments); }
  CommandResult io(const std::string& arguments) const {
    return inside((std::filesystem::path(program()).parent_path() / "rhea-io").string() + " " + arguments);
  }
  CommandResult peer(const std::string& arguments) const { return inside("qemu-img " + arguments); }
  CommandResult inside(const std::string& command) const {
    return run("cd " + folder_.path() + " && exec " + command + " </dev/null", 60);
  }
  static bool havePeer() { return haveProgram("qemu-img"); }

  std::string file(const std::string& name) const { return folder_.file(name); }
  bool exists(const std::string& name) const { return std::filesystem::exists(file(name)); }
  std::uintmax_t sizeOf(const std::string& name) const { return std::filesystem::file_size(file(name)); }
  std::string bytes(const std::string& name) const {
    std::ifstream in(file(name), std::ios::binary);
    std::ostringstream all;
    all << in.rdbuf();
    return all.str();
  }
  // A sparse file with bytes of `fill` at some places.
  void makeRaw(const std::string& name, std::uintmax_t size,
               std::initializer_list<std::pair<std::uint64_t, std::uint64_t>> filled = {}, char fill = 'x') const {
    std::ofstream(file(name), std::ios::binary).close();
    std::filesystem::resize_file(file(name), size);
    std::fstream out(file(name), std::ios::binary | std::ios::in | std::ios::out);
    for (const auto& [offset, length] : filled) {
      out.seekp(static_cast<std::streamoff>(offset));
      out << std::string(length, fill);
    }
  }

  static std::string program() {
    const char* told = std::getenv("RHEA_BIN");
    const std::filesystem::path rhea = told != nullptr ? told : std::filesystem::absolute("build/bin/rhea").string();
    return (rhea.parent_path() / "rhea-img").string();
  }

 private:
  TempDir folder_;
};

inline bool contains(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

}  // namespace rhea::test
