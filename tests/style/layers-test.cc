// Holds tests/style/layers.txt against every #include "..." of ours.
#include <gtest/gtest.h>

#include <map>
#include <optional>
#include <set>
#include <sstream>

#include "tests/style/source-tree.h"

namespace rhea::style {
namespace {

struct Room {
  std::set<std::string, std::less<>> allowed;
  std::set<std::string, std::less<>> refused;  // folders taken away, also below an allowed one
};

using Layers = std::map<std::string, Room, std::less<>>;

Layers parseLayers(std::string_view text) {
  Layers layers;
  std::vector<std::string> above;
  for (const std::string_view line : lines(text)) {
    const std::size_t colon = line.find(':');
    if (line.empty() || line.front() == '#' || colon == std::string_view::npos) {
      continue;
    }
    const std::string name(line.substr(0, colon));
    Room room;
    std::istringstream words{std::string(line.substr(colon + 1))};
    for (std::string word; words >> word;) {
      if (word == "left") {
        room.allowed.insert(above.begin(), above.end());
      } else if (word.front() == '-') {
        room.refused.insert(word.substr(1));
      } else {
        room.allowed.insert(word);
      }
    }
    layers.emplace(name, std::move(room));
    above.push_back(name);
  }
  return layers;
}

bool isBelow(std::string_view path, std::string_view folder) {
  return path.size() > folder.size() && path.starts_with(folder) && path[folder.size()] == '/';
}

// The longest room that the path lies in; none for tests and for generated or system headers.
std::optional<std::string> roomOf(const Layers& layers, std::string_view path) {
  std::optional<std::string> best;
  for (const auto& [name, room] : layers) {
    if (isBelow(path, name) && (!best || name.size() > best->size())) {
      best = name;
    }
  }
  return best;
}

bool isAllowed(const Layers& layers, const std::string& from, std::string_view included) {
  const std::optional<std::string> to = roomOf(layers, included);
  if (!to || *to == from) {
    return true;
  }
  const Room& room = layers.at(from);
  for (const std::string& folder : room.refused) {
    if (isBelow(included, folder)) {
      return false;
    }
  }
  return room.allowed.contains(*to);
}

Findings checkIncludes(const Layers& layers, const SourceFile& file) {
  Findings findings;
  const std::optional<std::string> from = roomOf(layers, file.path);
  if (!from) {
    return findings;
  }
  std::size_t number = 0;
  bool inText = false;  // of a raw string: what the generator writes into other files
  for (const std::string_view line : lines(file.text)) {
    ++number;
    if (line.find("R\"(") != std::string_view::npos) inText = true;
    if (line.find(")\"") != std::string_view::npos) inText = false;
    if (inText) {
      continue;
    }
    const std::size_t open = line.find('"');
    if (!line.starts_with("#include") || open == std::string_view::npos) {
      continue;
    }
    const std::string_view included = line.substr(open + 1, line.find('"', open + 1) - open - 1);
    const std::string place = file.path + ":" + std::to_string(number) + ": ";
    if (included.find('/') == std::string_view::npos && included != "config.h") {
      findings.push_back(place + "#include \"" + std::string(included) + "\": write the path from the project root");
    } else if (!isAllowed(layers, *from, included)) {
      findings.push_back(place + *from + " may not include " + std::string(included) +
                         " (tests/style/layers.txt says who may include whom)");
    }
  }
  return findings;
}

Layers projectLayers() {
  for (const SourceFile& file : sourceFiles()) {
    if (file.path == "tests/style/layers.txt") {
      return parseLayers(file.text);
    }
  }
  return {};
}

TEST(Layers, EveryIncludePointsLeft) {
  const Layers layers = projectLayers();
  ASSERT_FALSE(layers.empty()) << "tests/style/layers.txt is missing or empty";
  Findings findings;
  for (const SourceFile& file : sourceFiles()) {
    if (isCode(file.path)) {
      std::ranges::move(checkIncludes(layers, file), std::back_inserter(findings));
    }
  }
  EXPECT_TRUE(findings.empty()) << report(findings);
}

TEST(Layers, TableNamesEveryFolderThatHoldsCode) {
  const Layers layers = projectLayers();
  Findings findings;
  for (const SourceFile& file : sourceFiles()) {
    if (isCode(file.path) && !file.path.starts_with("tests/") && !roomOf(layers, file.path)) {
      findings.push_back(file.path + ": lies in no room of tests/style/layers.txt");
    }
    if (isCode(file.path) && isBelow(file.path, "emu") && roomOf(layers, file.path) == "emu" &&
        file.path.find('/', 4) != std::string::npos) {
      findings.push_back(file.path + ": this folder of emu/ is no room of tests/style/layers.txt");
    }
  }
  EXPECT_TRUE(findings.empty()) << report(findings);
}

TEST(Layers, MakefileKnowsTheSameRooms) {
  std::string rooms;
  for (const SourceFile& file : sourceFiles()) {
    if (file.path == "Makefile") {
      for (const std::string_view line : lines(file.text)) {
        if (line.starts_with("ROOMS := ")) {
          rooms = " " + std::string(line.substr(9)) + " ";
        }
      }
    }
  }
  for (const auto& [name, room] : projectLayers()) {
    if (name == "emu" || name.ends_with("/gen")) {
      continue;  // the programs' own sources, and the generators
    }
    const std::string word = name.starts_with("emu/") ? "emu-" + name.substr(4) : name;
    EXPECT_NE(rooms.find(" " + word + " "), std::string::npos) << "ROOMS of the Makefile lacks " << word;
  }
}

TEST(LayersCheck, FindsAnIncludeToTheRight) {
  const Layers layers =
      parseLayers("emu/base:\nemu/io: left\nblock: left\nmonitor: left -block\nhw: left -block/driver\nemu: left\n");
  const auto count = [&layers](std::string path, std::string text) {
    return checkIncludes(layers, {std::move(path), std::move(text)}).size();
  };
  EXPECT_EQ(count("emu/base/a.h", "#include \"emu/io/task.h\"\n"), 1U);
  EXPECT_EQ(count("emu/io/a.h", "#include \"emu/base/result.h\"\n"), 0U);
  EXPECT_EQ(count("monitor/qmp/a.cc", "#include \"block/core/node.h\"\n"), 1U);
  EXPECT_EQ(count("block/core/a.cc", "#include \"monitor/qmp/a.h\"\n"), 1U);
  EXPECT_EQ(count("hw/storage/a.cc", "#include \"block/core/node.h\"\n#include \"block/driver/raw/raw.h\"\n"), 1U);
  EXPECT_EQ(count("emu/main.cc", "#include \"hw/a.h\"\n#include \"monitor/qmp/a.h\"\n"), 0U);
  EXPECT_EQ(count("block/core/a.cc", "#include \"node.h\"\n#include \"config.h\"\n#include <vector>\n"), 1U);
  EXPECT_EQ(count("tests/block/a.cc", "#include \"monitor/qmp/a.h\"\n"), 0U);
}

}  // namespace
}  // namespace rhea::style
