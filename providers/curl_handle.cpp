#include "providers/curl_handle.h"

#include <algorithm>
#include <new>
#include <string_view>

#include "providers/curl_call.h"
#include "providers/curl_loop.h"

namespace jevons {

namespace {

constexpr long connection_life_s = 300;
// Shorter than what common servers keep an idle connection: a request must not meet its end.
constexpr long connection_idle_s = 30;

CurlHandle& handle_of(void* handle) { return *static_cast<CurlHandle*>(handle); }

std::size_t on_header(char* bytes, std::size_t size, std::size_t count, void* data) {
  CurlHandle& handle = handle_of(data);
  CurlCall& call = *handle.call();
  const bool had_head = call.head_done;
  const std::size_t taken = call.on_header(std::string_view(bytes, size * count));
  if (call.head_done && !had_head) handle.loop().queue_wake(call);
  return taken;
}

std::size_t on_body(char* bytes, std::size_t size, std::size_t count, void* data) {
  CurlHandle& handle = handle_of(data);
  CurlCall& call = *handle.call();
  const std::size_t taken = call.on_body(std::string_view(bytes, size * count));
  handle.loop().queue_wake(call);
  return taken;
}

int on_about_to_send(void* data, char*, char*, int, int) {
  return handle_of(data).call()->on_about_to_send();
}

curl_socket_t on_open_socket(void* data, curlsocktype, curl_sockaddr* address) {
  CurlHandle& handle = handle_of(data);
  if (!handle.call()->may_connect(address->addr)) return CURL_SOCKET_BAD;
  return handle.loop().open_socket(address->family, address->socktype, address->protocol);
}

int on_close_socket(void* loop, curl_socket_t socket) {
  static_cast<CurlLoop*>(loop)->close_socket(socket);
  return 0;
}

bool same(const std::vector<Header>& a, const std::vector<Header>& b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](const Header& x, const Header& y) {
    return x.name == y.name && x.value == y.value;
  });
}

bool is_one_line(std::string_view text) {
  return text.find_first_of(std::string_view("\r\n\0", 3)) == std::string_view::npos;
}

}  // namespace

CurlHandle::CurlHandle(CurlLoop& loop) : loop_(loop), curl_(curl_easy_init()) {
  if (curl_ == nullptr) throw std::bad_alloc();
  set_constant_options();
}

CurlHandle::~CurlHandle() {
  curl_easy_cleanup(curl_);
  curl_slist_free_all(headers_);
}

void CurlHandle::set_constant_options() {
  const auto set = [this](CURLoption option, auto value) {
    curl_easy_setopt(curl_, option, value);
  };
  set(CURLOPT_PRIVATE, this);
  set(CURLOPT_HEADERFUNCTION, &on_header);
  set(CURLOPT_HEADERDATA, this);
  set(CURLOPT_WRITEFUNCTION, &on_body);
  set(CURLOPT_WRITEDATA, this);
  set(CURLOPT_PREREQFUNCTION, &on_about_to_send);
  set(CURLOPT_PREREQDATA, this);
  set(CURLOPT_OPENSOCKETFUNCTION, &on_open_socket);
  set(CURLOPT_OPENSOCKETDATA, this);
  // A connection outlives the handle that opened it.
  set(CURLOPT_CLOSESOCKETFUNCTION, &on_close_socket);
  set(CURLOPT_CLOSESOCKETDATA, &loop_);
  set(CURLOPT_POST, 1L);
  set(CURLOPT_NOSIGNAL, 1L);
  set(CURLOPT_FOLLOWLOCATION, 0L);
  set(CURLOPT_DISALLOW_USERNAME_IN_URL, 1L);
  set(CURLOPT_NETRC, static_cast<long>(CURL_NETRC_IGNORED));
  set(CURLOPT_SSL_VERIFYPEER, 1L);
  set(CURLOPT_SSL_VERIFYHOST, 2L);
  set(CURLOPT_SSLVERSION, static_cast<long>(CURL_SSLVERSION_TLSv1_2));
  set(CURLOPT_TCP_NODELAY, 1L);
  set(CURLOPT_TCP_KEEPALIVE, 1L);
  set(CURLOPT_MAXLIFETIME_CONN, connection_life_s);
  set(CURLOPT_MAXAGE_CONN, connection_idle_s);
  set(CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
  set(CURLOPT_USERAGENT, "jevons/" JEVONS_VERSION);
  // Set even when empty: otherwise curl reads proxies from the environment.
  set(CURLOPT_PROXY, "");
  set(CURLOPT_NOPROXY, "");
}

void CurlHandle::set_text(CURLoption option, std::string& last, const std::string& now) {
  if (last == now) return;
  last = now;
  curl_easy_setopt(curl_, option, now.c_str());
}

void CurlHandle::bind(const ProviderConfig& provider, CurlCall& call) {
  call_ = &call;
  set_text(CURLOPT_URL, last_url_, call.request.url);
  const bool tls = call.request.url.starts_with("https:");
  set_text(CURLOPT_PROTOCOLS_STR, last_protocol_, tls ? "https" : "http");
  // Only TLS says early whether a connection can be shared. Over plain TCP curl would find out with
  // the first answer, and keep every other call waiting until that one's end.
  curl_easy_setopt(curl_, CURLOPT_HTTP_VERSION,
                   static_cast<long>(tls ? CURL_HTTP_VERSION_2TLS : CURL_HTTP_VERSION_1_1));
  curl_easy_setopt(curl_, CURLOPT_PIPEWAIT, tls ? 1L : 0L);
  set_text(CURLOPT_PROXY, last_proxy_, provider.proxy);
  if (last_ca_file_ != provider.ca_file) {
    last_ca_file_ = provider.ca_file;
    curl_easy_setopt(curl_, CURLOPT_CAINFO,
                     provider.ca_file.empty() ? system_ca_file() : provider.ca_file.c_str());
  }
  if (last_connect_ms_ != provider.timeouts.connect_ms) {
    last_connect_ms_ = provider.timeouts.connect_ms;
    curl_easy_setopt(curl_, CURLOPT_CONNECTTIMEOUT_MS, static_cast<long>(last_connect_ms_));
  }
  set_headers(call.request.headers);
  curl_easy_setopt(curl_, CURLOPT_POSTFIELDS, call.request.body.data());
  curl_easy_setopt(curl_, CURLOPT_POSTFIELDSIZE_LARGE,
                   static_cast<curl_off_t>(call.request.body.size()));
}

// What curl uses when nothing is set; there is no value that means "back to the default".
const char* CurlHandle::system_ca_file() const {
  char* file = nullptr;
  curl_easy_getinfo(curl_, CURLINFO_CAINFO, &file);
  return file;
}

void CurlHandle::set_headers(const std::vector<Header>& headers) {
  if (headers_ != nullptr && same(headers, last_headers_)) return;
  curl_slist_free_all(headers_);
  headers_ = nullptr;
  last_headers_ = headers;
  const auto add = [this](const char* line) {
    curl_slist* longer = curl_slist_append(headers_, line);
    if (longer == nullptr) throw std::bad_alloc();
    headers_ = longer;
  };
  add("expect:");
  add("accept-encoding: identity");
  std::string line;
  for (const Header& header : headers) {
    if (!is_one_line(header.name) || !is_one_line(header.value)) continue;
    // curl takes "name:" as "leave it out" and "name;" as an empty value.
    line = header.value.empty() ? header.name + ";" : header.name + ": " + header.value;
    add(line.c_str());
  }
  curl_easy_setopt(curl_, CURLOPT_HTTPHEADER, headers_);
}

}  // namespace jevons
