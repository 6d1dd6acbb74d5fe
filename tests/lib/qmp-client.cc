#include "tests/lib/qmp-client.h"

#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <stdexcept>

namespace rhea::test {

namespace {

constexpr double kReplySeconds = 30;

bool isEvent(json::View message) { return message.isObject() && message.find("event").has_value(); }

}  // namespace

QmpClient::QmpClient(const std::string& path, bool negotiate) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof address.sun_path) throw std::runtime_error("socket path too long: " + path);
  std::memcpy(address.sun_path, path.c_str(), path.size());
  socket_ = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (connect(socket_, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
    const std::string reason = std::strerror(errno);
    close(socket_);
    throw std::runtime_error("cannot connect to " + path + ": " + reason);
  }
  std::optional<json::Value> greeting = receive(kReplySeconds);
  if (!greeting || !greeting->find("QMP")) {
    close(socket_);
    throw std::runtime_error("no greeting on " + path);
  }
  greeting_ = *std::move(greeting);
  if (negotiate) returned("qmp_capabilities");
}

QmpClient::~QmpClient() { close(socket_); }

void QmpClient::send(const std::string& text, int descriptor) {
  std::size_t sent = 0;
  while (sent < text.size()) {
    iovec part{const_cast<char*>(text.data()) + sent, text.size() - sent};
    msghdr message{};
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof(int))> control{};
    if (descriptor >= 0 && sent == 0) {
      message.msg_control = control.data();
      message.msg_controllen = control.size();
      cmsghdr* header = CMSG_FIRSTHDR(&message);
      header->cmsg_level = SOL_SOCKET;
      header->cmsg_type = SCM_RIGHTS;
      header->cmsg_len = CMSG_LEN(sizeof(int));
      std::memcpy(CMSG_DATA(header), &descriptor, sizeof descriptor);
    }
    const ssize_t got = sendmsg(socket_, &message, MSG_NOSIGNAL);
    if (got < 0 && errno != EINTR) throw std::runtime_error(std::string("cannot send: ") + std::strerror(errno));
    if (got > 0) sent += static_cast<std::size_t>(got);
  }
}

std::optional<json::Value> QmpClient::receive(double seconds) {
  const std::optional<std::string> text = receiveText(seconds);
  if (!text) return {};
  Result<json::Value> message = json::parse(*text);
  if (!message.ok()) throw std::runtime_error("not JSON: " + *text);
  return *std::move(message);
}

std::optional<std::string> QmpClient::receiveText(double seconds) {
  const auto end = std::chrono::steady_clock::now() + std::chrono::duration<double>(seconds);
  while (true) {
    if (const std::size_t line = input_.find('\n', searched_); line != std::string::npos) {
      std::string text = input_.substr(0, line);
      input_.erase(0, line + 1);
      searched_ = 0;
      return text;
    }
    searched_ = input_.size();
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(end - std::chrono::steady_clock::now());
    pollfd waiting{socket_, POLLIN, 0};
    if (ended_ || poll(&waiting, 1, static_cast<int>(std::max<std::int64_t>(left.count(), 0))) <= 0) return {};
    std::array<char, 65536> bytes;
    const ssize_t got = read(socket_, bytes.data(), bytes.size());
    if (got <= 0) {
      ended_ = true;
      return {};
    }
    input_.append(bytes.data(), static_cast<std::size_t>(got));
  }
}

json::Value QmpClient::ask(const std::string& message, int descriptor) {
  send(message + "\n", descriptor);
  while (std::optional<json::Value> answer = receive(kReplySeconds)) {
    if (!isEvent(*answer)) return *std::move(answer);
    events_.push_back(*std::move(answer));
  }
  throw std::runtime_error((ended_ ? "connection closed before the reply to " : "no reply to ") + message);
}

json::Value QmpClient::execute(const std::string& command, const std::string& arguments) {
  return ask("{\"execute\": \"" + command + "\"" + (arguments.empty() ? "" : ", \"arguments\": " + arguments) + "}");
}

json::Value QmpClient::returned(const std::string& command, const std::string& arguments) {
  const json::Value reply = execute(command, arguments);
  const std::optional<json::View> value = reply.find("return");
  if (!value) throw std::runtime_error(command + " " + arguments + " failed: " + reply.text());
  return json::Value(*value);
}

std::optional<json::Value> QmpClient::event(const std::function<bool(json::View)>& wanted, double seconds) {
  for (auto kept = events_.begin(); kept != events_.end(); ++kept) {
    if (!wanted(*kept)) continue;
    json::Value found = *kept;
    events_.erase(kept);
    return found;
  }
  const auto end = std::chrono::steady_clock::now() + std::chrono::duration<double>(seconds);
  while (true) {
    const std::chrono::duration<double> left = end - std::chrono::steady_clock::now();
    std::optional<json::Value> message = receive(std::max(left.count(), 0.0));
    if (!message) return {};
    if (!isEvent(*message)) throw std::runtime_error("a reply that nobody asked for: " + message->text());
    if (wanted(*message)) return message;
    events_.push_back(*std::move(message));
  }
}

std::optional<json::Value> QmpClient::event(const std::string& name, double seconds) {
  const std::function<bool(json::View)> wanted = [&name](json::View message) {
    return message.find("event")->asString() == name;
  };
  return event(wanted, seconds);
}

bool QmpClient::closed(double seconds) {
  const auto end = std::chrono::steady_clock::now() + std::chrono::duration<double>(seconds);
  while (!ended_) {
    const std::chrono::duration<double> left = end - std::chrono::steady_clock::now();
    if (left.count() <= 0) return false;
    if (std::optional<json::Value> message = receive(left.count()); message && isEvent(*message)) {
      events_.push_back(*std::move(message));
    }
  }
  return true;
}

}  // namespace rhea::test
