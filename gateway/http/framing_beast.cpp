// The second reading of a request head. What the strict parser accepted, Boost.Beast's must read
// the same way: a head that has two readings is how requests are smuggled past a proxy.
#include "gateway/http/framing_beast.h"

#include <boost/asio/buffer.hpp>
#include <boost/beast/http/basic_parser.hpp>
#include <boost/beast/src.hpp>

#include "gateway/http/framing_chars.h"

namespace jevons {
namespace {

namespace http = boost::beast::http;
using boost::beast::error_code;
using boost::beast::string_view;

bool same_name(string_view theirs, std::string_view lower_case) {
  if (theirs.size() != lower_case.size()) return false;
  for (std::size_t i = 0; i < theirs.size(); ++i) {
    if (framing::lower(theirs[i]) != lower_case[i]) return false;
  }
  return true;
}

// Compares as Beast reads, so nothing is kept.
class Reading final : public http::basic_parser<true> {
 public:
  Reading(const HttpRequest& request, std::string_view target)
      : request_(request), target_(target) {}
  bool agrees() const { return agrees_ && fields_ == request_.headers.size(); }

 private:
  void on_request_impl(http::verb, string_view method, string_view target, int,
                       error_code&) override {
    agrees_ = method == request_.method && target == target_;
  }
  void on_field_impl(http::field, string_view name, string_view value, error_code&) override {
    agrees_ = agrees_ && fields_ < request_.headers.size() &&
              same_name(name, request_.headers[fields_].name) &&
              value == request_.headers[fields_].value;
    ++fields_;
  }
  void on_response_impl(int, string_view, int, error_code&) override {}
  void on_header_impl(error_code&) override {}
  void on_body_init_impl(const boost::optional<std::uint64_t>&, error_code&) override {}
  std::size_t on_body_impl(string_view body, error_code&) override { return body.size(); }
  void on_chunk_header_impl(std::uint64_t, string_view, error_code&) override {}
  std::size_t on_chunk_body_impl(std::uint64_t, string_view body, error_code&) override {
    return body.size();
  }
  void on_finish_impl(error_code&) override {}

  const HttpRequest& request_;
  std::string_view target_;
  std::size_t fields_ = 0;
  bool agrees_ = false;
};

}  // namespace

bool beast_agrees(std::string_view head, const HeadReading& ours) {
  if (head.starts_with("\r\n")) head.remove_prefix(2);  // Beast does not skip the empty line
  Reading reading(ours.request, ours.target);
  reading.header_limit(static_cast<std::uint32_t>(head.size()) + 1);
  reading.body_limit(boost::none);
  error_code error;
  reading.put(boost::asio::const_buffer(head.data(), head.size()), error);
  if (error || !reading.is_header_done() || !reading.agrees()) return false;
  if (reading.chunked() != ours.chunked) return false;
  const auto length = reading.content_length();
  return ours.chunked || static_cast<std::int64_t>(length.value_or(0)) == ours.body_bytes;
}

}  // namespace jevons
