// A page of documentation as it is built; one walker over the schema writes Markdown and mdoc (manual pages) through
// it.
#pragma once

#include "qapi/gen/output.h"

namespace rhea::gen {

struct Item {
  std::string term;  // "device"
  std::string note;  // "str, optional"; may be empty
  std::string doc;
};

class Page {
 public:
  virtual ~Page() = default;
  virtual void section(std::string_view title) = 0;
  // One command, type or option: `name` with what it is behind it ("command", or arguments).
  virtual void entry(std::string_view name, std::string_view what) = 0;
  // Prose; what stands between backquotes is set as code.
  virtual void text(std::string_view prose) = 0;
  // A list under a short title, which may be empty.
  virtual void items(std::string_view title, const std::vector<Item>& items) = 0;
  virtual void code(const std::vector<std::string>& lines) = 0;

  const std::string& result() const { return text_; }
  std::string& result() { return text_; }

 protected:
  std::string text_;
};

class MarkdownPage final : public Page {
 public:
  void section(std::string_view title) override;
  void entry(std::string_view name, std::string_view what) override;
  void text(std::string_view prose) override;
  void items(std::string_view title, const std::vector<Item>& items) override;
  void code(const std::vector<std::string>& lines) override;
};

// mdoc(7); mandoc -Tlint is content with it: lines of at most 80 bytes, a new line for each sentence.
class MdocPage final : public Page {
 public:
  void section(std::string_view title) override;
  void entry(std::string_view name, std::string_view what) override;
  void text(std::string_view prose) override;
  void items(std::string_view title, const std::vector<Item>& items) override;
  void code(const std::vector<std::string>& lines) override;

 private:
  bool fresh_ = true;  // right behind a heading: no paragraph break
};

}  // namespace rhea::gen
