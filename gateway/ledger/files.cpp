#include "gateway/ledger/files.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <openssl/rand.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <charconv>
#include <fstream>
#include <system_error>
#include <utility>

namespace jevons {
namespace {

constexpr std::size_t pepper_bytes = 32;

std::string reason() { return std::generic_category().message(errno); }

Error config_error(std::string message) { return Error(Fault::config, std::move(message)); }

// Closes on the way out.
class File {
 public:
  File(const std::string& path, int flags, mode_t mode = 0)
      : file_(::open(path.c_str(), flags | O_CLOEXEC, mode)) {}
  ~File() {
    if (file_ >= 0) ::close(file_);
  }
  File(const File&) = delete;
  File& operator=(const File&) = delete;
  int get() const { return file_; }

 private:
  int file_;
};

bool write_whole(int file, const std::string& bytes) {
  return ::write(file, bytes.data(), bytes.size()) == static_cast<ssize_t>(bytes.size()) &&
         ::fsync(file) == 0;
}

// A name in the folder survives a power cut only when the folder is synced too.
void sync_folder(const std::string& path) {
  const auto slash = path.rfind('/');
  const File folder(slash == std::string::npos ? "." : path.substr(0, slash + 1),
                    O_RDONLY | O_DIRECTORY);
  if (folder.get() >= 0) ::fsync(folder.get());
}

bool lock_is_held(const std::string& ledger_path) {
  const File file(ledger_path + ".lock", O_RDONLY);
  if (file.get() < 0) return false;
  if (::flock(file.get(), LOCK_SH | LOCK_NB) == 0) return false;
  return errno == EWOULDBLOCK;
}

}  // namespace

LedgerLock::LedgerLock(LedgerLock&& other) noexcept : file_(std::exchange(other.file_, -1)) {}

LedgerLock& LedgerLock::operator=(LedgerLock&& other) noexcept {
  std::swap(file_, other.file_);
  return *this;
}

LedgerLock::~LedgerLock() {
  if (file_ >= 0) ::close(file_);
}

Result<LedgerLock> LedgerLock::take(const std::string& ledger_path) {
  const std::string path = ledger_path + ".lock";
  LedgerLock lock;
  lock.file_ = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (lock.file_ < 0) return config_error(fmt::format("cannot open {}: {}", path, reason()));
  if (::flock(lock.file_, LOCK_EX | LOCK_NB) != 0) {
    if (errno != EWOULDBLOCK)
      return config_error(fmt::format("cannot lock {}: {}", path, reason()));
    const auto gateway = running_gateway(ledger_path);
    return config_error(fmt::format(
        "the ledger {} is in use by another Jevons{}; stop that one or name another file under "
        "`ledger:`",
        ledger_path, gateway ? fmt::format(" (process {})", gateway->pid) : std::string()));
  }
  return lock;
}

Result<std::string> load_or_make_pepper(const std::string& ledger_path) {
  const std::string path = ledger_path + ".pepper";
  std::array<unsigned char, pepper_bytes> fresh{};
  const File made(path, O_WRONLY | O_CREAT | O_EXCL, 0400);
  if (made.get() >= 0) {
    if (RAND_bytes(fresh.data(), static_cast<int>(fresh.size())) != 1)
      return config_error("no randomness for the pepper of virtual keys");
    const std::string bytes(fresh.begin(), fresh.end());
    if (!write_whole(made.get(), bytes))
      return config_error(fmt::format("cannot write {}: {}", path, reason()));
    sync_folder(path);
    return bytes;
  }
  if (errno != EEXIST) return config_error(fmt::format("cannot make {}: {}", path, reason()));
  const File file(path, O_RDONLY);
  struct stat status {};
  if (file.get() < 0 || ::fstat(file.get(), &status) != 0)
    return config_error(fmt::format("cannot read {}: {}", path, reason()));
  if ((status.st_mode & 077) != 0) {
    return config_error(fmt::format("{} may be read by others; run: chmod 0400 {}", path, path));
  }
  std::string bytes(pepper_bytes, '\0');
  if (::read(file.get(), bytes.data(), bytes.size()) != static_cast<ssize_t>(bytes.size())) {
    return config_error(fmt::format(
        "{} is shorter than {} bytes; restore it from a backup: without it no virtual key works",
        path, pepper_bytes));
  }
  return bytes;
}

Result<void> write_run_file(const std::string& ledger_path, const RunningGateway& gateway) {
  const std::string path = ledger_path + ".run", fresh = path + ".new";
  {
    const File file(fresh, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    const std::string text = fmt::format("pid={}\nadmin={}\n", gateway.pid, gateway.admin_url);
    if (file.get() < 0 || !write_whole(file.get(), text))
      return config_error(fmt::format("cannot write {}: {}", fresh, reason()));
  }
  if (std::rename(fresh.c_str(), path.c_str()) != 0)
    return config_error(fmt::format("cannot write {}: {}", path, reason()));
  return {};
}

void remove_run_file(const std::string& ledger_path) { ::unlink((ledger_path + ".run").c_str()); }

std::optional<RunningGateway> running_gateway(const std::string& ledger_path) {
  if (!lock_is_held(ledger_path)) return std::nullopt;
  std::ifstream file(ledger_path + ".run");
  RunningGateway gateway;
  std::string line;
  while (std::getline(file, line)) {
    const std::string_view text = line;
    if (text.starts_with("pid="))
      std::from_chars(text.data() + 4, text.data() + text.size(), gateway.pid);
    if (text.starts_with("admin=")) gateway.admin_url = text.substr(6);
  }
  if (gateway.pid <= 0 || gateway.admin_url.empty()) return std::nullopt;
  return gateway;
}

std::string ledger_path_of(const std::string& ledger_value, const std::string& config_folder) {
  constexpr std::string_view scheme = "sqlite:";
  std::string path =
      ledger_value.starts_with(scheme) ? ledger_value.substr(scheme.size()) : ledger_value;
  if (path.empty()) path = "jevons.db";
  if (path.front() == '/' || config_folder.empty()) return path;
  return config_folder + "/" + path;
}

}  // namespace jevons
