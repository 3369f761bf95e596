#include "tests/bench/load/response.h"

#include <algorithm>
#include <charconv>

namespace load {
namespace {

// The value of a header in a lower-cased head, empty if absent.
std::string_view header(std::string_view head, std::string_view name) {
  const std::size_t at = head.find(name);
  if (at == std::string_view::npos) return {};
  const std::size_t start = head.find_first_not_of(' ', at + name.size());
  return head.substr(start, head.find("\r\n", start) - start);
}

}  // namespace

void ResponseReader::reset() {
  state_ = State::head;
  head_.clear();
  line_.clear();
  left_ = 0;
  status_ = 0;
}

void ResponseReader::on_close() {
  state_ = state_ == State::until_close ? State::done : State::broken;
}

void ResponseReader::parse_head() {
  std::transform(head_.begin(), head_.end(), head_.begin(),
                 [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; });
  const std::string_view head = head_;
  if (head.size() < 12) {
    state_ = State::broken;
    return;
  }
  std::from_chars(head.data() + 9, head.data() + 12, status_);
  keep_alive_ = header(head, "\r\nconnection:") != "close";
  if (status_ == 100) {  // an interim answer: the real one follows
    head_.clear();
    return;
  }
  const std::string_view length = header(head, "\r\ncontent-length:");
  if (header(head, "\r\ntransfer-encoding:") == "chunked") {
    state_ = State::chunk_size;
  } else if (!length.empty()) {
    std::from_chars(length.data(), length.data() + length.size(), left_);
    state_ = left_ == 0 ? State::done : State::body;
  } else {
    state_ = State::until_close;
  }
}

void ResponseReader::on_line() {
  if (state_ == State::chunk_size) {
    left_ = 0;
    std::from_chars(line_.data(), line_.data() + line_.size(), left_, 16);
    state_ = left_ == 0 ? State::trailer : State::chunk_data;
  } else if (state_ == State::chunk_end) {
    state_ = State::chunk_size;
  } else if (line_ == "\r\n") {
    state_ = State::done;
  }
  line_.clear();
}

std::size_t ResponseReader::take_line(std::string_view bytes) {
  const std::size_t end = bytes.find('\n');
  if (end == std::string_view::npos) {
    line_ += bytes;
    return bytes.size();
  }
  line_ += bytes.substr(0, end + 1);
  on_line();
  return end + 1;
}

std::size_t ResponseReader::feed(std::string_view bytes, std::string* body_out) {
  std::size_t used = 0;
  while (used < bytes.size() && state_ != State::done && state_ != State::broken) {
    const std::string_view rest = bytes.substr(used);
    if (state_ == State::head) {
      const std::size_t before = head_.size();
      head_ += rest;
      const std::size_t end = head_.find("\r\n\r\n", before > 3 ? before - 3 : 0);
      if (end == std::string::npos) return bytes.size();
      used += end + 4 - before;
      head_.resize(end + 4);
      parse_head();
    } else if (state_ == State::body || state_ == State::chunk_data ||
               state_ == State::until_close) {
      const std::size_t take =
          state_ == State::until_close ? rest.size() : std::min(left_, rest.size());
      if (body_out != nullptr) body_out->append(rest.substr(0, take));
      used += take;
      left_ -= state_ == State::until_close ? 0 : take;
      if (left_ == 0 && state_ == State::body) state_ = State::done;
      if (left_ == 0 && state_ == State::chunk_data) state_ = State::chunk_end;
    } else {
      used += take_line(rest);
    }
  }
  return used;
}

}  // namespace load
