#include "gateway/learning_journal.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <limits>

#include "providers/json.h"

namespace jevons {
namespace {

constexpr std::int64_t line_version = 1;

std::string hex_of(const Trunk& trunk) {
  std::string text;
  for (const std::int8_t value : trunk) {
    const auto bits = static_cast<std::uint8_t>(value);
    text += "0123456789abcdef"[bits >> 4];
    text += "0123456789abcdef"[bits & 15];
  }
  return text;
}

int digit_of(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

bool read_hex(std::string_view text, Trunk& trunk) {
  if (text.empty()) return true;
  if (text.size() != 2 * trunk.size()) return false;
  for (std::size_t i = 0; i < trunk.size(); ++i) {
    const int high = digit_of(text[2 * i]), low = digit_of(text[2 * i + 1]);
    if (high < 0 || low < 0) return false;
    trunk[i] = static_cast<std::int8_t>(high * 16 + low);
  }
  return true;
}

Error bad(std::string_view what) {
  return Error(Fault::invalid_value, Origin::gateway, "outcome: " + std::string(what));
}

Error broken(const std::string& path) {
  return Error(Fault::ledger_unavailable, Origin::gateway, path + ": " + std::strerror(errno));
}

bool write_all(int file, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t written = ::write(file, bytes.data(), bytes.size());
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) return false;
    bytes.remove_prefix(static_cast<std::size_t>(written));
  }
  return ::fdatasync(file) == 0;
}

std::uint64_t number_in(std::string_view text) {
  return std::strtoull(std::string(text).c_str(), nullptr, 10);
}

}  // namespace

std::string outcome_text(const OutcomeLine& line) {
  std::string text;
  JsonWriter json(text);
  json.begin_object().key("v").integer(line_version).key("time").integer(line.time_unix_s);
  json.key("id").string(std::to_string(line.sample.id)).key("key").string(line.sample.key);
  json.key("target").string(line.target).key("source").string(line.source);
  json.key("task").string(task_name(line.sample.input.task));
  if (line.length_residual) {
    json.key("weights").string(line.weights_id);
    json.key("log_length").number(*line.length_residual).end_object();
    return text + "\n";
  }
  json.key("score").number(line.sample.score).key("weight").number(line.sample.weight);
  json.key("observed").boolean(line.sample.observed);
  json.key("prior_logit").number(line.sample.input.prior_logit);
  if (std::isfinite(line.sample.input.ability_logit))
    json.key("ability_logit").number(line.sample.input.ability_logit);
  json.key("request").string(std::to_string(line.sample.request));
  json.key("weights").string(line.weights_id);
  const bool any = line.sample.input.trunk != Trunk{};
  json.key("trunk").string(any ? hex_of(line.sample.input.trunk) : "").end_object();
  return text + "\n";
}

Result<OutcomeLine> read_outcome(std::string_view text) {
  JsonDocument document;
  Result<JsonView> parsed = document.parse(text);
  if (parsed.has_error()) return parsed.error();
  const JsonView json = *parsed;
  if (json["v"].integer() != line_version) return bad("not a line of version 1");
  OutcomeLine line;
  line.time_unix_s = json["time"].integer().value_or(0);
  line.target = std::string(json["target"].text());
  line.source = std::string(json["source"].text());
  line.weights_id = std::string(json["weights"].text());
  line.sample.key = std::string(json["key"].text());
  const std::string_view id = json["id"].text();
  line.sample.id = number_in(id);
  line.sample.observed = json["observed"].boolean();
  const auto task = task_of(json["task"].text());
  line.length_residual = json["log_length"].number();
  const auto score = json["score"].number(), weight = json["weight"].number(),
             prior = json["prior_logit"].number();
  if (line.target.empty() || line.sample.key.empty() || id.empty()) return bad("a name is missing");
  if (!task) return bad("no such task");
  line.sample.input.task = *task;
  if (line.length_residual) return line;
  if (!score || !weight || !prior) return bad("a number is missing");
  if (!read_hex(json["trunk"].text(), line.sample.input.trunk)) return bad("the trunk is broken");
  line.sample.input.prior_logit = *prior;
  // Lines of earlier builds lack both: they teach, and prove nothing.
  line.sample.input.ability_logit =
      json["ability_logit"].number().value_or(std::numeric_limits<double>::quiet_NaN());
  line.sample.request = number_in(json["request"].text());
  line.sample.score = *score;
  line.sample.weight = *weight;
  return line;
}

LearningJournal::~LearningJournal() {
  if (file_ >= 0) ::close(file_);
}

std::size_t LearningJournal::read(const std::function<void(OutcomeLine)>& take) {
  std::size_t passed_over = 0;
  std::ifstream file(path_);
  for (std::string text; !path_.empty() && std::getline(file, text);) {
    Result<OutcomeLine> line = read_outcome(text);
    if (line.has_value())
      take(std::move(*line));
    else
      ++passed_over;
  }
  return passed_over;
}

Result<void> LearningJournal::append(std::string_view lines) {
  if (path_.empty()) return Result<void>();
  if (file_ < 0) {
    file_ = ::open(path_.c_str(), O_RDWR | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
    if (file_ < 0) return broken(path_);
    // A line that a crash tore must not swallow the next one.
    char last = '\n';
    const off_t size = ::lseek(file_, 0, SEEK_END);
    if (size > 0 && ::pread(file_, &last, 1, size - 1) == 1 && last != '\n')
      if (!write_all(file_, "\n")) return broken(path_);
  }
  if (!write_all(file_, lines)) return broken(path_);
  return Result<void>();
}

Result<void> LearningJournal::rewrite(std::string_view lines) {
  if (path_.empty()) return Result<void>();
  const std::string temporary = path_ + ".new";
  const int file = ::open(temporary.c_str(), O_WRONLY | O_TRUNC | O_CREAT | O_CLOEXEC, 0600);
  if (file < 0) return broken(temporary);
  const bool written = write_all(file, lines);
  ::close(file);
  if (!written || std::rename(temporary.c_str(), path_.c_str()) != 0) {
    const Error error = broken(temporary);
    ::unlink(temporary.c_str());
    return error;
  }
  if (file_ >= 0) ::close(file_);
  file_ = -1;
  return Result<void>();
}

}  // namespace jevons
