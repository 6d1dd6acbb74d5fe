// Result<T>: a value or an Error. What can fail returns it; exceptions are for bugs only.
//
//   Result<Fd> open(const std::string& path);
//   RHEA_TRY(Fd fd, open(path));          // returns the error to the caller, or declares fd
//   RHEA_CHECK(fd.truncate(size));        // the same where there is no value to keep
//   RHEA_CO_TRY / RHEA_CO_CHECK           // the same inside a coroutine
#pragma once

#include <memory>
#include <new>
#include <type_traits>
#include <utility>

#include "emu/base/error.h"

namespace rhea {

template <class T>
class [[nodiscard]] Result {
 public:
  using Value = T;

  Result(Error error) noexcept : ok_(false) { new (&error_) Error(std::move(error)); }  // NOLINT: implicit on purpose
  Result(T value) noexcept(std::is_nothrow_move_constructible_v<T>) : ok_(true) {       // NOLINT: implicit on purpose
    new (&value_) T(std::move(value));
  }
  template <class U>
  requires(std::is_convertible_v<U&&, T> && !std::is_same_v<std::remove_cvref_t<U>, Result> &&
           !std::is_same_v<std::remove_cvref_t<U>, Error> && !std::is_same_v<std::remove_cvref_t<U>, T>)
      Result(U&& value)
      : ok_(true) {  // NOLINT: implicit on purpose
    new (&value_) T(std::forward<U>(value));
  }
  Result(Result&& other) noexcept(std::is_nothrow_move_constructible_v<T>) : ok_(other.ok_) {
    if (ok_) {
      new (&value_) T(std::move(other.value_));
    } else {
      new (&error_) Error(std::move(other.error_));
    }
  }
  Result(const Result& other) requires std::is_copy_constructible_v<T> : ok_(other.ok_) {
    if (ok_) {
      new (&value_) T(other.value_);
    } else {
      new (&error_) Error(other.error_);
    }
  }
  Result& operator=(Result&& other) noexcept(std::is_nothrow_move_constructible_v<T>) {
    if (this != &other) {
      std::destroy_at(this);
      new (this) Result(std::move(other));
    }
    return *this;
  }
  ~Result() {
    if (ok_) {
      value_.~T();
    } else {
      error_.~Error();
    }
  }

  bool ok() const noexcept { return ok_; }
  explicit operator bool() const noexcept { return ok_; }
  T& value() & noexcept { return value_; }
  const T& value() const& noexcept { return value_; }
  T&& value() && noexcept { return std::move(value_); }
  T& operator*() & noexcept { return value_; }
  const T& operator*() const& noexcept { return value_; }
  T&& operator*() && noexcept { return std::move(value_); }
  T* operator->() noexcept { return &value_; }
  const T* operator->() const noexcept { return &value_; }
  const Error& error() const& noexcept { return error_; }
  Error&& error() && noexcept { return std::move(error_); }
  Error takeError() noexcept { return std::move(error_); }

 private:
  union {
    T value_;
    Error error_;
  };
  bool ok_;
};

template <>
class [[nodiscard]] Result<void> {
 public:
  using Value = void;

  Result() noexcept : error_(Error::fromErrno(0)), ok_(true) {}
  Result(Error error) noexcept : error_(std::move(error)), ok_(false) {}  // NOLINT: implicit on purpose

  bool ok() const noexcept { return ok_; }
  explicit operator bool() const noexcept { return ok_; }
  const Error& error() const& noexcept { return error_; }
  Error&& error() && noexcept { return std::move(error_); }
  Error takeError() noexcept { return std::move(error_); }

 private:
  Error error_;
  bool ok_;
};

// The good end of a Result<void>.
inline Result<void> success() noexcept { return {}; }

}  // namespace rhea

#define RHEA_CONCAT_INNER(a, b) a##b
#define RHEA_CONCAT(a, b) RHEA_CONCAT_INNER(a, b)
#define RHEA_TRY_WITH(leave, holder, declaration, ...) \
  auto holder = (__VA_ARGS__);                         \
  if (!holder.ok()) leave holder.takeError();          \
  declaration = *std::move(holder)
#define RHEA_CHECK_WITH(leave, holder, ...)                                  \
  do {                                                                       \
    if (auto holder = (__VA_ARGS__); !holder.ok()) leave holder.takeError(); \
  } while (false)

#define RHEA_TRY(declaration, ...) RHEA_TRY_WITH(return, RHEA_CONCAT(tried_, __COUNTER__), declaration, __VA_ARGS__)
#define RHEA_CO_TRY(declaration, ...) \
  RHEA_TRY_WITH(co_return, RHEA_CONCAT(tried_, __COUNTER__), declaration, __VA_ARGS__)
#define RHEA_CHECK(...) RHEA_CHECK_WITH(return, RHEA_CONCAT(checked_, __COUNTER__), __VA_ARGS__)
#define RHEA_CO_CHECK(...) RHEA_CHECK_WITH(co_return, RHEA_CONCAT(checked_, __COUNTER__), __VA_ARGS__)
