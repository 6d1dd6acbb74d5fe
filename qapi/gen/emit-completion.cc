// Completion of the command line for bash: options, their keys, the values of keys that are enums or booleans, files.
#include <fmt/format.h>

#include "qapi/gen/emit.h"
#include "qapi/gen/keys.h"

namespace rhea::gen {

namespace {

// The fixed part of the script; the tables stand before it. Words are taken from the line at blanks, because bash
// splits at '=' and ':' too; what stands before the last of these is cut off again from what is offered.
constexpr std::string_view kScript = R"script(
_rhea_offer() {
    local cut=${1%"${1##*[=:]}"} word
    shift
    for word; do COMPREPLY+=("${word#"$cut"}"); done
}

# _rhea_pairs OPTION WORD: keys behind the last comma, or the values of the key there
_rhea_pairs() {
    local option=$1 word=$2 before= last key word_list
    last=${word##*,}
    before=${word%"$last"}
    if [[ $last == *=* ]]; then
        key=${last%%=*}
        word_list=${_rhea_values["$option.$key"]-}
        if [[ -n $word_list ]]; then
            _rhea_offer "$word" $(compgen -P "$before$key=" -W "$word_list" -- "${last#*=}")
        else
            compopt -o filenames 2> /dev/null
            mapfile -t COMPREPLY < <(compgen -f -- "${last#*=}")
        fi
    else
        compopt -o nospace 2> /dev/null
        _rhea_offer "$word" $(compgen -P "$before" -W "${_rhea_keys["$option"]-}" -- "$last")
        key=${_rhea_implied["$option"]-}
        if [[ -z $before && -n $key ]]; then
            _rhea_offer "$word" $(compgen -W "${_rhea_values["$option.$key"]-}" -- "$last")
        fi
    fi
}

_rhea() {
    local line=${COMP_LINE:0:COMP_POINT} word previous option
    COMPREPLY=()
    word=${line##*[[:space:]]}
    line=${line%"$word"}
    previous=${line%"${line##*[![:space:]]}"}
    previous=${previous##*[[:space:]]}
    option=${previous#-}
    option=${option#-}
    if [[ $previous == -* && ${_rhea_kind["$option"]-none} != none ]]; then
        case ${_rhea_kind["$option"]} in
            words) _rhea_offer "$word" $(compgen -W "${_rhea_keys["$option"]}" -- "$word") ;;
            pairs) _rhea_pairs "$option" "$word" ;;
            *) compopt -o filenames 2> /dev/null; mapfile -t COMPREPLY < <(compgen -f -- "$word") ;;
        esac
    elif [[ $word == --* ]]; then
        mapfile -t COMPREPLY < <(compgen -P - -W "$_rhea_options" -- "${word#-}")
    else
        mapfile -t COMPREPLY < <(compgen -W "$_rhea_options" -- "$word")
    fi
}

# rhea-shell SOCKET [command]
_rhea_shell() {
    local at count=0
    for ((at = 1; at < COMP_CWORD; ++at)); do [[ ${COMP_WORDS[at]} == -* ]] || count=$((count + 1)); done
    local word=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD-1]}
    if ((count == 0)); then
        compopt -o filenames 2> /dev/null
        mapfile -t COMPREPLY < <(compgen -f -- "$word")
    elif ((count == 1)); then
        mapfile -t COMPREPLY < <(compgen -W "$_rhea_commands" -- "$word")
    else
        mapfile -t COMPREPLY < <(compgen -W "${_rhea_words["$previous"]-}" -- "$word")
    fi
}

complete -F _rhea rhea rhea-system-x86_64
complete -F _rhea_shell rhea-shell
)script";

// "none|sdl" is a choice of words; anything else that is one word is taken for a file's name.
bool isChoice(const std::string& arguments) {
  return !arguments.empty() && std::ranges::all_of(arguments, [](char byte) {
    return (byte >= 'a' && byte <= 'z') || byte == '|' || byte == '-';
  });
}

struct Tables {
  std::string options;
  std::string kinds;
  std::string keys;
  std::string values;
  std::string implied;
};

void addOption(Tables& tables, const Entry& entry, const std::string& name) {
  tables.options += (tables.options.empty() ? "-" : " -") + name;
  if (entry.takes == "none") return;
  if (entry.takes == "string") {
    const bool choice = isChoice(entry.argumentsHelp);
    put(tables.kinds, "    ['{}']={}\n", name, choice ? "words" : "file");
    std::string words = entry.argumentsHelp;
    std::ranges::replace(words, '|', ' ');
    if (choice) put(tables.keys, "    ['{}']='{}'\n", name, words);
    return;
  }
  Keys keys;
  keys.addOption(entry);
  put(tables.kinds, "    ['{}']=pairs\n", name);
  put(tables.keys, "    ['{}']='", name);
  for (const Keys::Key& key : keys.all()) {
    put(tables.keys, "{}{}=", &key == &keys.all().front() ? "" : " ", key.name);
    if (!key.values.empty()) put(tables.values, "    ['{}.{}']='{}'\n", name, key.name, fmt::join(key.values, " "));
  }
  tables.keys += "'\n";
  if (!entry.impliedKey.empty()) put(tables.implied, "    ['{}']='{}'\n", name, entry.impliedKey);
}

// First words of the human forms, and for each first word the second ones.
void putForms(std::string& to, const Program& program) {
  std::map<std::string, std::vector<std::string>> words;
  const auto add = [&words](const Entry& entry) {
    if (!entry.human) return;
    std::vector<std::string>& second = words[entry.human->words.front()];
    if (entry.human->words.size() > 1 && std::ranges::find(second, entry.human->words[1]) == second.end()) {
      second.push_back(entry.human->words[1]);
    }
  };
  for (const Entry* entry : program.commands) add(*entry);
  for (const Entry* entry : program.humanCommands) add(*entry);
  std::string first;
  std::string table;
  for (auto& [word, second] : words) {
    first += (first.empty() ? "" : " ") + word;
    if (second.empty()) continue;
    std::ranges::sort(second);
    std::string list;
    for (const std::string& next : second) list += (list.empty() ? "" : " ") + next;
    put(table, "    ['{}']='{}'\n", word, list);
  }
  put(to, "_rhea_commands='{}'\ndeclare -gA _rhea_words=(\n{})\n", first, table);
}

}  // namespace

void emitCompletion(const Program& program, Output& output) {
  Tables tables;
  for (const Entry* entry : program.options) {
    if (!entry->refusal.empty()) continue;
    addOption(tables, *entry, entry->name);
    for (const std::string& alias : entry->aliases) addOption(tables, *entry, alias);
  }
  std::string& to = output.file(fmt::format("completion/{}.bash", program.name));
  put(to, "# bash completion for {}; generated by qapi-gen, do not edit.\n", program.name);
  put(to, "_rhea_options='{}'\n", tables.options);
  put(to, "declare -gA _rhea_kind=(\n{})\n", tables.kinds);
  put(to, "declare -gA _rhea_keys=(\n{})\n", tables.keys);
  put(to, "declare -gA _rhea_values=(\n{})\n", tables.values);
  put(to, "declare -gA _rhea_implied=(\n{})\n", tables.implied);
  putForms(to, program);
  to += kScript;
}

}  // namespace rhea::gen
