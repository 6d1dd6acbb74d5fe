#include "emu/machine/expression.h"

#include <charconv>

#include "emu/base/names.h"

namespace rhea::machine {

namespace {

constexpr unsigned kDeepest = 64;

class Evaluator {
 public:
  Evaluator(std::string_view text, const Registers& registers) : text_(text), registers_(registers) {}

  Result<std::uint64_t> all() {
    RHEA_TRY(const std::uint64_t value, logic());
    if (peek() != '\0') return unexpected("an operator");
    return value;
  }

 private:
  char peek() {
    while (at_ < text_.size() && (text_[at_] == ' ' || text_[at_] == '\t')) ++at_;
    return at_ < text_.size() ? text_[at_] : '\0';
  }
  Error unexpected(std::string_view what) const {
    const std::string found = at_ < text_.size() ? fmt::format("'{}'", text_.substr(at_)) : std::string("its end");
    return Error(fmt::format("the expression '{}' has {} where {} is expected", text_, found, what));
  }

  Result<std::uint64_t> logic() {
    RHEA_TRY(std::uint64_t value, sum());
    for (char c = peek(); c == '&' || c == '|' || c == '^'; c = peek()) {
      ++at_;
      RHEA_TRY(const std::uint64_t other, sum());
      value = c == '&' ? value & other : c == '|' ? value | other : value ^ other;
    }
    return value;
  }

  Result<std::uint64_t> sum() {
    RHEA_TRY(std::uint64_t value, product());
    for (char c = peek(); c == '+' || c == '-'; c = peek()) {
      ++at_;
      RHEA_TRY(const std::uint64_t other, product());
      value = c == '+' ? value + other : value - other;
    }
    return value;
  }

  Result<std::uint64_t> product() {
    RHEA_TRY(std::uint64_t value, unary());
    for (char c = peek(); c == '*' || c == '/' || c == '%'; c = peek()) {
      ++at_;
      RHEA_TRY(const std::uint64_t other, unary());
      if (c != '*' && other == 0) return Error(fmt::format("the expression '{}' divides by zero", text_));
      value = c == '*' ? value * other : c == '/' ? value / other : value % other;
    }
    return value;
  }

  Result<std::uint64_t> unary() {
    if (++depth_ > kDeepest) return Error("the expression is nested too deeply");
    Result<std::uint64_t> value = operand();
    --depth_;
    return value;
  }

  Result<std::uint64_t> operand() {
    const char c = peek();
    if (c == '-' || c == '+' || c == '~') {
      ++at_;
      RHEA_TRY(const std::uint64_t value, unary());
      return c == '-' ? ~value + 1 : c == '~' ? ~value : value;
    }
    if (c == '(') {
      ++at_;
      RHEA_TRY(const std::uint64_t value, logic());
      if (peek() != ')') return unexpected("')'");
      ++at_;
      return value;
    }
    if (c == '\'' && at_ + 2 < text_.size() && text_[at_ + 2] == '\'') {
      const auto value = static_cast<std::uint8_t>(text_[at_ + 1]);
      at_ += 3;
      return std::uint64_t{value};
    }
    if (c == '$') return registerValue();
    return number();
  }

  Result<std::uint64_t> number() {
    std::string_view rest = text_.substr(at_);
    int base = 10;
    std::size_t skip = 0;
    if (rest.starts_with("0x") || rest.starts_with("0X")) {
      base = 16;
      skip = 2;
    } else if (rest.size() > 1 && rest[0] == '0' && rest[1] >= '0' && rest[1] <= '7') {
      base = 8;
    }
    std::uint64_t value = 0;
    const auto [end, error] = std::from_chars(rest.data() + skip, rest.data() + rest.size(), value, base);
    if (error == std::errc::result_out_of_range) return Error(fmt::format("'{}' has more than 64 bits", rest));
    if (error != std::errc()) return unexpected("a number, a register or '('");
    at_ += static_cast<std::size_t>(end - rest.data());
    return value;
  }

  Result<std::uint64_t> registerValue() {
    const std::size_t begin = ++at_;
    while (at_ < text_.size() && (std::isalnum(static_cast<unsigned char>(text_[at_])) != 0 || text_[at_] == '_'))
      ++at_;
    std::string_view name = text_.substr(begin, at_ - begin);
    if (name == "pc" || name == "eip") name = "rip";
    if (name == "sp") name = "rsp";
    if (name == "eflags") name = "rflags";
    if (const auto found = registers_.find(name); found != registers_.end()) return found->second;
    std::vector<std::string_view> known;
    for (const auto& [one, value] : registers_) known.push_back(one);
    return Error(fmt::format("there is no register '${}'", name)).candidates(nearestNames(name, known));
  }

  std::string_view text_;
  const Registers& registers_;
  std::size_t at_ = 0;
  unsigned depth_ = 0;
};

}  // namespace

Result<std::uint64_t> evaluate(std::string_view text, const Registers& registers) {
  return Evaluator(text, registers).all();
}

}  // namespace rhea::machine
