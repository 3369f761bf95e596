// Strict HTTP/1.1 request framing (reliability.md 5, rule 10): an incremental parser without I/O.
// Where two readers could disagree about a byte, the request is refused; a refused request ends its
// connection. Boost.Beast reads every accepted head again and must read the same. The outcome is
// the same for every way the bytes are split.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "gateway/http/request.h"
#include "router/error.h"

namespace jevons {

class RequestParser {
 public:
  enum class Phase : std::uint8_t { head, body, complete, refused };

  // `limits` must outlive the parser.
  explicit RequestParser(const HttpLimits& limits) : limits_(&limits) {}

  // Takes bytes up to the end of the request and returns how many it took; takes none once the
  // request is complete or refused.
  std::size_t feed(std::string_view bytes);

  Phase phase() const;
  // Nothing of a request has arrived yet.
  bool untouched() const { return step_ == Step::start && head_bytes_ == 0; }
  // Meaningful when complete. The caller may move out of it before reset().
  HttpRequest& request() { return request_; }
  // Why it was refused; only in Phase::refused.
  Error refusal() const { return Error(refusal_fault_, Origin::client, refusal_); }

  // Meaningful from Phase::body on.
  bool http_1_0() const { return http_1_0_; }
  bool keep_alive() const { return keep_alive_; }
  // The client holds its body back until it sees `100 Continue`.
  bool awaits_continue() const {
    return awaits_continue_ && phase() == Phase::body && !body_begun_;
  }

  // Makes ready for the next request of the connection.
  void reset();

 private:
  enum class Step : std::uint8_t {
    start,
    start_lf,
    method,
    target,
    version,
    version_lf,
    field_start,
    name,
    value_start,
    value,
    value_lf,
    head_lf,  // the last step of the head
    body,
    chunk_size_start,
    chunk_size,
    chunk_extension,
    chunk_size_lf,
    chunk_data,
    chunk_data_cr,
    chunk_data_lf,
    last_chunk_cr,
    last_chunk_lf,
    complete,
    refused
  };

  // Each takes some bytes of [p, end) and returns the first byte not taken.
  const char* head_step(const char* p, const char* end);
  const char* request_line_step(const char* p, const char* end);
  const char* field_step(const char* p, const char* end);
  const char* body_step(const char* p, const char* end);
  const char* chunk_head_step(const char* p, const char* end);
  const char* chunk_data_step(const char* p, const char* end);
  const char* take_method(const char* p, const char* end);
  const char* take_target(const char* p, const char* end);
  const char* take_version(const char* p, const char* end);
  const char* expect(char wanted, Step next, const char* p, const char* message);
  const char* refuse(Fault fault, const char* message, const char* p);

  // Refuses a head that Boost.Beast reads differently.
  void confirm_head(const char* p);

  // The checks of a whole head, in order; each returns false after refusing.
  void finish_head();
  bool check_target();
  bool check_absolute_target(std::string_view authority);
  bool split_path(std::string_view path_and_query);
  bool check_host();
  bool check_framing_fields();
  bool check_content_length(std::string_view value);
  bool check_transfer_encoding(std::string_view value);
  bool check_other_fields();
  bool check_expect(std::string_view value);
  void read_connection(std::string_view value);
  bool fail(Fault fault, const char* message);

  const HttpLimits* limits_;
  Step step_ = Step::start;
  bool leading_crlf_ = false;
  bool http_1_0_ = false;
  bool keep_alive_ = true;
  bool closes_ = false;
  bool awaits_continue_ = false;
  bool body_begun_ = false;
  bool chunked_ = false;
  bool has_length_ = false;
  Fault refusal_fault_ = Fault::bad_request;
  const char* refusal_ = "";
  std::int64_t head_bytes_ = 0;
  std::int64_t remaining_ = 0;        // of the body or of the chunk
  std::int64_t extension_bytes_ = 0;  // of all chunks
  int chunk_digits_ = 0;
  std::string head_;  // its bytes so far, for the second reading
  std::string target_;
  std::string version_;
  HttpRequest request_;
};

// "host", "host:port", "[v6]" or "[v6]:port", nothing else. For the Host field and authorities.
bool is_valid_host(std::string_view host);

}  // namespace jevons
