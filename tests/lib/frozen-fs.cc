#include "tests/lib/frozen-fs.h"

#include <fcntl.h>
#include <linux/fuse.h>
#include <poll.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstring>
#include <deque>
#include <map>
#include <thread>
#include <vector>

namespace rhea::test {

namespace {

constexpr std::size_t kMaxWrite = 128 * 1024;
constexpr std::uint64_t kRoot = FUSE_ROOT_ID;
constexpr auto kLongestFreeze = std::chrono::seconds(30);

// What the test asks of the server process; the answer is one number.
enum class Ask : unsigned { kMakeFile, kFreeze, kThaw, kHeld, kFail };
struct Question {
  Ask what;
  std::uint64_t one;
  std::uint64_t two;
  char name[64];
};

// The descriptor that fusermount3 hands over on its socket once it has mounted.
int receiveFd(int socket) {
  char byte = 0;
  iovec piece{&byte, 1};
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))];
  msghdr message{};
  message.msg_iov = &piece;
  message.msg_iovlen = 1;
  message.msg_control = control;
  message.msg_controllen = sizeof control;
  if (recvmsg(socket, &message, MSG_CMSG_CLOEXEC) <= 0) return -1;
  const cmsghdr* header = CMSG_FIRSTHDR(&message);
  if (header == nullptr || header->cmsg_type != SCM_RIGHTS) return -1;
  int fd = -1;
  std::memcpy(&fd, CMSG_DATA(header), sizeof fd);
  return fd;
}

int mountByHelper(const std::string& folder) {
  int sockets[2];
  if (socketpair(AF_UNIX, SOCK_STREAM, 0, sockets) != 0) return -1;
  const std::string number = std::to_string(sockets[0]);
  const pid_t child = fork();
  if (child == 0) {
    setenv("_FUSE_COMMFD", number.c_str(), 1);
    execlp("fusermount3", "fusermount3", "-o", "fsname=frozen", "--", folder.c_str(), nullptr);
    _exit(127);
  }
  close(sockets[0]);
  const int fd = receiveFd(sockets[1]);
  close(sockets[1]);
  waitpid(child, nullptr, 0);
  return fd;
}

int mountByRoot(const std::string& folder) {
  const int fd = open("/dev/fuse", O_RDWR | O_CLOEXEC);
  if (fd < 0) return -1;
  const std::string options = "fd=" + std::to_string(fd) + ",rootmode=40000,user_id=" + std::to_string(getuid()) +
                              ",group_id=" + std::to_string(getgid()) + ",allow_other";
  if (mount("frozen", folder.c_str(), "fuse.frozen", MS_NOSUID | MS_NODEV, options.c_str()) == 0) return fd;
  const int code = errno;
  close(fd);
  errno = code;
  return -1;
}

unsigned kindOf(std::uint32_t opcode) {
  switch (opcode) {
    case FUSE_LOOKUP:
      return FrozenFs::kLookUp;
    case FUSE_GETATTR:
    case FUSE_STATFS:
      return FrozenFs::kStat;
    case FUSE_OPEN:
    case FUSE_CREATE:
      return FrozenFs::kOpen;
    case FUSE_READ:
      return FrozenFs::kRead;
    case FUSE_WRITE:
      return FrozenFs::kWrite;
    case FUSE_FSYNC:
      return FrozenFs::kSync;
    case FUSE_FLUSH:
      return FrozenFs::kClose;
    case FUSE_SETATTR:
    case FUSE_FALLOCATE:
      return FrozenFs::kResize;
    case FUSE_GETLK:
    case FUSE_SETLK:
    case FUSE_SETLKW:
      return FrozenFs::kLock;
    default:
      return 0;
  }
}

struct File {
  std::string name;
  std::vector<char> data;
};

struct Request {
  std::vector<char> bytes;
  const fuse_in_header& header() const { return *reinterpret_cast<const fuse_in_header*>(bytes.data()); }
  template <class T>
  const T& body() const {
    return *reinterpret_cast<const T*>(bytes.data() + sizeof(fuse_in_header));
  }
  const char* after(std::size_t size) const { return bytes.data() + sizeof(fuse_in_header) + size; }
};

// Runs in the child process, on its only thread.
class Server {
 public:
  Server(int device, int control) : device_(device), control_(control) {}

  // Until the test is gone or the file system is unmounted.
  void serve() {
    for (;;) {
      pollfd ready[2] = {{device_, POLLIN, 0}, {control_, POLLIN, 0}};
      if (poll(ready, 2, 500) < 0 && errno != EINTR) return;
      if (frozen_ != 0 && std::chrono::steady_clock::now() > thawAt_) thaw();
      if (ready[1].revents != 0 && !answerTest()) return;
      if (ready[0].revents != 0 && !takeRequest()) return;
    }
  }

 private:
  bool answerTest() {
    Question question;
    if (recv(control_, &question, sizeof question, 0) != sizeof question) return false;
    std::uint64_t answer = 0;
    switch (question.what) {
      case Ask::kMakeFile:
        files_[++lastId_] = {question.name, std::vector<char>(question.one, static_cast<char>(question.two))};
        break;
      case Ask::kFreeze:
        frozen_ = static_cast<unsigned>(question.one);
        thawAt_ = std::chrono::steady_clock::now() + kLongestFreeze;
        break;
      case Ask::kThaw:
        thaw();
        break;
      case Ask::kHeld:
        answer = held_.size();
        break;
      case Ask::kFail:
        for (unsigned bit = 1; bit < FrozenFs::kAll; bit <<= 1) {
          if ((question.one & bit) != 0) failures_[bit] = static_cast<int>(question.two);
        }
        break;
    }
    return send(control_, &answer, sizeof answer, MSG_NOSIGNAL) == sizeof answer;
  }

  void thaw() {
    frozen_ = 0;
    std::deque<Request> waiting;
    waiting.swap(held_);
    for (const Request& request : waiting) answer(request);
  }

  bool takeRequest() {
    Request request;
    request.bytes.resize(kMaxWrite + 4096);
    const ssize_t got = read(device_, request.bytes.data(), request.bytes.size());
    if (got < 0) return errno == ENOENT || errno == EINTR || errno == EAGAIN;
    if (got < static_cast<ssize_t>(sizeof(fuse_in_header))) return false;
    request.bytes.resize(static_cast<std::size_t>(got));
    if ((kindOf(request.header().opcode) & frozen_) != 0) {
      held_.push_back(std::move(request));
    } else {
      answer(request);
    }
    return true;
  }

  void reply(const Request& request, int code, const void* data = nullptr, std::size_t size = 0) {
    fuse_out_header header{};
    header.len = static_cast<std::uint32_t>(sizeof header + size);
    header.error = -code;
    header.unique = request.header().unique;
    const iovec pieces[2] = {{&header, sizeof header}, {const_cast<void*>(data), size}};
    static_cast<void>(!writev(device_, pieces, 2));  // fails when the asker is gone
  }
  template <class T>
  void give(const Request& request, const T& body) {
    reply(request, 0, &body, sizeof body);
  }

  fuse_attr attributes(std::uint64_t id) const {
    fuse_attr attr{};
    attr.ino = id;
    attr.nlink = 1;
    attr.uid = getuid();
    attr.gid = getgid();
    attr.blksize = 4096;
    attr.mode = S_IFDIR | 0755;
    if (const auto found = files_.find(id); found != files_.end()) {
      attr.mode = S_IFREG | 0644;
      attr.size = found->second.data.size();
      attr.blocks = (attr.size + 511) / 512;
    }
    return attr;
  }
  fuse_entry_out entry(std::uint64_t id) const {
    fuse_entry_out out{};
    out.nodeid = id;
    out.generation = 1;
    out.attr = attributes(id);
    return out;
  }
  std::uint64_t findName(const std::string& name) const {
    for (const auto& [id, file] : files_) {
      if (file.name == name) return id;
    }
    return 0;
  }
  File* fileOf(const Request& request) {
    const auto found = files_.find(request.header().nodeid);
    return found == files_.end() ? nullptr : &found->second;
  }

  void answer(const Request& request) {
    const fuse_in_header& header = request.header();
    if (const auto failure = failures_.find(kindOf(header.opcode));
        failure != failures_.end() && failure->second != 0) {
      reply(request, failure->second);
      return;
    }
    switch (header.opcode) {
      case FUSE_INIT:
        return initialize(request);
      case FUSE_FORGET:
      case FUSE_BATCH_FORGET:
      case FUSE_INTERRUPT:
        return;  // no answer is expected
      case FUSE_LOOKUP: {
        const std::uint64_t id = findName(request.after(0));
        return id == 0 ? reply(request, ENOENT) : give(request, entry(id));
      }
      case FUSE_GETATTR:
        return giveAttributes(request);
      case FUSE_SETATTR:
        return setAttributes(request);
      case FUSE_OPEN:
      case FUSE_OPENDIR:
        return give(request, fuse_open_out{});
      case FUSE_CREATE:
        return create(request);
      case FUSE_READ:
        return readFile(request);
      case FUSE_WRITE:
        return writeFile(request);
      case FUSE_READDIR:
        return readFolder(request);
      case FUSE_GETLK: {
        fuse_lk_out out{};
        out.lk.type = F_UNLCK;
        return give(request, out);
      }
      case FUSE_SETLK:
      case FUSE_SETLKW:
      case FUSE_FSYNC:
      case FUSE_FLUSH:
      case FUSE_RELEASE:
      case FUSE_RELEASEDIR:
      case FUSE_DESTROY:
        return reply(request, 0);
      case FUSE_STATFS: {
        fuse_statfs_out out{};
        out.st.bsize = 4096;
        out.st.namelen = 255;
        return give(request, out);
      }
      default:
        return reply(request, ENOSYS);
    }
  }

  void initialize(const Request& request) {
    fuse_init_out out{};
    out.major = FUSE_KERNEL_VERSION;
    out.minor = std::min<std::uint32_t>(request.body<fuse_init_in>().minor, 31);
    out.max_readahead = request.body<fuse_init_in>().max_readahead;
    out.flags = FUSE_ASYNC_READ | FUSE_BIG_WRITES | FUSE_POSIX_LOCKS;
    out.max_background = 64;
    out.congestion_threshold = 48;
    out.max_write = kMaxWrite;
    out.time_gran = 1;
    give(request, out);
  }
  void giveAttributes(const Request& request) {
    fuse_attr_out out{};
    out.attr = attributes(request.header().nodeid);
    give(request, out);
  }
  void setAttributes(const Request& request) {
    const auto& wanted = request.body<fuse_setattr_in>();
    File* file = fileOf(request);
    if (file != nullptr && (wanted.valid & FATTR_SIZE) != 0) file->data.resize(wanted.size);
    giveAttributes(request);
  }
  void create(const Request& request) {
    const std::string name = request.after(sizeof(fuse_create_in));
    const std::uint64_t id = ++lastId_;
    files_[id] = {name, {}};
    struct {
      fuse_entry_out entry;
      fuse_open_out open;
    } out{entry(id), {}};
    give(request, out);
  }
  void readFile(const Request& request) {
    const auto& wanted = request.body<fuse_read_in>();
    const File* file = fileOf(request);
    if (file == nullptr) return reply(request, EISDIR);
    const std::uint64_t size = file->data.size();
    const std::uint64_t begin = std::min<std::uint64_t>(wanted.offset, size);
    reply(request, 0, file->data.data() + begin, std::min<std::uint64_t>(wanted.size, size - begin));
  }
  void writeFile(const Request& request) {
    const auto& given = request.body<fuse_write_in>();
    File* file = fileOf(request);
    if (file == nullptr) return reply(request, EISDIR);
    if (file->data.size() < given.offset + given.size) file->data.resize(given.offset + given.size);
    std::memcpy(file->data.data() + given.offset, request.after(sizeof given), given.size);
    fuse_write_out out{};
    out.size = given.size;
    give(request, out);
  }
  void readFolder(const Request& request) {
    const auto& wanted = request.body<fuse_read_in>();
    std::vector<char> entries;
    std::uint64_t position = 0;
    for (const auto& [id, file] : files_) {
      if (++position <= wanted.offset) continue;
      fuse_dirent item{};
      item.ino = id;
      item.off = position;
      item.namelen = static_cast<std::uint32_t>(file.name.size());
      item.type = S_IFREG >> 12;
      const std::size_t begin = entries.size();
      const std::size_t size = FUSE_DIRENT_ALIGN(FUSE_NAME_OFFSET + file.name.size());
      if (begin + size > wanted.size) break;
      entries.resize(begin + size);
      std::memcpy(entries.data() + begin, &item, FUSE_NAME_OFFSET);
      std::memcpy(entries.data() + begin + FUSE_NAME_OFFSET, file.name.data(), file.name.size());
    }
    reply(request, 0, entries.data(), entries.size());
  }

  const int device_;
  const int control_;
  std::map<std::uint64_t, File> files_;
  std::uint64_t lastId_ = kRoot;
  std::deque<Request> held_;
  std::map<unsigned, int> failures_;
  unsigned frozen_ = 0;
  std::chrono::steady_clock::time_point thawAt_;
};

// Only the device and the control socket stay open: any other descriptor, a lock on it for one, would outlive the
// test's.
void keepOnly(int one, int two) {
  dup2(one, 3);
  dup2(two, 4);
  close_range(5, ~0U, 0);
}

}  // namespace

FrozenFs::FrozenFs() {
  int device = geteuid() == 0 ? mountByRoot(dir_.path()) : mountByHelper(dir_.path());
  if (device < 0) {
    why_ = std::string("no FUSE file system can be mounted here: ") + std::strerror(errno);
    return;
  }
  int sockets[2];
  if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sockets) != 0) return;
  control_ = sockets[0];
  server_ = fork();
  if (server_ == 0) {
    const int spareDevice = fcntl(device, F_DUPFD, 10);
    const int spareControl = fcntl(sockets[1], F_DUPFD, 10);
    keepOnly(spareDevice, spareControl);
    Server(3, 4).serve();
    _exit(0);
  }
  close(sockets[1]);
  close(device);
}

FrozenFs::~FrozenFs() {
  if (server_ <= 0) return;
  if (geteuid() == 0) {
    umount2(dir_.path().c_str(), MNT_DETACH);
  } else {
    const pid_t child = fork();
    if (child == 0) {
      execlp("fusermount3", "fusermount3", "-u", "-z", dir_.path().c_str(), nullptr);
      _exit(127);
    }
    waitpid(child, nullptr, 0);
  }
  kill(server_, SIGKILL);  // the device closes with it, and whoever waits is let go
  waitpid(server_, nullptr, 0);
  close(control_);
}

std::uint64_t FrozenFs::ask(unsigned what, std::uint64_t one, std::uint64_t two, const std::string& name) const {
  Question question{static_cast<Ask>(what), one, two, {}};
  name.copy(question.name, sizeof question.name - 1);
  std::uint64_t answer = 0;
  if (send(control_, &question, sizeof question, MSG_NOSIGNAL) < 0) return 0;
  return recv(control_, &answer, sizeof answer, 0) == sizeof answer ? answer : 0;
}

std::string FrozenFs::makeFile(const std::string& name, std::size_t size, unsigned char fill) {
  ask(static_cast<unsigned>(Ask::kMakeFile), size, fill, name);
  return dir_.file(name);
}

void FrozenFs::freeze(unsigned operations) { ask(static_cast<unsigned>(Ask::kFreeze), operations, 0); }
void FrozenFs::thaw() { ask(static_cast<unsigned>(Ask::kThaw), 0, 0); }
std::size_t FrozenFs::held() const { return ask(static_cast<unsigned>(Ask::kHeld), 0, 0); }

bool FrozenFs::waitHeld(std::size_t count, int milliseconds) const {
  const auto until = std::chrono::steady_clock::now() + std::chrono::milliseconds(milliseconds);
  while (held() < count) {
    if (std::chrono::steady_clock::now() > until) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
  }
  return true;
}

void FrozenFs::fail(unsigned operations, int code) {
  ask(static_cast<unsigned>(Ask::kFail), operations, static_cast<std::uint64_t>(code));
}

}  // namespace rhea::test
