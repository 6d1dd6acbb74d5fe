#include "emu/object/command-line.h"

#include <gtest/gtest.h>

namespace rhea::object {
namespace {

constexpr OptionParameter kMachineKeys[] = {{"type", "string", "the board"},
                                            {"accel", "string", "what runs the guest"},
                                            {"usb", "boolean", "whether there is USB"},
                                            {"memory", "size", "how much"},
                                            {"cpus", "number", "how many"}};
constexpr std::string_view kPidAliases[] = {"pid-file"};
constexpr OptionInfo kTable[] = {
    {.name = "S", .doc = "do not start"},
    {.name = "pidfile", .argument = OptionArgument::kWord, .argumentName = "PATH", .aliases = kPidAliases},
    {.name = "machine", .argument = OptionArgument::kKeyval, .impliedKey = "type", .parameters = kMachineKeys},
    {.name = "drive", .argument = OptionArgument::kKeyval, .repeatable = true, .impliedKey = "file"},
    {.name = "object", .argument = OptionArgument::kJson, .repeatable = true, .impliedKey = "qom-type"},
    {.name = "device", .argument = OptionArgument::kJson, .repeatable = true, .refusal = "there are no devices yet"},
};

struct Read {
  explicit Read(std::vector<std::string_view> words) {
    Result<void> added = line.addWords(words);
    if (!added.ok()) {
      error = added.error().message();
      exitCode = added.error().exitCode();
      candidates = added.error().candidateNames();
    }
  }
  CommandLine line{kTable};
  std::string error;
  int exitCode = 0;
  std::vector<std::string> candidates;
};

TEST(CommandLine, OneDashAndTwoAreTheSame) {
  const Read read({"--S", "-pidfile", "a", "--pid-file", "b"});
  EXPECT_EQ(read.error, "");
  EXPECT_TRUE(read.line.has("S"));
  EXPECT_EQ(read.line.word("pidfile"), "b");
  EXPECT_EQ(read.line.word("machine"), std::nullopt);
}

TEST(CommandLine, ArgumentMayBeJoinedByAnEqualsSign) {
  EXPECT_EQ(Read({"--pidfile=a=b"}).line.word("pidfile"), "a=b");
  EXPECT_EQ(Read({"--S=on"}).error, "-S takes no argument");
}

TEST(CommandLine, KeysOfSeveralOccurrencesAreMerged) {
  const Read read({"-machine", "none,accel=kvm", "-machine", "accel=tcg,usb=off"});
  EXPECT_EQ(read.line.merged("machine").toText(), "type=none,accel=tcg,usb=off");
}

TEST(CommandLine, UnknownOptionNamesTheNearest) {
  const Read read({"-machin", "none"});
  EXPECT_EQ(read.error, "there is no option -machin");
  EXPECT_EQ(read.exitCode, 2);
  EXPECT_EQ(read.candidates, std::vector<std::string>{"-machine"});
}

TEST(CommandLine, SaysWhatIsWrong) {
  EXPECT_EQ(Read({"-pidfile"}).error, "-pidfile needs an argument");
  EXPECT_EQ(Read({"vm.img"}).error, "'vm.img' is no option");
  EXPECT_EQ(Read({"-device", "e1000"}).error, "-device e1000: there are no devices yet");
  EXPECT_EQ(Read({"-machine", "none,acel=tcg"}).error, "-machine none,acel=tcg: there is no key 'acel'");
  EXPECT_EQ(Read({"-machine", "none,usb=maybe"}).error,
            "-machine none,usb=maybe: 'usb' must be on or off, not 'maybe'");
  EXPECT_EQ(Read({"-machine", "memory=1Q"}).error,
            "-machine memory=1Q: 'memory' must be a size in bytes, or with a unit such as 512M, not '1Q'");
  EXPECT_EQ(Read({"-machine", "cpus=two"}).error, "-machine cpus=two: 'cpus' must be a number, not 'two'");
  EXPECT_EQ(Read({"-machine", "usb=on,usb=off"}).error,
            "-machine usb=on,usb=off: 'usb' is given twice: 'on' and 'off'");
  EXPECT_EQ(Read({"-object", "{"}).exitCode, 2);
  EXPECT_EQ(Read({"-object", "a=1,a.b=2"}).exitCode, 2);
}

TEST(CommandLine, BareWordsAreSwitchesAndNoBeforeThemTurnsThemOff) {
  EXPECT_EQ(Read({"-machine", "none,usb"}).line.merged("machine").toText(), "type=none,usb=on");
  EXPECT_EQ(Read({"-machine", "none,nousb"}).line.merged("machine").toText(), "type=none,usb=off");
}

TEST(CommandLine, HelpIsAValueOfEveryOptionWithKeys) {
  EXPECT_TRUE(Read({"-machine", "help"}).line.last("machine")->pairs.wantsHelp());
  EXPECT_TRUE(Read({"-object", "iothread,help"}).line.last("object")->pairs.wantsHelp());
}

TEST(CommandLine, JsonKeepsItsTypesAndTextDoesNot) {
  const Read read({"-object", R"({"qom-type": "a", "n": 5})", "-object", "b,n=5,m.x=1"});
  const std::vector<const Given*> objects = read.line.all("object");
  ASSERT_EQ(objects.size(), 2U);
  EXPECT_EQ(objects[0]->spelling, json::Spelling::kJson);
  EXPECT_EQ(objects[0]->value.find("n")->asInt64(), 5);
  EXPECT_EQ(objects[1]->spelling, json::Spelling::kKeyval);
  EXPECT_EQ(objects[1]->value.text(), R"({"qom-type": "b", "n": "5", "m": {"x": "1"}})");
}

TEST(CommandLine, DumpReadsBackToTheSame) {
  const Read read({"-S", "-pidfile", "p", "-machine", "none,usb", "-drive", "a,,b.img,if=none,file.locking=off",
                   "-object", R"({"qom-type": "a", "n": 5})", "-object", "b,n=5,m.x=1"});
  ASSERT_EQ(read.error, "");
  const std::string dumped = read.line.dump();
  CommandLine again(kTable);
  Result<void> added = again.addConfig(dumped, "vm.json");
  ASSERT_TRUE(added.ok()) << added.error().describe();
  EXPECT_EQ(again.dump(), dumped);
  EXPECT_EQ(again.last("drive")->text, "file=a,,b.img,if=none,file.locking=off");
  EXPECT_EQ(again.last("drive")->origin, "vm.json: drive");
  EXPECT_EQ(again.all("object")[1]->value.text(), R"({"qom-type": "b", "n": "5", "m": {"x": "1"}})");
  const std::string_view left[] = {"S"};
  EXPECT_EQ(dumped.find("\"S\""), dumped.find('"'));
  EXPECT_EQ(read.line.dump(left).find("\"S\""), std::string::npos);
}

TEST(CommandLine, ConfigTakesObjectsStringsAndLists) {
  CommandLine line(kTable);
  Result<void> added = line.addConfig(
      R"({"S": true, "machine": {"type": "none", "usb": true, "cpus": 2}, "object": ["a,id=1", {"qom-type": "b"}]})",
      "c");
  ASSERT_TRUE(added.ok()) << added.error().describe();
  EXPECT_EQ(line.merged("machine").toText(), "type=none,usb=on,cpus=2");
  EXPECT_EQ(line.all("object")[0]->origin, "c: object[0]");
  EXPECT_EQ(line.all("object").size(), 2U);
}

TEST(CommandLine, ConfigSaysWhatIsWrongAndWhere) {
  const auto error = [](std::string_view text) {
    CommandLine line(kTable);
    Result<void> added = line.addConfig(text, "c");
    return added.ok() ? std::string("ok") : added.error().message();
  };
  EXPECT_EQ(error(R"({"S": 1})"), "c: S must be true or false, not an integer");
  EXPECT_EQ(error(R"({"S": false})"), "ok");
  EXPECT_EQ(error(R"([])"), "c: a configuration is an object of options, not an array");
  EXPECT_EQ(error(R"({"X": 1})"), "c: there is no option -X");
  EXPECT_EQ(error(R"({"pidfile": ["a", "b"]})"), "c: pidfile: the option cannot be given more than once");
  EXPECT_EQ(error(R"({"device": {}})"), "c: device: there are no devices yet");
  EXPECT_EQ(error(R"({"machine": {"usb": null}})"), "c: machine: 'usb' is null");
}

TEST(CommandLine, IniSectionsAreOptions) {
  CommandLine line(kTable);
  Result<void> added =
      line.addIni("# a machine\n[machine]\n  type = \"none\"\n\n[drive \"d0\"]\n  file = \"a,b.img\"\n", "vm.ini");
  ASSERT_TRUE(added.ok()) << added.error().describe();
  EXPECT_EQ(line.merged("machine").toText(), "type=none");
  EXPECT_EQ(line.last("drive")->text, "id=d0,file=a,,b.img");
  EXPECT_EQ(line.last("drive")->origin, "vm.ini, line 5");
}

TEST(CommandLine, IniSaysWhatIsWrongAndWhere) {
  const auto error = [](std::string_view text) {
    CommandLine line(kTable);
    Result<void> added = line.addIni(text, "vm.ini");
    return added.ok() ? std::string("ok") : added.error().message();
  };
  EXPECT_EQ(error("a = \"b\""), "vm.ini, line 1: 'a = \"b\"' is not understood");
  EXPECT_EQ(error("[machine]\ntype = none"), "vm.ini, line 2: 'type = none' is not understood");
  EXPECT_EQ(error("[machine"), "vm.ini, line 1: '[machine' is not understood");
  EXPECT_EQ(error("\n[mashine]"), "vm.ini, line 2: there is no option -mashine");
  EXPECT_EQ(error("[pidfile]"), "vm.ini, line 1: -pidfile has no keys");
}

}  // namespace
}  // namespace rhea::object
