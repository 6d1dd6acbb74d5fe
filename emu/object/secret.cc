#include "emu/object/secret.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "emu/base/aes-cbc.h"
#include "emu/base/base64.h"
#include "emu/io/fd.h"
#include "emu/io/offload.h"
#include "emu/object/tree.h"

namespace rhea::object {

namespace {

const Property kProperties[] = {
    property<&Secret::format, &Secret::setFormat>("format", Settable::kAtCreation, "\"raw\"",
                                                  "how the secret is written: raw or base64"),
    secretProperty<&Secret::setData>("data", "the secret itself; whoever sees the option sees it"),
    property<&Secret::file, &Secret::setFile>("file", Settable::kAtCreation, {}, "the file that holds the secret"),
    property<&Secret::keyId, &Secret::setKeyId>("keyid", Settable::kAtCreation, {},
                                                "the secret that this one is encrypted with (AES-256-CBC)"),
    property<&Secret::initialVector, &Secret::setInitialVector>("iv", Settable::kAtCreation, {},
                                                                "the initial vector, 16 bytes in Base64; with keyid"),
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
  type.make = [](const Class& made, const Services& services) -> std::unique_ptr<Object> {
    return std::make_unique<Secret>(made, services.find<ObjectTree>());
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
  if (keyId_.empty() != initialVector_.empty()) {
    co_return Error(keyId_.empty() ? "'iv' is given without 'keyid'" : "'keyid' is given without 'iv'")
        .expected("both, for a secret that is encrypted, or neither");
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
  if (base64_) {
    Result<std::string> decoded = decodeBase64(text);
    wipe(text);
    if (!decoded.ok()) co_return decoded.takeError();
    text = *std::move(decoded);
  }
  if (!keyId_.empty()) {
    RHEA_CO_TRY(text, decrypt(text));
  }
  bytes_ = std::move(text);
  co_return success();
}

Result<std::string> Secret::decrypt(const std::string& cipher) const {
  if (tree_ == nullptr) return Error("there are no objects here that 'keyid' could name");
  Result<Secret*> key = tree_->made<Secret>(keyId_, "secret");
  if (!key.ok()) return key.takeError().context("keyid").where("keyid");
  Result<std::string> vector = decodeBase64(initialVector_);
  if (!vector.ok()) return vector.takeError().context("iv").where("iv");
  return decryptAes256Cbc((*key)->bytes_, *vector, cipher);
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

Result<void> Secret::setKeyId(std::string id) {
  keyId_ = std::move(id);
  return success();
}

Result<void> Secret::setInitialVector(std::string base64) {
  initialVector_ = std::move(base64);
  return success();
}

}  // namespace rhea::object
