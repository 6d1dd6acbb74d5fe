// What is made of the table for the manual page and for shells.
#include "block/tool/img/table.h"

namespace rhea::block {

namespace {

// A backslash and a leading dot mean something to mdoc, and so does a line's first apostrophe.
std::string escaped(std::string_view text) {
  std::string safe;
  for (const char letter : text) safe += letter == '\\' ? std::string("\\e") : std::string(1, letter);
  return safe.starts_with('.') || safe.starts_with('\'') ? "\\&" + safe : safe;
}

std::string optionManual(const ImgOption& option) {
  std::string names = option.letter != 0 ? fmt::format(".It Fl {} , -{}", option.letter, option.name)
                                         : fmt::format(".It Fl -{}", option.name);
  if (option.takesValue()) names += fmt::format(" Ns = Ns Ar {}", option.value);
  if (option.mayTakeValue()) names += fmt::format(" Ns Op {}", option.value.substr(1, option.value.size() - 2));
  return fmt::format("{}\n{}.\n", names, escaped(option.doc));
}

}  // namespace

std::string imgManual() {
  std::string text;
  for (const ImgCommand& command : imgCommands()) {
    text += fmt::format(".Ss {}\n.D1 {}\n.Pp\n{}.\n", command.name, escaped(synopsis(command)), escaped(command.doc));
    text += ".Bl -tag -width Ds\n";
    for (const ImgOption& option : command.options) {
      if (option.name != "help") text += optionManual(option);
    }
    text += ".El\n";
  }
  return text;
}

std::string imgCompletion() {
  std::string names;
  std::string cases;
  for (const ImgCommand& command : imgCommands()) {
    names += fmt::format("{}{}", names.empty() ? "" : " ", command.name);
    std::string options;
    for (const ImgOption& option : command.options) {
      options += fmt::format("{}--{}{}", options.empty() ? "" : " ", option.name, option.takesValue() ? "=" : "");
    }
    cases += fmt::format("        {}) words='{}' ;;\n", command.name, options);
  }
  return fmt::format(R"(# bash completion of rhea-img, written by `rhea-img help --bash`.
_rhea_img() {{
    local current=${{COMP_WORDS[COMP_CWORD]}} words=
    if [ "$COMP_CWORD" -eq 1 ]; then
        COMPREPLY=($(compgen -W '{} help' -- "$current"))
        return
    fi
    case ${{COMP_WORDS[1]}} in
{}    esac
    case $current in
        -*) COMPREPLY=($(compgen -W "$words" -- "$current")) ;;
        *) COMPREPLY=($(compgen -f -- "$current")) ;;
    esac
    case ${{COMPREPLY[0]:-}} in *=) [ "${{#COMPREPLY[@]}}" -eq 1 ] && compopt -o nospace ;; esac
}}
complete -o filenames -F _rhea_img rhea-img
)",
                     names, cases);
}

}  // namespace rhea::block
