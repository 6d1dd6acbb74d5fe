// Human forms: "info block [-v:verbose] [device:drive-or-node]".
#include "qapi/gen/load.h"

namespace rhea::gen {

namespace {

constexpr std::string_view kKinds[] = {"drive",    "node", "drive-or-node", "device", "chardev", "job",  "object",
                                       "iothread", "file", "int",           "size",   "number",  "bool", "word",
                                       "string",   "enum", "command",       "path",   "keyval",  "rest"};

std::vector<std::string> splitAt(std::string_view text, char separator) {
  std::vector<std::string> parts;
  while (true) {
    const std::size_t at = text.find(separator);
    if (at != 0 || separator != ' ') parts.emplace_back(text.substr(0, at));
    if (at == std::string_view::npos) return parts;
    text.remove_prefix(at + 1);
  }
}

class FormParser {
 public:
  FormParser(const Place& place, Complaints& complaints) : place_(place), complaints_(complaints) {}

  HumanForm run(std::string_view text) {
    for (const std::string& token : splitAt(text, ' ')) {
      if (token.find(':') == std::string::npos && token.find('[') == std::string::npos) {
        word(token);
      } else {
        argument(token);
      }
    }
    if (form_.words.empty()) complain("", "a form begins with the words that are typed");
    form_.usage = usage();
    return std::move(form_);
  }

 private:
  void complain(std::string_view token, std::string_view what) {
    complaints_.add(place_, token.empty() ? std::string(what) : fmt::format("'{}': {}", token, what));
  }

  void word(const std::string& token) {
    if (!form_.arguments.empty()) complain(token, "a literal word behind an argument; an argument is NAME:KIND");
    if (token.empty()) return;
    form_.words.push_back(token);
  }

  void argument(std::string_view token) {
    FormArgument argument;
    std::string_view inner = token;
    if (inner.starts_with('[')) {
      if (!inner.ends_with(']')) return complain(token, "the closing ']' is missing");
      inner = inner.substr(1, inner.size() - 2);
      argument.optional = true;
    }
    const std::vector<std::string> parts = splitAt(inner, ':');
    if (inner.starts_with('-')) {
      if (!argument.optional || parts.size() != 2 || parts[0].size() != 2) {
        return complain(token, "a flag is [-LETTER:MEMBER]");
      }
      argument.flag = parts[0][1];
      argument.member = parts[1];
      argument.kind = "bool";
      form_.arguments.push_back(std::move(argument));
      return;
    }
    if (parts.size() < 2 || parts[0].empty() || std::ranges::find(kKinds, parts[1]) == std::end(kKinds)) {
      std::string known;
      for (const std::string_view kind : kKinds) known.append(known.empty() ? "" : " ").append(kind);
      return complain(token, fmt::format("an argument is NAME:KIND, with a KIND of {}", known));
    }
    argument.member = parts[0];
    argument.kind = parts[1];
    const bool mayName = argument.kind == "keyval" || argument.kind == "rest" || argument.kind == "word";
    if (argument.kind == "enum" ? parts.size() != 3 : parts.size() > (mayName ? 3U : 2U)) {
      return complain(token, "an enum is NAME:enum:TYPE; keyval, rest and word may name a type or an -option besides");
    }
    if (parts.size() == 3) (parts[2].starts_with('-') ? argument.option : argument.enumType.name) = parts[2];
    const bool afterRest = std::ranges::any_of(form_.arguments, [](const FormArgument& a) { return a.kind == "rest"; });
    if (afterRest) complain(token, "nothing can stand behind the rest of the line");
    const auto isOptionalWord = [](const FormArgument& a) { return a.flag == 0 && a.optional; };
    if (!argument.optional && std::ranges::any_of(form_.arguments, isOptionalWord)) {
      complain(token, "an argument that must be given stands behind one that may be left out");
    }
    form_.arguments.push_back(std::move(argument));
  }

  std::string usage() const {
    std::string text;
    for (const std::string& word : form_.words) text.append(text.empty() ? "" : " ").append(word);
    for (const FormArgument& argument : form_.arguments) {
      if (argument.flag != 0) {
        text += fmt::format(" [-{}]", argument.flag);
      } else {
        text += argument.optional ? fmt::format(" [{}]", argument.member) : " " + argument.member;
      }
    }
    return text;
  }

  Place place_;
  Complaints& complaints_;
  HumanForm form_;
};

}  // namespace

HumanForm parseForm(std::string_view form, const Place& place, Complaints& complaints) {
  return FormParser(place, complaints).run(form);
}

}  // namespace rhea::gen
