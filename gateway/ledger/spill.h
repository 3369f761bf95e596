// Settlements that the ledger file could not take (disk full, I/O error), kept in a file whose
// space was reserved beforehand, so that a crash during the outage loses none of them.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "router/ledger_record.h"

namespace jevons {

inline constexpr std::int64_t spill_bytes = 16 * 1024 * 1024;

// Bytes of one settlement and back. Reading refuses what is truncated or has trailing bytes.
std::string settlement_bytes(const AttemptSettlement& settlement);
bool read_settlement(std::string_view bytes, AttemptSettlement& settlement);

// One file, one owner. Records are length, checksum, bytes; the first invalid one ends the file.
class Spill {
 public:
  explicit Spill(std::string path, std::int64_t bytes = spill_bytes);
  ~Spill();
  Spill(const Spill&) = delete;
  Spill& operator=(const Spill&) = delete;

  // Opens or creates the file and reserves its space; false if the disk refuses even that.
  bool open();
  // What an earlier run left behind, oldest first; appending continues after it.
  std::vector<AttemptSettlement> read();
  // Durable when it returns true; false: full or an I/O error, the caller keeps them in memory.
  bool append(const std::vector<const AttemptSettlement*>& settlements);
  // All of it is in the ledger now.
  bool clear();
  bool empty() const { return end_ == 0; }

 private:
  std::string path_;
  std::int64_t bytes_ = 0, end_ = 0;
  int file_ = -1;
};

}  // namespace jevons
