// Secret: an object of type secret; a password or key, given as text or as a file, that is never shown.
//
// Clients do not like to send keys in the clear. They give one secret, the master key, as a file at start, and every
// other one encrypted with it: AES-256-CBC, `keyid` the master key's id, `iv` the initial vector in Base64. What
// `format` says is then how the encrypted bytes are written; the decrypted ones are the secret itself.
#pragma once

#include "emu/object/object.h"

namespace rhea::object {

class ObjectTree;

class Secret final : public Object {
 public:
  static void addClass(ClassTable& classes);

  // `tree` is where the secret that `keyid` names is found.
  Secret(const Class& type, ObjectTree* tree) : Object(type), tree_(tree) {}
  ~Secret() override;

  // Reads the file off the loop. Errors: neither or both of data and file; the file; text that is no Base64; one of
  // keyid and iv without the other; a key that is not there or does not fit.
  Task<Result<void>> complete() override;

  // The bytes, decoded.
  const std::string& bytes() const { return bytes_; }

  std::string format() const { return base64_ ? "base64" : "raw"; }
  std::string file() const { return file_; }
  std::string keyId() const { return keyId_; }
  std::string initialVector() const { return initialVector_; }
  Result<void> setFormat(std::string name);
  Result<void> setData(std::string text);
  Result<void> setFile(std::string path);
  Result<void> setKeyId(std::string id);
  Result<void> setInitialVector(std::string base64);

 private:
  // What the secret named by keyid makes of `cipher`.
  Result<std::string> decrypt(const std::string& cipher) const;

  ObjectTree* tree_;
  bool base64_ = false;
  std::optional<std::string> data_;
  std::string file_;
  std::string keyId_;
  std::string initialVector_;  // in Base64
  std::string bytes_;
};

}  // namespace rhea::object
