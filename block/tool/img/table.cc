#include "block/tool/img/table.h"

#include "block/driver/table.h"
#include "block/tool/img/verbs.h"
#include "emu/base/names.h"

namespace rhea::block {

namespace {

// Options that several subcommands have.
constexpr ImgOption kHelp{'h', "help", "", "show this"};
constexpr ImgOption kObject{0, "object", "DEF", "make an object, such as secret,id=...,file=..."};
constexpr ImgOption kImageOpts{0, "image-opts", "", "the name is a list of node options: driver=...,file.filename=..."};
constexpr ImgOption kFormat{'f', "format", "FMT", "format of the image; without it, found out from its first bytes"};
constexpr ImgOption kForceShare{'U', "force-share", "", "open it although others write to it; its content may change"};
constexpr ImgOption kQuiet{'q', "quiet", "", "print errors only"};
constexpr ImgOption kOutput{0, "output", "FORMAT", "human or json"};
constexpr ImgOption kCache{'t', "cache", "CACHE",
                           "cache mode for writing: writeback, none, writethrough, directsync or unsafe"};
constexpr ImgOption kSourceCache{'T', "source-cache", "CACHE", "cache mode for reading"};
constexpr ImgOption kBar{'p', "bar", "", "show progress as a line"};
constexpr ImgOption kProgress{0, "progress", "[=json]", "show progress, as lines of JSON where asked for"};
constexpr ImgOption kRate{'r', "rate", "RATE", "bytes a second at most"};
constexpr ImgOption kOptions{'o', "options", "OPTIONS", "options of the format: name=value,...; help lists them"};
constexpr ImgOption kBacking{'b', "backing", "FILE", "the backing file"};
constexpr ImgOption kBackingFormat{'F', "backing-format", "FMT", "format of the backing file"};

constexpr ImgOption kAmendOptions[] = {
    kHelp,    kObject, kImageOpts, kBar, kProgress, kQuiet, kFormat, kCache, {0, "force", "", "nothing here needs it"},
    kOptions,
};
constexpr ImgOption kBenchOptions[] = {
    kHelp,
    {'c', "count", "COUNT", "how many requests (75000)"},
    {'d', "depth", "DEPTH", "how many at a time (64)"},
    kFormat,
    {0, "flush-interval", "COUNT", "flush after so many writes"},
    {'i', "aio", "AIO", "io_uring, threads or native"},
    {'n', "native", "", "as --aio=native"},
    {0, "no-drain", "", "do not wait for the requests in flight before a flush"},
    {'o', "offset", "OFFSET", "where the first request goes"},
    {0, "pattern", "BYTE", "what writes write (0)"},
    kQuiet,
    {'s', "buffer-size", "SIZE", "bytes of a request (4k)"},
    {'S', "step-size", "SIZE", "from one request to the next (their size)"},
    kCache,
    {'w', "write", "", "write; without it, read"},
    kForceShare,
    kImageOpts,
};
constexpr ImgOption kBitmapOptions[] = {
    kHelp,
    kObject,
    kImageOpts,
    kFormat,
    {0, "add", "", "make the bitmap"},
    {0, "remove", "", "take it away"},
    {0, "clear", "", "nothing is dirty any more"},
    {0, "enable", "", "it records writes from now on"},
    {0, "disable", "", "it does not"},
    {0, "merge", "SOURCE", "what is dirty in SOURCE is dirty here, too"},
    {'b', "source", "FILE", "the image of --merge's bitmap"},
    {'F', "source-format", "FMT", "its format"},
    {'g', "granularity", "SIZE", "bytes for each bit of a new bitmap (64k)"},
};
constexpr ImgOption kCheckOptions[] = {
    kHelp,        kObject,     kImageOpts,
    kQuiet,       kFormat,     {'r', "repair", "WHAT", "mend leaks, or all that can be mended"},
    kSourceCache, kOutput,     kBar,
    kProgress,    kForceShare,
};
constexpr ImgOption kCommitOptions[] = {
    kHelp,
    kObject,
    kImageOpts,
    kQuiet,
    kFormat,
    kCache,
    {'b', "base", "FILE", "the image of the chain that takes the data (the backing file)"},
    {'d', "keep", "", "leave the image's own content as it is; with -b that is always so"},
    kRate,
    kBar,
    kProgress,
};
constexpr ImgOption kCompareOptions[] = {
    kHelp,
    kObject,
    kImageOpts,
    kFormat,
    {'F', "second-format", "FMT", "format of the second image"},
    kSourceCache,
    kBar,
    kProgress,
    kQuiet,
    {'s', "strict", "", "differing sizes or allocation are a difference, too"},
    kForceShare,
};
constexpr ImgOption kConvertOptions[] = {
    kHelp,
    kObject,
    kImageOpts,
    {0, "target-image-opts", "", "the target's name is a list of node options"},
    {0, "target-is-zero", "", "the target reads as zeroes already, so none need be written"},
    {0, "bitmaps", "", "copy the source's bitmaps, too"},
    {0, "skip-broken-bitmaps", "", "with --bitmaps, leave out those that are inconsistent"},
    kForceShare,
    {'C', "host-copy", "", "let the host copy between files (copy_file_range)"},
    {'c', "compress", "", "compress the target's clusters"},
    kBar,
    kProgress,
    kQuiet,
    {'n', "no-create", "", "the target exists: write into it"},
    kFormat,
    kCache,
    kSourceCache,
    {'O', "output-format", "FMT", "format of the target (raw)"},
    {'B', "backing", "FILE", "backing file of the target; what the source shares with it is not copied"},
    kBackingFormat,
    kOptions,
    {'l', "snapshot", "SNAPSHOT", "copy an internal snapshot instead of the disk"},
    {'S', "sparse", "SIZE", "shortest run of zeroes that becomes a hole (4k); 0: write everything"},
    kRate,
    {'m', "coroutines", "COUNT", "how many pieces to work on at a time, 1 to 16 (8)"},
    {'W', "out-of-order", "", "write pieces as they come, not in their order"},
    {0, "salvage", "", "what cannot be read becomes zeroes, with a warning"},
};
constexpr ImgOption kCreateOptions[] = {
    kHelp,    kObject, kQuiet, kFormat, kBacking, kBackingFormat, {'u', "unsafe", "", "do not open the backing file"},
    kOptions,
};
constexpr ImgOption kDdOptions[] = {
    kHelp, kObject, kImageOpts, kForceShare, kFormat, {'O', "output-format", "FMT", "format of the target (raw)"},
};
constexpr ImgOption kInfoOptions[] = {
    kHelp,       kObject, kImageOpts, kFormat, kOutput, {0, "backing-chain", "", "tell about the backing files, too"},
    kForceShare,
};
constexpr ImgOption kMapOptions[] = {
    kHelp,
    kObject,
    kImageOpts,
    kFormat,
    {'s', "start-offset", "OFFSET", "where to begin"},
    {'l', "max-length", "LENGTH", "how far to go from there"},
    kOutput,
    kForceShare,
};
constexpr ImgOption kMeasureOptions[] = {
    kHelp,
    kOutput,
    {'O', "output-format", "FMT", "format of the image to be (raw)"},
    kOptions,
    {0, "size", "SIZE", "size of an empty disk, instead of an image"},
    kObject,
    kImageOpts,
    kFormat,
    {'l', "snapshot", "SNAPSHOT", "measure an internal snapshot"},
    kForceShare,
};
constexpr ImgOption kProveOptions[] = {
    kHelp,
    kFormat,
    kOptions,
    {'t', "cache", "CACHE", "this mode only; may be given several times"},
    {0, "size", "SIZE", "size of the disk (1M)"},
    {0, "no-changes", "", "without the runs in which the mode changes under load"},
    {0, "requests", "COUNT", "of each recording (300)"},
    {0, "depth", "COUNT", "requests at a time (8)"},
    {0, "states", "COUNT", "images that are built of each recording, at most about (2000)"},
    {0, "seed", "NUMBER", "of the writers and of what is sampled (1)"},
    {0, "drop-flush", "N", "lie about the Nth flush or write-through write: the proof has to fail"},
    {0, "output", "FORMAT", "human, json, or markdown for the contract's table"},
};
constexpr ImgOption kRebaseOptions[] = {
    kHelp,
    kObject,
    kImageOpts,
    kForceShare,
    kQuiet,
    kFormat,
    kCache,
    kSourceCache,
    kBar,
    kProgress,
    {'u', "unsafe", "", "only write the name: both backing files have the same content, or one is missing"},
    kBacking,
    kBackingFormat,
};
constexpr ImgOption kResizeOptions[] = {
    kHelp,
    kObject,
    kImageOpts,
    kFormat,
    {0, "preallocation", "MODE", "how the new space is laid out: off, metadata, falloc or full"},
    kQuiet,
    {0, "shrink", "", "a smaller size is meant: what lies behind is lost"},
};

constexpr ImgOption kSnapshotOptions[] = {
    kHelp,
    kObject,
    kImageOpts,
    kFormat,
    kForceShare,
    kQuiet,
    {'l', "list", "", "list them (without another action)"},
    {'a', "apply", "SNAPSHOT", "put the disk back to what it was then"},
    {'c', "create", "SNAPSHOT", "take one"},
    {'d', "delete", "SNAPSHOT", "delete it"},
};

constexpr ImgCommand kCommands[] = {
    {"amend", "FILENAME", 0, 1, kAmendOptions, "Changes options of an image that exists", imgAmend},
    {"bench", "FILENAME", 1, 1, kBenchOptions, "Sends requests of one kind and tells how long they took", imgBench,
     true},
    {"bitmap", "FILENAME BITMAP", 2, 2, kBitmapOptions, "Makes, changes and removes a dirty bitmap in an image",
     imgBitmap},
    {"check", "FILENAME", 1, 1, kCheckOptions,
     "Tells whether an image's tables are sound: exit status 0 sound, 1 not checked, 2 corrupted, 3 leaks only, 63 "
     "nothing to check",
     imgCheck},
    {"commit", "FILENAME", 1, 1, kCommitOptions, "Writes what an image has over its backing file into that file",
     imgCommit},
    {"compare", "FILENAME1 FILENAME2", 2, 2, kCompareOptions,
     "Tells whether two images show the same disk: exit status 0 same, 1 different, above 1 an error", imgCompare, true,
     false, 2},
    {"convert", "FILENAME [FILENAME2...] TARGET", 0, 4096, kConvertOptions,
     "Copies one or several disks, one after the other, into a new image", imgConvert, true},
    {"create", "FILENAME [SIZE]", 0, 2, kCreateOptions, "Makes an image", imgCreate},
    {"dd", "[bs=SIZE] [count=BLOCKS] [skip=BLOCKS] if=INPUT of=OUTPUT", 1, 5, kDdOptions,
     "Copies part of a disk into a new image", imgDd, true},
    {"info", "FILENAME", 1, 1, kInfoOptions, "Tells what an image is", imgInfo},
    {"map", "FILENAME", 1, 1, kMapOptions, "Tells which ranges of a disk are stored where", imgMap},
    {"measure", "[FILENAME]", 0, 1, kMeasureOptions, "Tells how large a file an image would need", imgMeasure},
    {"prove", "[FOLDER]", 0, 1, kProveOptions,
     "Shows by recorded writers and rebuilt images that each cache mode keeps its promise: exit status 0 kept, 2 "
     "broken",
     imgProve, true},
    {"rebase", "FILENAME", 1, 1, kRebaseOptions, "Gives an image another backing file; its disk stays as it is",
     imgRebase},
    {"resize", "FILENAME [+|-]SIZE", 2, 2, kResizeOptions, "Gives a disk another size", imgResize, false, true},
    {"snapshot", "FILENAME", 1, 1, kSnapshotOptions, "Lists, takes, applies and deletes snapshots inside an image",
     imgSnapshot},
};

}  // namespace

std::span<const ImgCommand> imgCommands() { return kCommands; }

std::vector<std::string> imgCommandNames() {
  std::vector<std::string> names;
  for (const ImgCommand& command : kCommands) names.emplace_back(command.name);
  return names;
}

Result<const ImgCommand*> findImgCommand(std::string_view name) {
  for (const ImgCommand& command : kCommands) {
    if (command.name == name) return &command;
  }
  std::vector<std::string> near = nearestNames(name, std::span<const std::string>(imgCommandNames()));
  Error error(name.starts_with('-') ? fmt::format("'{}': a subcommand comes first", name)
                                    : fmt::format("there is no subcommand '{}'", name));
  if (near.empty()) return std::move(error).hint("rhea-img --help lists them");
  return std::move(error).candidates(std::move(near));
}

std::string imgHelp() {
  std::string text =
      "usage: rhea-img SUBCOMMAND [OPTIONS]\n"
      "Makes, examines, changes and copies disk images. rhea-img help SUBCOMMAND tells more; -V the version.\n\n";
  for (const ImgCommand& command : kCommands) {
    text += fmt::format("  {}\n", synopsis(command).substr(std::string_view("rhea-img ").size()));
  }
  text += "\nSizes are bytes or have a unit: 512, 64k, 10M, 1.5G, 2T.\n\nSupported formats:";
  for (const DriverInfo* driver : allDrivers()) text += fmt::format(" {}", driver->name);
  text += '\n';
  return text;
}

}  // namespace rhea::block
