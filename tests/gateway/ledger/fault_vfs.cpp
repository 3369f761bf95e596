#include "tests/gateway/ledger/fault_vfs.h"

#include <sqlite3.h>

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <new>
#include <thread>

namespace jevons {
namespace {

// SQLite allocates `szOsFile` bytes for it; the system's file follows it in memory.
struct FaultFile {
  sqlite3_file base;
  std::string* path;
  sqlite3_file* real() { return reinterpret_cast<sqlite3_file*>(this + 1); }
};

FaultFile* own(sqlite3_file* file) { return reinterpret_cast<FaultFile*>(file); }
sqlite3_file* real(sqlite3_file* file) { return own(file)->real(); }
FaultDisk& disk() { return FaultDisk::instance(); }

sqlite3_vfs* system_vfs() {
  static sqlite3_vfs* const vfs = sqlite3_vfs_find(nullptr);
  return vfs;
}

int close_file(sqlite3_file* file) {
  const int code = real(file)->pMethods->xClose(real(file));
  delete own(file)->path;
  own(file)->path = nullptr;
  return code;
}
int read_file(sqlite3_file* file, void* bytes, int count, sqlite3_int64 offset) {
  return real(file)->pMethods->xRead(real(file), bytes, count, offset);
}
int write_file(sqlite3_file* file, const void* bytes, int count, sqlite3_int64 offset) {
  if (disk().full) return SQLITE_FULL;
  disk().note_write(*own(file)->path, offset,
                    {static_cast<const char*>(bytes), static_cast<std::size_t>(count)});
  return real(file)->pMethods->xWrite(real(file), bytes, count, offset);
}
int truncate_file(sqlite3_file* file, sqlite3_int64 size) {
  disk().note_truncate(*own(file)->path, size);
  return real(file)->pMethods->xTruncate(real(file), size);
}
int sync_file(sqlite3_file* file, int flags) {
  if (const int code = disk().before_sync(); code != SQLITE_OK) return code;
  const int code = real(file)->pMethods->xSync(real(file), flags);
  if (code == SQLITE_OK) disk().note_sync(*own(file)->path);
  return code;
}
int file_size(sqlite3_file* file, sqlite3_int64* size) {
  return real(file)->pMethods->xFileSize(real(file), size);
}
int lock_file(sqlite3_file* file, int level) {
  return real(file)->pMethods->xLock(real(file), level);
}
int unlock_file(sqlite3_file* file, int level) {
  return real(file)->pMethods->xUnlock(real(file), level);
}
int check_lock(sqlite3_file* file, int* held) {
  return real(file)->pMethods->xCheckReservedLock(real(file), held);
}
int file_control(sqlite3_file* file, int operation, void* argument) {
  return real(file)->pMethods->xFileControl(real(file), operation, argument);
}
int sector_size(sqlite3_file* file) { return real(file)->pMethods->xSectorSize(real(file)); }
int characteristics(sqlite3_file* file) {
  return real(file)->pMethods->xDeviceCharacteristics(real(file));
}
int shm_map(sqlite3_file* file, int page, int size, int extend, void volatile** memory) {
  return real(file)->pMethods->xShmMap(real(file), page, size, extend, memory);
}
int shm_lock(sqlite3_file* file, int offset, int count, int flags) {
  return real(file)->pMethods->xShmLock(real(file), offset, count, flags);
}
void shm_barrier(sqlite3_file* file) { real(file)->pMethods->xShmBarrier(real(file)); }
int shm_unmap(sqlite3_file* file, int remove) {
  return real(file)->pMethods->xShmUnmap(real(file), remove);
}

const sqlite3_io_methods& methods() {
  static const sqlite3_io_methods table = [] {
    sqlite3_io_methods made{};
    made.iVersion = 2;
    made.xClose = close_file;
    made.xRead = read_file;
    made.xWrite = write_file;
    made.xTruncate = truncate_file;
    made.xSync = sync_file;
    made.xFileSize = file_size;
    made.xLock = lock_file;
    made.xUnlock = unlock_file;
    made.xCheckReservedLock = check_lock;
    made.xFileControl = file_control;
    made.xSectorSize = sector_size;
    made.xDeviceCharacteristics = characteristics;
    made.xShmMap = shm_map;
    made.xShmLock = shm_lock;
    made.xShmBarrier = shm_barrier;
    made.xShmUnmap = shm_unmap;
    return made;
  }();
  return table;
}

int open_file(sqlite3_vfs*, const char* path, sqlite3_file* file, int flags, int* out_flags) {
  FaultFile* const made = own(file);
  made->base.pMethods = nullptr;
  const int code = system_vfs()->xOpen(system_vfs(), path, made->real(), flags, out_flags);
  if (made->real()->pMethods == nullptr) return code;
  made->path = new std::string(path ? path : "");
  made->base.pMethods = &methods();
  return code;
}
int delete_file(sqlite3_vfs*, const char* path, int sync_folder) {
  disk().note_delete(path);
  return system_vfs()->xDelete(system_vfs(), path, sync_folder);
}

}  // namespace

FaultDisk::FaultDisk() {
  static sqlite3_vfs vfs = *system_vfs();
  vfs.pNext = nullptr;
  vfs.zName = name;
  vfs.szOsFile = static_cast<int>(sizeof(FaultFile)) + system_vfs()->szOsFile;
  vfs.xOpen = open_file;
  vfs.xDelete = delete_file;
  sqlite3_vfs_register(&vfs, 0);
}

FaultDisk& FaultDisk::instance() {
  static FaultDisk one;
  return one;
}

void FaultDisk::reset() {
  full = false;
  bad_syncs = 0;
  stalled = false;
  recording = false;
  const std::lock_guard lock(mutex_);
  files_.clear();
}

int FaultDisk::before_sync() {
  // tidy-ok(banned): a disk that hangs until the test lets it go
  while (stalled) std::this_thread::sleep_for(std::chrono::milliseconds(1));
  if (full) return SQLITE_FULL;
  const int left = bad_syncs;
  if (left > 0) bad_syncs = left - 1;
  return left == 0 ? SQLITE_OK : SQLITE_IOERR_FSYNC;
}

void FaultDisk::apply(std::string& content, const Change& change) {
  if (change.truncate) {
    content.resize(static_cast<std::size_t>(change.offset));
    return;
  }
  const auto offset = static_cast<std::size_t>(change.offset);
  if (content.size() < offset + change.bytes.size()) content.resize(offset + change.bytes.size());
  content.replace(offset, change.bytes.size(), change.bytes);
}

void FaultDisk::note_write(const std::string& path, std::int64_t offset, std::string bytes) {
  if (!recording) return;
  const std::lock_guard lock(mutex_);
  files_[path].pending.push_back({offset, std::move(bytes), false});
}

void FaultDisk::note_truncate(const std::string& path, std::int64_t size) {
  if (!recording) return;
  const std::lock_guard lock(mutex_);
  files_[path].pending.push_back({size, {}, true});
}

void FaultDisk::note_sync(const std::string& path) {
  if (!recording) return;
  const std::lock_guard lock(mutex_);
  File& file = files_[path];
  for (const Change& change : file.pending) apply(file.durable, change);
  file.pending.clear();
}

void FaultDisk::note_delete(const std::string& path) {
  const std::lock_guard lock(mutex_);
  files_.erase(path);
}

void FaultDisk::cut_power(const std::string& folder, std::mt19937& random) {
  const std::lock_guard lock(mutex_);
  for (const auto& [path, file] : files_) {
    std::string content = file.durable;
    std::vector<Change> later = file.pending;
    std::shuffle(later.begin(), later.end(), random);
    for (Change& change : later) {
      const auto fate = random() % 3;
      if (fate == 0) continue;
      if (fate == 1 && !change.truncate) change.bytes.resize(random() % (change.bytes.size() + 1));
      apply(content, change);
    }
    const std::string copy = folder + "/" + std::filesystem::path(path).filename().string();
    std::ofstream(copy, std::ios::binary) << content;
  }
}

}  // namespace jevons
