// A pooled curl easy handle. What never changes is set once; what a call changes is set only where
// it differs from the call before.
#pragma once

#include <curl/curl.h>

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "providers/provider_config.h"

namespace jevons {

struct CurlCall;
class CurlLoop;

class CurlHandle {
 public:
  explicit CurlHandle(CurlLoop& loop);
  CurlHandle(const CurlHandle&) = delete;
  CurlHandle& operator=(const CurlHandle&) = delete;
  ~CurlHandle();

  CurlLoop& loop() const { return loop_; }
  CURL* curl() const { return curl_; }
  CurlCall* call() const { return call_; }

  // Prepares one POST. `call` must stay until release().
  void bind(const ProviderConfig& provider, CurlCall& call);
  void release() { call_ = nullptr; }

 private:
  void set_constant_options();
  void set_text(CURLoption option, std::string& last, const std::string& now);
  void set_headers(const std::vector<Header>& headers);

  const char* system_ca_file() const;

  CurlLoop& loop_;
  CURL* curl_;
  CurlCall* call_ = nullptr;
  curl_slist* headers_ = nullptr;
  std::vector<Header> last_headers_;
  std::string last_url_, last_protocol_, last_proxy_, last_ca_file_;
  std::int64_t last_connect_ms_ = -1;
};

}  // namespace jevons
