// QmpClient: one client of a QMP socket, blocking, for tests. Whatever goes wrong is an exception with the reason.
#pragma once

#include <sys/types.h>

#include <deque>
#include <functional>
#include <string>

#include "emu/base/json.h"

namespace rhea::test {

class QmpClient {
 public:
  // Connects to a unix socket and reads the greeting; `negotiate` sends qmp_capabilities too.
  explicit QmpClient(const std::string& path, bool negotiate = true);
  ~QmpClient();
  QmpClient(const QmpClient&) = delete;
  QmpClient& operator=(const QmpClient&) = delete;

  const json::Value& greeting() const { return greeting_; }

  // Sends one message as it stands and gives its reply, success or error; events that come before it are kept. A
  // descriptor other than -1 is passed along.
  json::Value ask(const std::string& message, int descriptor = -1);
  // The same for a command; `arguments` is an object's text, "" for none.
  json::Value execute(const std::string& command, const std::string& arguments = "");
  // What the command returned. An error reply is an exception.
  json::Value returned(const std::string& command, const std::string& arguments = "");

  // The first event, kept or still to come, for which `wanted` is true; it is taken out. Nothing within `seconds`:
  // empty.
  std::optional<json::Value> event(const std::function<bool(json::View)>& wanted, double seconds = 10);
  std::optional<json::Value> event(const std::string& name, double seconds = 10);
  // Forgets the events that were kept.
  void forgetEvents() { events_.clear(); }
  // Whether the other side has closed the connection, waiting for it up to `seconds`.
  bool closed(double seconds);

  void send(const std::string& text, int descriptor = -1);
  // The next message of any kind; nothing within `seconds`, or at the end of the stream: empty.
  std::optional<json::Value> receive(double seconds);
  // The same, not parsed, for who measures.
  std::optional<std::string> receiveText(double seconds);

 private:
  int socket_ = -1;
  bool ended_ = false;
  std::string input_;
  std::size_t searched_ = 0;  // bytes of input_ without a line's end
  std::deque<json::Value> events_;
  json::Value greeting_;
};

}  // namespace rhea::test
