// qapi-gen: reads the schema, checks it, and writes every face of it.
//
//   qapi-gen --out FOLDER [--config CONFIG.H] [--program NAME]... SCHEMA.json...
//   qapi-gen --check [--config CONFIG.H] SCHEMA.json...
#include <cstdio>
#include <string>
#include <vector>

#include "qapi/gen/check.h"
#include "qapi/gen/emit.h"
#include "qapi/gen/load.h"

namespace {

using namespace rhea;

struct Arguments {
  std::string out;
  std::string config;
  std::vector<std::string> programs;
  std::vector<std::string> files;
  bool checkOnly = false;
  bool good = true;
};

Arguments readArguments(const std::vector<std::string>& words) {
  Arguments arguments;
  for (std::size_t at = 0; at < words.size(); ++at) {
    const std::string& word = words[at];
    const auto value = [&]() -> std::string {
      if (at + 1 < words.size()) return words[++at];
      arguments.good = false;
      return {};
    };
    if (word == "--out") {
      arguments.out = value();
    } else if (word == "--config") {
      arguments.config = value();
    } else if (word == "--program") {
      arguments.programs.push_back(value());
    } else if (word == "--check") {
      arguments.checkOnly = true;
    } else if (word.starts_with("-")) {
      arguments.good = false;
    } else {
      arguments.files.push_back(word);
    }
  }
  if (arguments.programs.empty()) arguments.programs.emplace_back("rhea");
  arguments.good = arguments.good && !arguments.files.empty() && (arguments.checkOnly || !arguments.out.empty());
  return arguments;
}

void emitAll(const gen::Schema& schema, const Arguments& arguments, gen::Output& output) {
  gen::emitTypes(schema, output);
  for (const std::string& name : arguments.programs) {
    const gen::Program program(name, schema);
    gen::emitDispatch(program, output);
    gen::emitHuman(program, output);
    gen::emitIntrospection(program, output);
    gen::emitOptions(program, output);
    gen::emitCompletion(program, output);
    gen::emitReference(program, output);
    gen::emitExamples(program, output);
  }
}

int run(const Arguments& arguments) {
  gen::Complaints complaints;
  gen::Config config;
  if (!arguments.config.empty()) config = gen::readConfig(arguments.config, complaints);
  gen::Schema schema = gen::load(arguments.files, config, complaints);
  gen::resolve(schema, complaints);
  gen::layOut(schema, complaints);
  if (!complaints.any()) gen::checkExamples(schema, complaints);
  if (complaints.any()) {
    for (const std::string& message : complaints.messages()) std::fprintf(stderr, "%s\n", message.c_str());
    return 1;
  }
  if (arguments.checkOnly) return 0;
  gen::Output output;
  emitAll(schema, arguments, output);
  const Result<std::size_t> written = output.write(arguments.out);
  if (written.ok()) return 0;
  std::fprintf(stderr, "qapi-gen: %s\n", written.error().message().c_str());
  return 1;
}

}  // namespace

int main(int count, char** words) {
  const Arguments arguments = readArguments(std::vector<std::string>(words + 1, words + count));
  if (!arguments.good) {
    std::fputs(
        "usage: qapi-gen --out FOLDER [--config CONFIG.H] [--program NAME]... SCHEMA.json...\n"
        "       qapi-gen --check [--config CONFIG.H] SCHEMA.json...\n",
        stderr);
    return 2;
  }
  return run(arguments);
}
