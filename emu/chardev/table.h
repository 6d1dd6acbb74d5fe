// ChardevTable: all chardevs of a machine, by name. A service; belongs to the main loop.
#pragma once

#include <set>

#include "emu/base/base.h"
#include "emu/chardev/chardev.h"
#include "emu/chardev/options.h"
#include "emu/io/cancel.h"
#include "emu/io/fd-sets.h"
#include "emu/io/loop.h"
#include "emu/io/task.h"

namespace rhea::chardev {

class Outlet;

// What the keys after Ctrl-A on a mux do beyond the mux itself.
struct MuxActions {
  std::function<void()> quit;       // Ctrl-A x
  std::function<void()> saveDisks;  // Ctrl-A s
};

// Who mirrors which chardevs there are; called on the main loop.
class TableObserver {
 public:
  virtual ~TableObserver() = default;
  virtual void chardevAdded(const Chardev& chardev) = 0;
  virtual void chardevRemoved(const Chardev& chardev) = 0;  // it is still there, for the last time
};

class ChardevTable {
 public:
  struct Info {
    std::string label;
    std::string filename;
    bool frontEndOpen = false;
  };

  ChardevTable(Loop& loop, FdSets& fdSets);
  // Closes everything, unlinks the sockets that it made, and gives the terminal back as it was.
  ~ChardevTable();
  ChardevTable(const ChardevTable&) = delete;
  ChardevTable& operator=(const ChardevTable&) = delete;

  // Opens the back end (files off the loop) and returns when it listens, is connected, or tries to (reconnect). It does
  // not wait for clients: see waitForClients().
  // Errors: a name in use or malformed, and what the host says, with a hint where there is one.
  Task<Result<Chardev*>> add(Options options);
  // Errors: no such chardev; it is in use.
  Result<void> remove(std::string id);
  // A new back end for a chardev; on error the old one stays. Error: it is a mux or below one.
  Task<Result<Chardev*>> change(Options options);
  // Error: names those that there are.
  Result<Chardev*> find(std::string_view id) const;
  std::vector<Info> list() const;
  std::vector<std::string> names() const;

  // Returns when every server with wait=on has its first client.
  Task<Result<void>> waitForClients(CancelToken cancel = {});

  // Free for an id that nobody chose: "compat_monitor0", "compat_monitor1", ...
  std::string freeId(std::string_view stem) const;
  // A descriptor that fd=NAME of a socket chardev may take, once: by number or name of LISTEN_FDS.
  void offerFd(std::string name, Fd fd);
  // Before the first chardev; it lives as long as the table, and hears nothing of the table's own end.
  void setObserver(TableObserver& observer) { observer_ = &observer; }
  void setMuxActions(MuxActions actions) { muxActions_ = std::move(actions); }
  // Offers all queued output to the host once more, for at most `limit`; before the program ends.
  void drain(Duration limit);

 private:
  Task<Result<std::unique_ptr<Backend>>> open(BackendOptions options);
  Task<Result<std::unique_ptr<Backend>>> openLogged(BackendOptions options, std::optional<LogOptions> log);
  Result<Fd> takeFd(const std::string& name);
  Result<void> checkFree(const std::string& id) const;
  Result<void> checkUnused(const Chardev& chardev) const;

  std::unique_ptr<Outlet> outlet_;
  FdSets& fdSets_;
  MuxActions muxActions_;
  TableObserver* observer_ = nullptr;
  std::map<std::string, std::unique_ptr<Chardev>, std::less<>> chardevs_;
  std::vector<std::string> waiting_;  // servers whose first client start-up waits for
  std::map<std::string, Fd> offered_;
  std::set<int> adopted_;  // inherited descriptors that a chardev took
};

}  // namespace rhea::chardev
