#include "monitor/human/local.h"

#include "monitor/human/print-block.h"
#include "monitor/human/table.h"
#include "qapi/commands-block-core.h"

namespace rhea::monitor {

namespace {

std::string textOf(json::View arguments, std::string_view name) {
  const std::optional<json::View> member = arguments.find(name);
  return member && member->isString() ? std::string(member->asString()) : std::string();
}

bool isSet(json::View arguments, std::string_view name) {
  const std::optional<json::View> member = arguments.find(name);
  return member && member->kind() == json::Kind::kBool && member->asBool();
}

Task<Result<HumanOutput>> runHelp(LocalContext context, json::Value arguments) {
  const std::vector<Word> words = splitWords(textOf(arguments, "name"));
  std::string text = helpText(context.forms, words, context.dress);
  if (text.empty()) co_return context.forms.unknown(words);
  co_return HumanOutput(std::move(text));
}

Task<Result<HumanOutput>> runInfo(LocalContext context, json::Value) {
  const std::vector<Word> words = splitWords("info");
  co_return HumanOutput(helpText(context.forms, words, context.dress));
}

Task<Result<HumanOutput>> runHistory(LocalContext, json::Value) {
  co_return Error("the lines that were entered are known to the terminal only").hint("type it there");
}

Task<Result<HumanOutput>> infoNodes(LocalContext context, std::string name, bool verbose) {
  RHEA_CO_TRY(json::Text reply, co_await context.executor.execute("query-named-block-nodes", "{\"flat\": true}"));
  RHEA_CO_TRY(const json::Value value, json::parse(reply));
  RHEA_CO_TRY(auto nodes, json::readJson<std::vector<qapi::BlockDeviceInfo>>(value));
  if (name.empty()) co_return HumanOutput(printNodesAsMedia(nodes, verbose), std::move(reply));
  std::vector<std::string> names;
  for (const qapi::BlockDeviceInfo& node : nodes) names.push_back(node.nodeName.value_or(""));
  std::erase_if(nodes, [&](const qapi::BlockDeviceInfo& node) { return node.nodeName != name; });
  if (nodes.empty()) {
    co_return Error(ErrorClass::kDeviceNotFound, fmt::format("no drive or node is called '{}'", name))
        .candidates(std::move(names));
  }
  co_return HumanOutput(printNodesAsMedia(nodes, verbose), json::toText(nodes));
}

Task<Result<HumanOutput>> runInfoBlock(LocalContext context, json::Value arguments) {
  const std::string name = textOf(arguments, "device");
  const bool verbose = isSet(arguments, "verbose");
  if (isSet(arguments, "nodes")) co_return co_await infoNodes(context, name, verbose);
  RHEA_CO_TRY(json::Text reply, co_await context.executor.execute("query-block", "{}"));
  RHEA_CO_TRY(const json::Value value, json::parse(reply));
  RHEA_CO_TRY(auto drives, json::readJson<std::vector<qapi::BlockInfo>>(value));
  if (name.empty()) {
    std::string text = printDrives(drives, verbose);
    if (text.empty()) text = "no drive: drive_add makes one\n";
    co_return HumanOutput(std::move(text), std::move(reply));
  }
  std::erase_if(drives, [&](const qapi::BlockInfo& drive) { return drive.device != name && drive.qdev != name; });
  if (drives.empty()) co_return co_await infoNodes(context, name, verbose);
  co_return HumanOutput(printDrives(drives, verbose), json::toText(drives));
}

struct Row {
  std::string_view name;
  LocalCommand run;
};
constexpr Row kRows[] = {
    {"help", runHelp}, {"info", runInfo}, {"info block", runInfoBlock}, {"info history", runHistory}};

std::string argumentHelp(const HumanForm& form, std::size_t columns) {
  std::vector<std::pair<std::string, std::string>> facts;
  for (const HumanArgument& argument : form.arguments) {
    std::string doc(argument.doc);
    std::string values;
    if (argument.kind == ArgumentKind::kEnum) {
      for (const std::string_view value : argument.values) values.append(values.empty() ? "" : ", ").append(value);
    }
    if (!values.empty()) doc += fmt::format(" ({})", values);
    if (argument.kind == ArgumentKind::kSize) doc += " (k, M, G, T behind the number; MiB without)";
    facts.emplace_back(argument.flag != 0 ? fmt::format("-{}", argument.flag) : std::string(argument.member),
                       std::move(doc));
  }
  return renderFacts(facts, 2, columns);
}

std::string formHelp(const HumanForm& form, const Dress& dress) {
  const std::size_t columns = dress.columns();
  std::string text = dress.paint(Tone::kHeading, wrapped(form.usage, columns, 4, 0)) + "\n";
  text.append("  ").append(wrapped(form.doc, columns, 2, 2)).append("\n").append(argumentHelp(form, columns));
  if (!form.aliases.empty()) {
    text += "  also: ";
    for (const std::string_view alias : form.aliases)
      text.append(alias).append(alias == form.aliases.back() ? "\n" : ", ");
  }
  for (const std::string_view example : form.examples) text += fmt::format("  example: {}\n", example);
  return text;
}

std::string firstSentence(std::string_view doc) {
  const std::size_t end = doc.find(". ");
  return std::string(end == std::string_view::npos ? doc : doc.substr(0, end + 1));
}

std::string listing(std::span<const HumanForm* const> forms, const Dress& dress) {
  std::vector<std::pair<std::string, std::string>> terms;
  for (const HumanForm* form : forms) terms.emplace_back(form->usage, firstSentence(form->doc));
  return renderTerms(terms, dress);
}

}  // namespace

LocalCommand localCommand(std::string_view name) {
  const auto* const row =
      std::find_if(std::begin(kRows), std::end(kRows), [&](const Row& one) { return one.name == name; });
  return row == std::end(kRows) ? nullptr : row->run;
}

std::string helpText(const FormTable& forms, std::span<const Word> words, const Dress& dress) {
  if (words.empty()) {
    constexpr std::string_view kMore =
        "help COMMAND tells more; -j behind a command gives its reply as JSON; Tab completes.";
    return listing(forms.forms(), dress) + wrapped(kMore, dress.columns(), 0, 0) + "\n";
  }
  const std::vector<const HumanForm*> under = forms.formsUnder(words.front().text);
  const auto [form, used] = forms.match(words);
  const bool group = words.size() == 1 && under.size() > 1;
  if (group) return listing(under, dress);
  return form == nullptr || used < words.size() ? std::string() : formHelp(*form, dress);
}

}  // namespace rhea::monitor
