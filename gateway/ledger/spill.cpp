#include "gateway/ledger/spill.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <boost/crc.hpp>

namespace jevons {
namespace {

constexpr std::size_t header_bytes = 8;  // length, then CRC-32 of the bytes
constexpr std::uint8_t format_version = 1;

class Encoder {
 public:
  void integer(std::int64_t value) {
    const auto bits = static_cast<std::uint64_t>(value);
    for (int shift = 0; shift < 64; shift += 8) out_ += static_cast<char>(bits >> shift & 0xff);
  }
  void text(std::string_view text) {
    integer(static_cast<std::int64_t>(text.size()));
    out_ += text;
  }
  std::string take() { return std::move(out_); }

 private:
  std::string out_;
};

class Decoder {
 public:
  explicit Decoder(std::string_view bytes) : bytes_(bytes) {}
  std::int64_t integer() {
    if (bytes_.size() - at_ < 8) {
      good_ = false;
      return 0;
    }
    std::uint64_t bits = 0;
    for (std::size_t i = 0; i < 8; ++i)
      bits |= static_cast<std::uint64_t>(static_cast<unsigned char>(bytes_[at_ + i])) << (8 * i);
    at_ += 8;
    return static_cast<std::int64_t>(bits);
  }
  // An integer that must be within 0 and `last`.
  std::int64_t integer_to(std::int64_t last) {
    const std::int64_t value = integer();
    if (value < 0 || value > last) good_ = false;
    return good_ ? value : 0;
  }
  std::string text() {
    const std::int64_t length = integer();
    if (!good_ || length < 0 || static_cast<std::uint64_t>(length) > bytes_.size() - at_) {
      good_ = false;
      return {};
    }
    std::string text(bytes_.substr(at_, static_cast<std::size_t>(length)));
    at_ += text.size();
    return text;
  }
  bool done() const { return good_ && at_ == bytes_.size(); }

 private:
  std::string_view bytes_;
  std::size_t at_ = 0;
  bool good_ = true;
};

void put_money(Encoder& out, const std::optional<Nanodollars>& money) {
  out.integer(money ? 1 : 0);
  out.integer(money ? money->value : 0);
}

std::optional<Nanodollars> get_money(Decoder& in) {
  const bool there = in.integer_to(1) == 1;
  const std::int64_t value = in.integer();
  return there ? std::optional(Nanodollars{value}) : std::nullopt;
}

std::uint32_t little_endian(const char* bytes) {
  std::uint32_t value = 0;
  for (std::size_t i = 0; i < 4; ++i)
    value |= static_cast<std::uint32_t>(static_cast<unsigned char>(bytes[i])) << (8 * i);
  return value;
}

void put_little_endian(std::string& out, std::uint32_t value) {
  for (int shift = 0; shift < 32; shift += 8) out += static_cast<char>(value >> shift & 0xff);
}

std::uint32_t checksum(std::string_view bytes) {
  boost::crc_32_type crc;
  crc.process_bytes(bytes.data(), bytes.size());
  return crc.checksum();
}

bool write_all(int file, std::string_view bytes, std::int64_t offset) {
  while (!bytes.empty()) {
    const ssize_t written = pwrite(file, bytes.data(), bytes.size(), offset);
    if (written <= 0) return false;
    bytes.remove_prefix(static_cast<std::size_t>(written));
    offset += written;
  }
  return true;
}

}  // namespace

std::string settlement_bytes(const AttemptSettlement& settlement) {
  Encoder out;
  out.integer(format_version);
  out.integer(static_cast<std::int64_t>(settlement.request.high));
  out.integer(static_cast<std::int64_t>(settlement.request.low));
  out.integer(settlement.attempt);
  out.integer(static_cast<std::int64_t>(settlement.state));
  for (const TokenCount& tokens : settlement.usage.tokens) {
    out.integer(tokens.count);
    out.integer(static_cast<std::int64_t>(tokens.source));
  }
  out.integer(settlement.usage.web_search_calls);
  put_money(out, settlement.usage.reported_cost);
  out.text(settlement.usage.suspicion);
  out.text(settlement.price_id);
  out.text(settlement.mode);
  put_money(out, settlement.cost);
  out.integer(settlement.baseline.value);
  out.integer(settlement.delivered ? 1 : 0);
  out.integer(static_cast<std::int64_t>(settlement.ended_by));
  out.integer(static_cast<std::int64_t>(settlement.outcome));
  out.integer(settlement.status);
  out.text(settlement.error_code);
  out.integer(settlement.ttft_ms);
  out.integer(settlement.duration_ms);
  out.text(settlement.upstream_id);
  return out.take();
}

bool read_settlement(std::string_view bytes, AttemptSettlement& settlement) {
  Decoder in(bytes);
  if (in.integer() != format_version) return false;
  settlement.request.high = static_cast<std::uint64_t>(in.integer());
  settlement.request.low = static_cast<std::uint64_t>(in.integer());
  settlement.attempt = static_cast<int>(in.integer_to(255));
  settlement.state = static_cast<AttemptState>(in.integer_to(3));
  for (TokenCount& tokens : settlement.usage.tokens) {
    tokens.count = in.integer();
    tokens.source = static_cast<Provenance>(in.integer_to(2));
  }
  settlement.usage.web_search_calls = in.integer();
  settlement.usage.reported_cost = get_money(in);
  settlement.usage.suspicion = in.text();
  settlement.price_id = in.text();
  settlement.mode = in.text();
  settlement.cost = get_money(in);
  settlement.baseline.value = in.integer();
  settlement.delivered = in.integer_to(1) == 1;
  settlement.ended_by = static_cast<EndedBy>(in.integer_to(3));
  settlement.outcome = static_cast<Outcome>(in.integer_to(9));
  settlement.status = static_cast<int>(in.integer_to(1'000'000));
  settlement.error_code = in.text();
  settlement.ttft_ms = in.integer();
  settlement.duration_ms = in.integer();
  settlement.upstream_id = in.text();
  return in.done();
}

Spill::Spill(std::string path, std::int64_t bytes) : path_(std::move(path)), bytes_(bytes) {}

Spill::~Spill() {
  if (file_ >= 0) close(file_);
}

bool Spill::open() {
  file_ = ::open(path_.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (file_ < 0) return false;
  if (posix_fallocate(file_, 0, bytes_) != 0) return false;
  return fsync(file_) == 0;
}

std::vector<AttemptSettlement> Spill::read() {
  std::vector<AttemptSettlement> found;
  end_ = 0;
  if (file_ < 0) return found;
  std::string bytes(static_cast<std::size_t>(bytes_), '\0');
  const ssize_t got = pread(file_, bytes.data(), bytes.size(), 0);
  if (got <= 0) return found;
  std::string_view rest(bytes.data(), static_cast<std::size_t>(got));
  while (rest.size() >= header_bytes) {
    const std::uint32_t length = little_endian(rest.data());
    if (length == 0 || length > rest.size() - header_bytes) break;
    const std::string_view record = rest.substr(header_bytes, length);
    AttemptSettlement settlement;
    if (checksum(record) != little_endian(rest.data() + 4)) break;
    if (!read_settlement(record, settlement)) break;
    found.push_back(std::move(settlement));
    rest.remove_prefix(header_bytes + length);
    end_ += static_cast<std::int64_t>(header_bytes + length);
  }
  return found;
}

bool Spill::append(const std::vector<const AttemptSettlement*>& settlements) {
  if (file_ < 0) return false;
  std::string bytes;
  for (const AttemptSettlement* settlement : settlements) {
    const std::string record = settlement_bytes(*settlement);
    put_little_endian(bytes, static_cast<std::uint32_t>(record.size()));
    put_little_endian(bytes, checksum(record));
    bytes += record;
  }
  // A zero length after the last record ends the file; older records may lie behind it.
  const std::string mark(header_bytes, '\0');
  const auto size = static_cast<std::int64_t>(bytes.size());
  if (end_ + size + static_cast<std::int64_t>(header_bytes) > bytes_) return false;
  if (!write_all(file_, bytes + mark, end_) || fdatasync(file_) != 0) return false;
  end_ += size;
  return true;
}

bool Spill::clear() {
  if (file_ < 0) return false;
  if (end_ == 0) return true;
  const std::string mark(header_bytes, '\0');
  if (!write_all(file_, mark, 0) || fdatasync(file_) != 0) return false;
  end_ = 0;
  return true;
}

}  // namespace jevons
