// Reads HTTP/1.1 responses from a byte stream: status, Content-Length or chunked body.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace load {

class ResponseReader {
 public:
  // Consumes bytes up to the end of one response; returns how many were used. `body` bytes seen
  // in this call are appended to `body_out` when it is not null. done() says when it is whole.
  std::size_t feed(std::string_view bytes, std::string* body_out);
  bool done() const { return state_ == State::done; }
  bool broken() const { return state_ == State::broken; }
  int status() const { return status_; }
  bool keep_alive() const { return keep_alive_; }
  // Nothing of a response has arrived yet.
  bool fresh() const { return state_ == State::head && head_.empty(); }
  // The connection ended: completes a response that is delimited by it.
  void on_close();
  void reset();

 private:
  enum class State {
    head,
    body,
    until_close,
    chunk_size,
    chunk_data,
    chunk_end,
    trailer,
    done,
    broken
  };
  void parse_head();
  std::size_t take_line(std::string_view bytes);
  void on_line();

  State state_ = State::head;
  std::string head_;
  std::string line_;
  std::size_t left_ = 0;
  int status_ = 0;
  bool keep_alive_ = true;
};

}  // namespace load
