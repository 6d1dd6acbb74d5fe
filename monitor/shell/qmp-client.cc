#include "monitor/shell/qmp-client.h"

#include <netdb.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "emu/base/json-writer.h"
#include "emu/io/offload.h"

namespace rhea::monitor {

namespace {

constexpr std::size_t kReadSize = 64 * 1024;

Result<Fd> connectUnix(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof(address.sun_path)) {
    return Error(fmt::format("the socket's path is {} bytes long, at most {} can be used: {}", path.size(),
                             sizeof(address.sun_path) - 1, path));
  }
  path.copy(address.sun_path, path.size());
  Fd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (!fd) return Error::fromErrno(errno, "cannot make a socket");
  if (::connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)) != 0) {
    const int code = errno;
    Error error = Error::fromErrno(code, fmt::format("cannot connect to '{}'", path));
    if (code == ECONNREFUSED) return std::move(error).hint("the machine that made this socket has ended");
    if (code == ENOENT)
      return std::move(error).hint("start the machine with -qmp unix:" + path + ",server=on,wait=off");
    return error;
  }
  return fd;
}

Result<Fd> connectTcp(const std::string& host, const std::string& port) {
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  if (const int code = ::getaddrinfo(host.c_str(), port.c_str(), &hints, &found); code != 0) {
    return Error(fmt::format("cannot find '{}' port '{}': {}", host, port, ::gai_strerror(code)));
  }
  const std::unique_ptr<addrinfo, void (*)(addrinfo*)> owned(found, &::freeaddrinfo);
  Error last = Error::fromErrno(EADDRNOTAVAIL);
  for (const addrinfo* entry = found; entry != nullptr; entry = entry->ai_next) {
    Fd fd(::socket(entry->ai_family, entry->ai_socktype | SOCK_CLOEXEC, entry->ai_protocol));
    if (fd && ::connect(fd.get(), entry->ai_addr, entry->ai_addrlen) == 0) return fd;
    last = Error::fromErrno(errno, fmt::format("cannot connect to {}:{}", host, port));
  }
  return last;
}

Result<Fd> connectTo(const std::string& address) {
  if (address.starts_with("unix:")) return connectUnix(address.substr(5));
  if (!address.starts_with("tcp:")) return connectUnix(address);
  const std::string rest = address.substr(4);
  const std::size_t colon = rest.rfind(':');
  if (colon == std::string::npos || colon + 1 == rest.size()) {
    return Error(fmt::format("'{}' names no port", address)).expected("tcp:HOST:PORT");
  }
  return connectTcp(rest.substr(0, colon), rest.substr(colon + 1));
}

ErrorClass classOf(std::string_view name) {
  for (const ErrorClass known : {ErrorClass::kCommandNotFound, ErrorClass::kDeviceNotFound,
                                 ErrorClass::kDeviceNotActive, ErrorClass::kKvmMissingCap}) {
    if (toString(known) == name) return known;
  }
  return ErrorClass::kGeneric;
}

std::string textMember(json::View object, std::string_view name) {
  const std::optional<json::View> member = object.find(name);
  return member && member->isString() ? std::string(member->asString()) : std::string();
}

}  // namespace

Error errorOfReply(json::View error) {
  Error made(classOf(textMember(error, "class")), textMember(error, "desc"));
  if (std::string where = textMember(error, "where"); !where.empty()) made = std::move(made).where(std::move(where));
  if (std::string text = textMember(error, "expected"); !text.empty()) made = std::move(made).expected(std::move(text));
  if (std::string hint = textMember(error, "hint"); !hint.empty()) made = std::move(made).hint(std::move(hint));
  if (const std::optional<json::View> names = error.find("candidates"); names && names->isArray()) {
    std::vector<std::string> candidates;
    for (const json::View name : names->items()) {
      if (name.isString()) candidates.emplace_back(name.asString());
    }
    made = std::move(made).candidates(std::move(candidates));
  }
  return made;
}

Task<Result<std::unique_ptr<QmpClient>>> QmpClient::connect(Loop& loop, std::string address, Duration patience) {
  const auto dial = [address] { return connectTo(address); };
  RHEA_CO_TRY(Fd fd, co_await offload(dial));
  std::unique_ptr<QmpClient> client(new QmpClient(loop, std::move(fd)));
  client->start();
  CancelSource tooLate;
  const std::unique_ptr<Loop::Watch> timer = loop.timer(patience, [&tooLate, &address] {
    tooLate.cancel(Error(fmt::format("'{}' accepted the connection but sent no QMP greeting", address))
                       .hint("another kind of server listens there, or its machine hangs"));
  });
  const std::shared_ptr<Pending> greeting = client->greeting_;
  RHEA_CO_CHECK(co_await greeting->done.wait(tooLate.token()));
  if (!greeting->reply) co_return greeting->reply.takeError();
  RHEA_CO_CHECK(co_await client->execute("qmp_capabilities", "{}"));
  co_return std::move(client);
}

QmpClient::~QmpClient() = default;

void QmpClient::start() {
  readWatch_ = loop_.watch(fd_.get(), Loop::Ready::kRead, [this] { readable(); });
}

void QmpClient::readable() {
  std::array<char, kReadSize> bytes;
  const ssize_t got = ::recv(fd_.get(), bytes.data(), bytes.size(), MSG_DONTWAIT);
  if (got < 0 && (errno == EAGAIN || errno == EINTR)) return;
  if (got < 0) return fail(Error::fromErrno(errno).message());
  if (got == 0) return fail("the machine closed the connection");
  framer_.feed(std::string_view(bytes.data(), static_cast<std::size_t>(got)));
  while (std::optional<Result<json::Value>> message = framer_.next()) {
    if (!*message) return fail("what was received is not JSON: " + message->error().message());
    received(*std::move(*message));
    if (closed_) return;
  }
}

void QmpClient::received(json::Value message) {
  if (!message.isObject()) return fail("what was received is no QMP message");
  if (message.find("QMP")) {
    greeting_->done.set();
    return;
  }
  if (message.find("event")) {
    if (callbacks_.onEvent) callbacks_.onEvent(std::move(message));
    return;
  }
  const std::optional<json::View> id = message.find("id");
  const auto found = id && id->isInteger() ? pending_.find(static_cast<std::uint64_t>(id->asInt64())) : pending_.end();
  if (found == pending_.end()) return;
  const std::shared_ptr<Pending> waiting = found->second;
  pending_.erase(found);
  if (const std::optional<json::View> error = message.find("error")) {
    waiting->reply = errorOfReply(*error);
  } else if (const std::optional<json::View> value = message.find("return")) {
    waiting->reply = value->text();
  } else {
    waiting->reply = Error("the reply has neither return nor error");
  }
  waiting->done.set();
}

void QmpClient::fail(std::string reason) {
  if (closed_) return;
  closed_ = reason;
  readWatch_.reset();
  writeWatch_.reset();
  const Error error(reason);
  const auto waiting = std::exchange(pending_, {});
  for (const auto& [id, pending] : waiting) {
    pending->reply = error;
    pending->done.set();
  }
  if (!greeting_->done.isSet()) {
    greeting_->reply = error;
    greeting_->done.set();
  }
  if (callbacks_.onClosed) callbacks_.onClosed(std::move(reason));
}

void QmpClient::send(std::string_view text) {
  output_.append(text);
  if (!writeWatch_) writable();
}

void QmpClient::writable() {
  while (!output_.empty()) {
    const ssize_t sent = ::send(fd_.get(), output_.data(), output_.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
    if (sent < 0 && errno == EINTR) continue;
    if (sent < 0 && errno == EAGAIN) {
      if (!writeWatch_) writeWatch_ = loop_.watch(fd_.get(), Loop::Ready::kWrite, [this] { writable(); });
      return;
    }
    if (sent < 0) return;  // the reading side learns why and tells
    output_.erase(0, static_cast<std::size_t>(sent));
  }
  writeWatch_.reset();
}

Task<Result<json::Text>> QmpClient::execute(std::string command, json::Text arguments) {
  if (closed_) co_return Error(*closed_);
  const std::uint64_t id = ++lastId_;
  const std::shared_ptr<Pending> waiting = std::make_shared<Pending>();
  pending_.emplace(id, waiting);
  json::Writer message;
  message.beginObject();
  message.member("execute", std::string_view(command));
  message.key("arguments");
  message.raw(arguments);
  message.member("id", id);
  message.endObject();
  send(message.take() + "\n");
  RHEA_CO_CHECK(co_await waiting->done.wait());
  co_return std::move(waiting->reply);
}

Task<Result<HumanOutput>> QmpClient::executeHuman(std::string, json::Text, std::string line) {
  json::Writer arguments;
  arguments.beginObject();
  arguments.member("command-line", std::string_view(line));
  arguments.endObject();
  RHEA_CO_TRY(const json::Text reply, co_await execute("human-monitor-command", arguments.take()));
  RHEA_CO_TRY(const json::Value text, json::parse(reply));
  HumanOutput output;
  if (text.isString()) output.text = text.asString();
  co_return output;
}

}  // namespace rhea::monitor
