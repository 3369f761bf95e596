// A SQLite VFS over the system's that fails on demand and remembers what a power cut would lose.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <map>
#include <mutex>
#include <random>
#include <string>
#include <vector>

namespace jevons {

// One for the process, registered under `name`. Set the faults while no ledger is busy with it, or
// accept that they apply from some write on.
class FaultDisk {
 public:
  static FaultDisk& instance();
  static constexpr const char* name = "jevons-fault";

  std::atomic<bool> full{false};       // writes: SQLITE_FULL
  std::atomic<int> bad_syncs{0};       // so many syncs fail; -1: all
  std::atomic<bool> stalled{false};    // syncs wait until this is false again
  std::atomic<bool> recording{false};  // keep what was not synced yet

  void reset();
  // Writes every recorded file to `folder` as a power cut at this moment might leave it: what was
  // synced is there, every later write is kept, dropped or torn, in any order.
  void cut_power(const std::string& folder, std::mt19937& random);

  // For the VFS itself.
  int before_sync();
  void note_write(const std::string& path, std::int64_t offset, std::string bytes);
  void note_truncate(const std::string& path, std::int64_t size);
  void note_sync(const std::string& path);
  void note_delete(const std::string& path);

 private:
  FaultDisk();
  struct Change {
    std::int64_t offset = 0;  // or the new size
    std::string bytes;
    bool truncate = false;
  };
  struct File {
    std::string durable;
    std::vector<Change> pending;
  };
  static void apply(std::string& content, const Change& change);
  std::mutex mutex_;
  std::map<std::string, File> files_;
};

}  // namespace jevons
