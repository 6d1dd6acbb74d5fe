#include "emu/object/secret.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "emu/base/base64.h"
#include "emu/io/fd.h"
#include "emu/io/offload.h"

namespace rhea::object {

namespace {

const Property kProperties[] = {
    property<&Secret::format, &Secret::setFormat>("format", Settable::kAtCreation, "\"raw\"",
                                                  "how the secret is written: raw or base64"),
    secretProperty<&Secret::setData>("data", "the secret itself; whoever sees the option sees it"),
    property<&Secret::file, &Secret::setFile>("file", Settable::kAtCreation, {}, "the file that holds the secret"),
};

constexpr std::size_t kLongest = std::size_t{64} << 10;

void wipe(std::string& text) { ::explicit_bzero(text.data(), text.size()); }

Result<std::string> readWhole(const std::string& path) {
  const Fd file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!file) return Error::fromErrno(errno, fmt::format("cannot open '{}'", path));
  std::string text(kLongest + 1, '\0');
  std::size_t length = 0;
  while (length < text.size()) {
    const ssize_t got = ::read(file.get(), text.data() + length, text.size() - length);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) {
      const int code = errno;
      wipe(text);
      return Error::fromErrno(code, fmt::format("cannot read '{}'", path));
    }
    if (got == 0) break;
    length += static_cast<std::size_t>(got);
  }
  if (length > kLongest) {
    wipe(text);
    return Error(fmt::format("'{}' is too long for a secret", path))
        .expected(fmt::format("at most {} bytes", kLongest));
  }
  text.resize(length);
  return text;
}

}  // namespace

void Secret::addClass(ClassTable& classes) {
  Class type;
  type.name = "secret";
  type.parent = "object";
  type.doc = "a password or key, kept out of command lines and lists";
  type.properties = kProperties;
  type.interfaces = {"user-creatable"};
  type.make = [](const Class& made, const Services&) -> std::unique_ptr<Object> {
    return std::make_unique<Secret>(made);
  };
  classes.add(std::move(type));
}

Secret::~Secret() {
  wipe(bytes_);
  if (data_) wipe(*data_);
}

Task<Result<void>> Secret::complete() {
  if (data_.has_value() == !file_.empty()) {
    co_return Error(data_ ? "both 'data' and 'file' are given" : "neither 'data' nor 'file' is given")
        .expected("one of the two");
  }
  std::string text;
  if (data_) {
    text = *data_;
    wipe(*data_);
    data_.reset();
  } else {
    auto read = [path = file_] { return readWhole(path); };
    RHEA_CO_TRY(text, co_await offload(read));
  }
  if (!base64_) {
    bytes_ = std::move(text);
    co_return success();
  }
  Result<std::string> decoded = decodeBase64(text);
  wipe(text);
  if (!decoded.ok()) co_return decoded.takeError();
  bytes_ = *std::move(decoded);
  co_return success();
}

Result<void> Secret::setFormat(std::string name) {
  if (name != "raw" && name != "base64") {
    return Error(fmt::format("there is no format '{}'", name)).expected("raw or base64");
  }
  base64_ = name == "base64";
  return success();
}

Result<void> Secret::setData(std::string text) {
  data_ = std::move(text);
  return success();
}

Result<void> Secret::setFile(std::string path) {
  file_ = std::move(path);
  return success();
}

}  // namespace rhea::object
