#include "gateway/http/framing.h"

#include <doctest/doctest.h>

#include <string>

using namespace jevons;

namespace {

HttpLimits small_limits() {
  HttpLimits limits;
  limits.header_bytes_max = 400;
  limits.fields_max = 6;
  limits.target_bytes_max = 40;
  limits.body_bytes_max = 20;
  limits.chunk_extension_bytes_max = 8;
  return limits;
}

// What became of the bytes, as text: the request, the refusal, or what it still waits for.
std::string outcome(RequestParser& parser, std::size_t taken, std::size_t given) {
  switch (parser.phase()) {
    case RequestParser::Phase::head:
      return "wants more head";
    case RequestParser::Phase::body:
      return "wants more body";
    case RequestParser::Phase::refused:
      return std::string(fault_code(parser.refusal().fault())) + ": " + parser.refusal().message();
    case RequestParser::Phase::complete:
      break;
  }
  const HttpRequest& request = parser.request();
  std::string text = request.method + " " + request.path;
  if (!request.query.empty()) text += "?" + request.query;
  if (!request.body.empty()) text += " [" + request.body + "]";
  if (parser.http_1_0()) text += " 1.0";
  if (!parser.keep_alive()) text += " close";
  if (taken < given) text += " +" + std::to_string(given - taken);
  return text;
}

std::string parse_whole(const HttpLimits& limits, std::string_view bytes) {
  RequestParser parser(limits);
  const std::size_t taken = parser.feed(bytes);
  return outcome(parser, taken, bytes.size());
}

std::string parse_in_two(const HttpLimits& limits, std::string_view bytes, std::size_t at) {
  RequestParser parser(limits);
  std::size_t taken = parser.feed(bytes.substr(0, at));
  taken += parser.feed(bytes.substr(taken));
  return outcome(parser, taken, bytes.size());
}

std::string parse_bytewise(const HttpLimits& limits, std::string_view bytes) {
  RequestParser parser(limits);
  std::size_t taken = 0;
  while (taken < bytes.size() && parser.feed(bytes.substr(taken, 1)) == 1) ++taken;
  return outcome(parser, taken, bytes.size());
}

struct Row {
  const char* when;
  std::string bytes;
  std::string outcome;
};

// Every row gives the same outcome whole, byte by byte and in two parts at every place.
void check_rows(std::initializer_list<Row> rows) {
  const HttpLimits limits = small_limits();
  for (const Row& row : rows) {
    CAPTURE(row.when);
    CHECK(parse_whole(limits, row.bytes) == row.outcome);
    CHECK(parse_bytewise(limits, row.bytes) == row.outcome);
    for (std::size_t at = 0; at <= row.bytes.size(); ++at) {
      CAPTURE(at);
      CHECK(parse_in_two(limits, row.bytes, at) == row.outcome);
    }
  }
}

std::string get(const std::string& fields) { return "GET / HTTP/1.1\r\n" + fields + "\r\n"; }
std::string post(const std::string& fields, const std::string& body) {
  return "POST / HTTP/1.1\r\nHost: x\r\n" + fields + "\r\n" + body;
}
std::string chunked(const std::string& body) {
  return post("Transfer-Encoding: chunked\r\n", body);
}
const std::string host = "Host: x\r\n";

}  // namespace

TEST_CASE("framing: requests that are served") {
  check_rows({
      {"the least", get(host), "GET /"},
      {"the next request is left alone", get(host) + "GET", "GET / +3"},
      {"one empty line before", "\r\n" + get(host), "GET /"},
      {"HTTP/1.0 needs no Host", "GET / HTTP/1.0\r\n\r\n", "GET / 1.0 close"},
      {"HTTP/1.0 keeps alive when asked", "GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n",
       "GET / 1.0"},
      {"close among other options", get(host + "Connection: te , Close\r\n"), "GET / close"},
      {"close wins over a later keep-alive",
       "GET / HTTP/1.0\r\nConnection: close\r\nConnection: keep-alive\r\n\r\n", "GET / 1.0 close"},
      {"path, query and percent-encoding", "GET /a%2Bb/%7e?x=%31 HTTP/1.1\r\n" + host + "\r\n",
       "GET /a+b/~?x=%31"},
      {"absolute form", "GET http://X/a?b HTTP/1.1\r\n" + host + "\r\n", "GET /a?b"},
      {"absolute form without a path", "GET http://x HTTP/1.1\r\n" + host + "\r\n", "GET /"},
      {"absolute form with a query alone", "GET http://x?q HTTP/1.1\r\n" + host + "\r\n",
       "GET /?q"},
      {"host with port", get("Host: a-b.example:8080\r\n"), "GET /"},
      {"IPv6 host with port", get("Host: [::1]:80\r\n"), "GET /"},
      {"no blank after the colon, blanks around the value", get("Host:x\r\nA: \t b \t\r\n"),
       "GET /"},
      {"empty value", get(host + "A:\r\n"), "GET /"},
      {"a body by length", post("Content-Length: 5\r\n", "hello"), "POST / [hello]"},
      {"an empty body by length", post("Content-Length: 0\r\n", ""), "POST /"},
      {"no length is no body", post("", "x"), "POST / +1"},
      {"chunks", chunked("5\r\nhello\r\nA\r\n0123456789\r\n0\r\n\r\n"), "POST / [hello0123456789]"},
      {"the coding in another case", post("Transfer-Encoding: CHUNKED\r\n", "0\r\n\r\n"), "POST /"},
      {"a short chunk extension", chunked("1;a=\"b\"\r\nx\r\n000\r\n\r\n"), "POST / [x]"},
      {"an offer of h2c is passed over",
       get(host + "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n"), "GET /"},
      {"Expect in HTTP/1.0 means nothing", "GET / HTTP/1.0\r\nExpect: x\r\n\r\n",
       "GET / 1.0 close"},
      {"identity is no coding", post("Content-Encoding: identity\r\nContent-Length: 1\r\n", "x"),
       "POST / [x]"},
      {"incomplete head", "GET / HTTP/1.1\r\nHost: x\r\n", "wants more head"},
      {"incomplete body", post("Content-Length: 5\r\n", "hell"), "wants more body"},
      {"incomplete chunks", chunked("5\r\nhello\r\n0\r\n"), "wants more body"},
  });
}

TEST_CASE("framing: request lines that are refused") {
  const std::string line = "bad_request: malformed request line";
  const std::string target = "bad_request: malformed request target";
  const std::string version = "bad_request: malformed HTTP version";
  check_rows({
      {"two empty lines before", "\r\n\r\n" + get(host), line},
      {"bare LF before", "\n" + get(host), line},
      {"a TLS handshake", std::string("\x16\x03\x01\x02\x00", 5), line},
      {"blank before the method", " GET / HTTP/1.1\r\n", line},
      {"a method that is no token", "G@T / HTTP/1.1\r\n", line},
      {"an endless method", std::string(40, 'A'), "not_implemented: unknown method"},
      {"two blanks", "GET  / HTTP/1.1\r\n", target},
      {"tab for a blank", "GET\t/ HTTP/1.1\r\n", line},
      {"no version", "GET /\r\n", target},
      {"non-ASCII target", "GET /\xc3\xa9 HTTP/1.1\r\n", target},
      {"fragment", "GET /a#b HTTP/1.1\r\n", target},
      {"backslash", "GET /a\\b HTTP/1.1\r\n", target},
      {"NUL in the target", std::string("GET /\0 HTTP/1.1\r\n", 17), target},
      {"bare CR in the target", "GET /\rx HTTP/1.1\r\n", target},
      {"a long target", "GET /" + std::string(40, 'a') + " HTTP/1.1\r\n",
       "uri_too_long: the request target is too long"},
      {"lower-case version", "GET / http/1.1\r\n", version},
      {"blank after the version", "GET / HTTP/1.1 \r\n", version},
      {"more than one digit", "GET / HTTP/1.10\r\n", version},
      {"a short version", "GET / HTTP/1\r\n", version},
      {"bare LF after the line", "GET / HTTP/1.1\nHost: x\r\n\r\n", version},
      {"bare CR after the line", "GET / HTTP/1.1\rHost: x\r\n\r\n",
       "bad_request: bare CR in the request line"},
      {"HTTP/2 preface", "PRI * HTTP/2.0\r\n\r\n",
       "version_not_supported: only HTTP/1.1 and HTTP/1.0 are spoken here"},
      {"HTTP/1.2", "GET / HTTP/1.2\r\n\r\n",
       "version_not_supported: only HTTP/1.1 and HTTP/1.0 are spoken here"},
      {"CONNECT", "CONNECT x:80 HTTP/1.1\r\n" + host + "\r\n",
       "not_implemented: CONNECT and TRACE are not offered"},
      {"TRACE", "TRACE / HTTP/1.1\r\n" + host + "\r\n",
       "not_implemented: CONNECT and TRACE are not offered"},
      {"asterisk", "OPTIONS * HTTP/1.1\r\n" + host + "\r\n",
       "not_implemented: the target '*' is not offered"},
      {"a target that is no path", "GET a HTTP/1.1\r\n" + host + "\r\n",
       "bad_request: the request target must begin with '/'"},
      {"another scheme", "GET ftp://x/ HTTP/1.1\r\n" + host + "\r\n",
       "bad_request: the request target must begin with '/'"},
      {"absolute form for another host", "GET http://y/ HTTP/1.1\r\n" + host + "\r\n",
       "bad_request: the request target and the Host header disagree"},
      {"absolute form with credentials", "GET http://u@x/ HTTP/1.1\r\n" + host + "\r\n", target},
      {"half a percent-encoding", "GET /%4 HTTP/1.1\r\n" + host + "\r\n",
       "bad_request: malformed percent-encoding in the request target"},
      {"no hex in a percent-encoding", "GET /%zz HTTP/1.1\r\n" + host + "\r\n",
       "bad_request: malformed percent-encoding in the request target"},
      {"an encoded NUL", "GET /%00 HTTP/1.1\r\n" + host + "\r\n",
       "bad_request: malformed percent-encoding in the request target"},
  });
}

TEST_CASE("framing: header lines that are refused") {
  const std::string name = "bad_request: malformed header name";
  const std::string begin = "bad_request: a header line begins with an illegal byte";
  const std::string control = "bad_request: a header value holds a control byte";
  const std::string malformed_host = "bad_request: malformed Host header";
  check_rows({
      {"blank before the colon", get("Host : x\r\n"), name},
      {"empty name", get(": x\r\n"), begin},
      {"no colon", get("Host\r\n"), name},
      {"a name that is no token", get("Ho(st: x\r\n"), name},
      {"obs-fold", get(host + " y\r\n"), begin},
      {"obs-fold with tab", get(host + "\ty\r\n"), begin},
      {"blank before the first line", get(" Host: x\r\n"), begin},
      {"bare LF", get("Host: x\nA: b\r\n"), control},
      {"bare CR", get("Host: x\rA: b\r\n"), "bad_request: bare CR in a header"},
      {"bare CR at the end", "GET / HTTP/1.1\r\nHost: x\r\n\rX",
       "bad_request: bare CR in a header"},
      {"bare LF at the end", "GET / HTTP/1.1\r\nHost: x\r\n\n", begin},
      {"NUL in a value", get(std::string("A: \0\r\n", 6)), control},
      {"DEL in a value", get("A: \x7f\r\n"), control},
      {"too many fields", get("A:\r\nB:\r\nC:\r\nD:\r\nE:\r\nF:\r\nG:\r\n"),
       "header_too_large: too many header fields"},
      {"a long head", get("A: " + std::string(500, 'a') + "\r\n"),
       "header_too_large: the request head is too large"},
      {"no Host", get("A: b\r\n"), "bad_request: the Host header is missing"},
      {"two Hosts", get(host + host), "bad_request: more than one Host header"},
      {"two Hosts in HTTP/1.0", "GET / HTTP/1.0\r\n" + host + host + "\r\n",
       "bad_request: more than one Host header"},
      {"empty Host", get("Host:\r\n"), malformed_host},
      {"Host with a path", get("Host: x/y\r\n"), malformed_host},
      {"Host with credentials", get("Host: u@x\r\n"), malformed_host},
      {"a list of Hosts", get("Host: x, y\r\n"), malformed_host},
      {"a blank in Host", get("Host: x y\r\n"), malformed_host},
      {"no port after the colon", get("Host: x:\r\n"), malformed_host},
      {"a port too large", get("Host: x:65536\r\n"), malformed_host},
      {"a port that is no number", get("Host: x:8a\r\n"), malformed_host},
      {"IPv6 without its bracket", get("Host: [::1\r\n"), malformed_host},
      {"something after the bracket", get("Host: [::1]x\r\n"), malformed_host},
      {"another protocol", get(host + "Upgrade: websocket\r\n"),
       "not_implemented: Upgrade is not offered"},
      {"h2c among others", get(host + "Upgrade: h2c, websocket\r\n"),
       "not_implemented: Upgrade is not offered"},
      {"another expectation", get(host + "Expect: 200-ok\r\n"),
       "expectation_failed: the only expectation met is '100-continue'"},
      {"a compressed body", post("Content-Encoding: gzip\r\nContent-Length: 1\r\n", "x"),
       "unsupported_media_type: request bodies must not be compressed"},
  });
}

TEST_CASE("framing: lengths that are refused") {
  const std::string length = "bad_request: malformed Content-Length header";
  const std::string coding = "bad_request: malformed Transfer-Encoding header";
  const std::string other = "not_implemented: the only transfer coding is 'chunked'";
  const std::string large = "request_too_large: the request body is too large";
  check_rows({
      {"both, length first", post("Content-Length: 4\r\nTransfer-Encoding: chunked\r\n", ""),
       "bad_request: Transfer-Encoding and Content-Length together"},
      {"both, coding first", post("Transfer-Encoding: chunked\r\nContent-Length: 4\r\n", ""),
       "bad_request: Transfer-Encoding and Content-Length together"},
      {"two equal lengths", post("Content-Length: 1\r\nContent-Length: 1\r\n", ""),
       "bad_request: more than one Content-Length header"},
      {"a list of lengths", post("Content-Length: 1, 1\r\n", ""), length},
      {"leading zero", post("Content-Length: 01\r\n", ""), length},
      {"plus", post("Content-Length: +1\r\n", ""), length},
      {"minus", post("Content-Length: -1\r\n", ""), length},
      {"hexadecimal", post("Content-Length: 0x1\r\n", ""), length},
      {"empty", post("Content-Length:\r\n", ""), length},
      {"blank inside", post("Content-Length: 1 1\r\n", ""), length},
      {"a byte too many", post("Content-Length: 21\r\n", ""), large},
      {"beyond 64 bits", post("Content-Length: 18446744073709551617\r\n", ""), large},
      {"coding in HTTP/1.0", "POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n",
       "bad_request: Transfer-Encoding in HTTP/1.0"},
      {"two codings", post("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n", ""),
       "bad_request: more than one Transfer-Encoding header"},
      {"coding list", post("Transfer-Encoding: gzip, chunked\r\n", ""), coding},
      {"chunked twice", post("Transfer-Encoding: chunked, chunked\r\n", ""), coding},
      {"coding with parameter", post("Transfer-Encoding: chunked;q=1\r\n", ""), coding},
      {"empty coding", post("Transfer-Encoding:\r\n", ""), coding},
      {"quoted coding", post("Transfer-Encoding: \"chunked\"\r\n", ""), coding},
      {"identity", post("Transfer-Encoding: identity\r\n", ""), other},
      {"a lookalike", post("Transfer-Encoding: xchunked\r\n", ""), other},
      {"vertical tab before the coding", post("Transfer-Encoding: \vchunked\r\n", ""),
       "bad_request: a header value holds a control byte"},
  });
}

TEST_CASE("framing: chunks that are refused") {
  const std::string size = "bad_request: malformed chunk size";
  const std::string large = "request_too_large: the request body is too large";
  check_rows({
      {"no size", chunked("\r\n"), size},
      {"sign", chunked("-1\r\n"), size},
      {"hex prefix", chunked("0x1\r\n"), size},
      {"blank before the size", chunked(" 1\r\n"), size},
      {"blank after the size", chunked("1 \r\n"), size},
      {"endless zeros", chunked(std::string(16, '0')), size},
      {"bare LF after the size", chunked("1\nx"), size},
      {"bare CR after the size", chunked("1\rx"), "bad_request: bare CR after a chunk size"},
      {"too large at once", chunked("15\r\n"), large},
      {"too large in sum", chunked("14\r\n01234567890123456789\r\n1\r\n"), large},
      {"a size that wraps round", chunked("fffffffffffffff"), large},
      {"longer than its size", chunked("1\r\nxy"), "bad_request: a chunk is longer than its size"},
      {"bare CR after the data", chunked("1\r\nx\ry"), "bad_request: bare CR after a chunk"},
      {"extension with a control byte", chunked("1;a\x01\r\n"),
       "bad_request: a chunk extension holds a control byte"},
      {"bare LF in an extension", chunked("1;a\nx"),
       "bad_request: a chunk extension holds a control byte"},
      {"a long extension", chunked("1;123456789\r\n"),
       "bad_request: chunk extensions are too long"},
      {"long extensions in sum", chunked("1;12345\r\nx\r\n1;12345\r\n"),
       "bad_request: chunk extensions are too long"},
      {"trailer", chunked("0\r\nAuthorization: x\r\n\r\n"),
       "bad_request: trailers are not accepted"},
      {"bare CR at the end", chunked("0\r\n\rX"), "bad_request: bare CR after the last chunk"},
  });
}

TEST_CASE("framing: header names are lower-case, values trimmed, order kept") {
  HttpLimits limits;
  RequestParser parser(limits);
  const std::string bytes = get("HOST: x\r\nX-Tag:  a \r\nx-tag: b\tc\r\nX-Raw: \xc3\xa9\r\n");
  CHECK(parser.feed(bytes) == bytes.size());
  REQUIRE(parser.phase() == RequestParser::Phase::complete);
  std::string seen;
  for (const Header& header : parser.request().headers) {
    seen += header.name + "=" + header.value + "\n";
  }
  CHECK(seen == "host=x\nx-tag=a\nx-tag=b\tc\nx-raw=\xc3\xa9\n");
  CHECK(parser.request().header("x-tag") == "a");
  CHECK(parser.request().header("x-none") == "");
}

TEST_CASE("framing: 100-continue is wanted only before the body") {
  HttpLimits limits;
  RequestParser parser(limits);
  parser.feed(post("Expect: 100-Continue\r\nContent-Length: 2\r\n", ""));
  CHECK(parser.awaits_continue());
  parser.feed("a");
  CHECK_FALSE(parser.awaits_continue());
  parser.feed("b");
  CHECK(parser.phase() == RequestParser::Phase::complete);
  parser.reset();
  CHECK(parser.untouched());
  parser.feed(post("Expect: 100-continue\r\n", ""));
  CHECK(parser.phase() == RequestParser::Phase::complete);
  CHECK_FALSE(parser.awaits_continue());
}
