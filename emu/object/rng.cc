#include "emu/object/rng.h"

#include <fcntl.h>
#include <sys/random.h>
#include <unistd.h>

#include "emu/io/loop.h"
#include "emu/io/offload.h"

namespace rhea::object {

namespace {

class BuiltIn final : public RngSource {
 public:
  using RngSource::RngSource;
  Task<Result<std::size_t>> fill(std::span<std::byte> to, CancelToken) override { co_return fillFromKernel(to); }
};

class RandomFile final : public RngSource {
 public:
  using RngSource::RngSource;

  std::string filename() const { return filename_; }
  Result<void> setFilename(std::string filename) {
    filename_ = std::move(filename);
    return success();
  }

  Task<Result<void>> complete() override {
    auto open = [path = filename_]() -> Result<Fd> {
      Fd file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
      if (!file) return Error::fromErrno(errno, fmt::format("cannot open '{}'", path)).where("filename");
      return file;
    };
    RHEA_CO_TRY(file_, co_await offload(open));
    co_return success();
  }

  // Off the loop: a device may take its time although it was asked not to.
  Task<Result<std::size_t>> fill(std::span<std::byte> to, CancelToken cancel) override {
    constexpr auto kAskAgain = std::chrono::milliseconds(10);
    while (true) {
      auto read = [to, this]() -> Result<std::size_t> {
        const ssize_t got = ::read(file_.get(), to.data(), to.size());
        if (got > 0) return static_cast<std::size_t>(got);
        if (got < 0 && (errno == EAGAIN || errno == EINTR)) return std::size_t{0};
        if (got < 0) return Error::fromErrno(errno, fmt::format("cannot read '{}'", filename_));
        return Error(fmt::format("'{}' has ended: no more random bytes", filename_));
      };
      RHEA_CO_TRY(const std::size_t got, co_await offload(read));
      if (got > 0) co_return got;
      RHEA_CO_CHECK(co_await Loop::current()->sleep(kAskAgain, cancel));
    }
  }

 private:
  std::string filename_ = "/dev/urandom";
  Fd file_;
};

const Property kFileProperties[] = {
    property<&RandomFile::filename, &RandomFile::setFilename>("filename", Settable::kAtCreation, "\"/dev/urandom\"",
                                                              "the file or device that gives random bytes"),
};

template <class Made>
std::unique_ptr<Object> make(const Class& type, const Services&) {
  return std::make_unique<Made>(type);
}

}  // namespace

std::size_t fillFromKernel(std::span<std::byte> to) {
  std::size_t done = 0;
  while (done < to.size()) {
    const ssize_t got = ::getrandom(to.data() + done, to.size() - done, GRND_NONBLOCK);
    if (got <= 0) break;
    done += static_cast<std::size_t>(got);
  }
  return done;
}

void RngSource::addClasses(ClassTable& classes) {
  Class base;
  base.name = "rng-backend";
  base.parent = "object";
  base.doc = "a source of random bytes";
  base.isAbstract = true;
  base.interfaces = {"user-creatable"};
  classes.add(std::move(base));
  Class builtIn;
  builtIn.name = "rng-builtin";
  builtIn.parent = "rng-backend";
  builtIn.doc = "random bytes of the host's kernel";
  builtIn.interfaces = {"user-creatable"};
  builtIn.make = &make<BuiltIn>;
  classes.add(std::move(builtIn));
  Class random;
  random.name = "rng-random";
  random.parent = "rng-backend";
  random.doc = "random bytes of a file or device";
  random.interfaces = {"user-creatable"};
  random.properties = kFileProperties;
  random.make = &make<RandomFile>;
  classes.add(std::move(random));
}

}  // namespace rhea::object
