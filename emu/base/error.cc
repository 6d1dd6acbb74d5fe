#include "emu/base/error.h"

#include <atomic>
#include <cstring>
#include <system_error>

namespace rhea {

struct Error::Detail {
  std::atomic<int> references{1};
  ErrorClass errorClass = ErrorClass::kGeneric;
  int code = 0;
  int exitCode = 1;
  std::string message;
  std::string where;
  std::string expected;
  std::string hint;
  std::vector<std::string> candidates;

  Detail() = default;
  Detail(const Detail& other)
      : errorClass(other.errorClass),
        code(other.code),
        exitCode(other.exitCode),
        message(other.message),
        where(other.where),
        expected(other.expected),
        hint(other.hint),
        candidates(other.candidates) {}
};

namespace {

std::string codeText(int code) { return code == 0 ? "unknown error" : std::generic_category().message(code); }

const std::vector<std::string>& noNames() {
  static const std::vector<std::string> kNone;
  return kNone;
}

}  // namespace

std::string_view toString(ErrorClass errorClass) {
  switch (errorClass) {
    case ErrorClass::kGeneric:
      return "GenericError";
    case ErrorClass::kCommandNotFound:
      return "CommandNotFound";
    case ErrorClass::kDeviceNotFound:
      return "DeviceNotFound";
    case ErrorClass::kDeviceNotActive:
      return "DeviceNotActive";
    case ErrorClass::kKvmMissingCap:
      return "KVMMissingCap";
  }
  return "GenericError";
}

Error::Error(ErrorClass errorClass, std::string message) : word_(reinterpret_cast<std::uintptr_t>(new Detail)) {
  Detail& made = own();
  made.errorClass = errorClass;
  made.message = std::move(message);
}

Error Error::fromErrno(int code, std::string message) {
  Error error(message + ": " + codeText(code));
  error.own().code = code;
  return error;
}

Error::Error(const Error& other) noexcept : word_(other.word_) {
  if (!isCode()) reinterpret_cast<Detail*>(word_)->references.fetch_add(1, std::memory_order_relaxed);
}

Error::~Error() {
  if (isCode()) return;
  auto* shared = reinterpret_cast<Detail*>(word_);
  if (shared->references.fetch_sub(1, std::memory_order_acq_rel) == 1) delete shared;
}

Error::Detail& Error::own() {
  if (isCode()) {
    const int code = static_cast<int>(word_ >> 1);
    auto* made = new Detail;
    made->code = code;
    made->message = codeText(code);
    word_ = reinterpret_cast<std::uintptr_t>(made);
    return *made;
  }
  auto* shared = reinterpret_cast<Detail*>(word_);
  if (shared->references.load(std::memory_order_acquire) == 1) return *shared;
  auto* copy = new Detail(*shared);
  if (shared->references.fetch_sub(1, std::memory_order_acq_rel) == 1) delete shared;
  word_ = reinterpret_cast<std::uintptr_t>(copy);
  return *copy;
}

Error&& Error::withClass(ErrorClass errorClass) && {
  own().errorClass = errorClass;
  return std::move(*this);
}

Error&& Error::where(std::string place) && {
  own().where = std::move(place);
  return std::move(*this);
}

Error&& Error::expected(std::string what) && {
  own().expected = std::move(what);
  return std::move(*this);
}

Error&& Error::candidates(std::vector<std::string> names) && {
  own().candidates = std::move(names);
  return std::move(*this);
}

Error&& Error::hint(std::string what) && {
  own().hint = std::move(what);
  return std::move(*this);
}

Error&& Error::withExitCode(int status) && {
  own().exitCode = status;
  return std::move(*this);
}

Error&& Error::context(std::string_view what) && {
  Detail& mine = own();
  mine.message.insert(0, ": ");
  mine.message.insert(0, what);
  return std::move(*this);
}

ErrorClass Error::errorClass() const noexcept { return isCode() ? ErrorClass::kGeneric : detail()->errorClass; }

int Error::code() const noexcept { return isCode() ? static_cast<int>(word_ >> 1) : detail()->code; }

int Error::exitCode() const noexcept { return isCode() ? 1 : detail()->exitCode; }

std::string Error::message() const { return isCode() ? codeText(static_cast<int>(word_ >> 1)) : detail()->message; }

std::string Error::describe() const {
  std::string text = message();
  if (isCode()) return text;
  const Detail& told = *detail();
  const auto line = [&text](std::string_view label, std::string_view value) {
    if (value.empty()) return;
    text.append("\n  ").append(label).append(value);
  };
  line("at: ", told.where);
  line("expected: ", told.expected);
  std::string names;
  for (const std::string& name : told.candidates) names.append(names.empty() ? "" : ", ").append(name);
  line("there is: ", names);
  line("", told.hint);
  return text;
}

std::string_view Error::whereText() const noexcept { return isCode() ? std::string_view() : detail()->where; }
std::string_view Error::expectedText() const noexcept { return isCode() ? std::string_view() : detail()->expected; }
std::string_view Error::hintText() const noexcept { return isCode() ? std::string_view() : detail()->hint; }
const std::vector<std::string>& Error::candidateNames() const noexcept {
  return isCode() ? noNames() : detail()->candidates;
}

}  // namespace rhea
