// Error: what went wrong, told so that a person can act on it and a program can tell the cases apart.
//
// An Error is one word. On a data path it is an errno value and costs no allocation; text is built when somebody prints
// it. A described error owns a counted block with the class that QMP clients tell apart, the message, and the members
// that help: where (JSON path, option, file, offset), expected, candidates, hint.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace rhea {

// The error classes of the QMP wire ("class" of an error reply).
enum class ErrorClass : std::uint8_t {
  kGeneric,
  kCommandNotFound,
  kDeviceNotFound,
  kDeviceNotActive,
  kKvmMissingCap,
};

// The wire name, "GenericError" and so on.
std::string_view toString(ErrorClass errorClass);

class Error {
 public:
  // A bare host error; `code` is an errno value above 0. No allocation.
  static Error fromErrno(int code) noexcept { return Error((static_cast<std::uintptr_t>(code) << 1) | 1U); }
  // A host error with a sentence in front: "cannot open 'x': No such file or directory".
  static Error fromErrno(int code, std::string message);

  explicit Error(std::string message) : Error(ErrorClass::kGeneric, std::move(message)) {}
  Error(ErrorClass errorClass, std::string message);

  Error(const Error& other) noexcept;
  Error(Error&& other) noexcept : word_(std::exchange(other.word_, kMovedFrom)) {}
  Error& operator=(Error other) noexcept {
    std::swap(word_, other.word_);
    return *this;
  }
  ~Error();

  // Members that help; each returns the same error so that they chain: `return Error("..").hint("..")`.
  Error&& withClass(ErrorClass errorClass) &&;
  Error&& where(std::string place) &&;    // "arguments.options[0].cache.direct", "vm.qcow2, offset 65536"
  Error&& expected(std::string what) &&;  // "a boolean"
  Error&& candidates(std::vector<std::string> names) &&;  // what exists, nearest first
  Error&& hint(std::string what) &&;                      // what to do next, as a command or option to type
  Error&& withExitCode(int status) &&;                    // process exit status when this ends the program (default 1)
  // Puts "what: " before the message; the outermost call reads first.
  Error&& context(std::string_view what) &&;

  ErrorClass errorClass() const noexcept;
  int code() const noexcept;  // errno value, 0 where the host had no part in it
  int exitCode() const noexcept;
  std::string message() const;   // one line, with context; the "desc" of a QMP reply
  std::string describe() const;  // message plus indented lines: where, expected, candidates, hint; no final newline
  std::string_view whereText() const noexcept;
  std::string_view expectedText() const noexcept;
  std::string_view hintText() const noexcept;
  const std::vector<std::string>& candidateNames() const noexcept;

 private:
  struct Detail;
  static constexpr std::uintptr_t kMovedFrom = 1;  // errno 0
  explicit Error(std::uintptr_t word) noexcept : word_(word) {}
  bool isCode() const noexcept { return (word_ & 1U) != 0; }
  const Detail* detail() const noexcept { return reinterpret_cast<const Detail*>(word_); }
  Detail& own();  // a block of this error alone, made from the code or copied when it is shared

  std::uintptr_t word_;
};

}  // namespace rhea
