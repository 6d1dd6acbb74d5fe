// Secret: an object of type secret; a password or key, given as text or as a file, that is never shown.
#pragma once

#include "emu/object/object.h"

namespace rhea::object {

class Secret final : public Object {
 public:
  static void addClass(ClassTable& classes);

  explicit Secret(const Class& type) : Object(type) {}
  ~Secret() override;

  // Reads the file off the loop. Errors: neither or both of data and file; the file; text that is no Base64.
  Task<Result<void>> complete() override;

  // The bytes, decoded.
  const std::string& bytes() const { return bytes_; }

  std::string format() const { return base64_ ? "base64" : "raw"; }
  std::string file() const { return file_; }
  Result<void> setFormat(std::string name);
  Result<void> setData(std::string text);
  Result<void> setFile(std::string path);

 private:
  bool base64_ = false;
  std::optional<std::string> data_;
  std::string file_;
  std::string bytes_;
};

}  // namespace rhea::object
