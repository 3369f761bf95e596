// The server side of TLS: 1.2 and 1.3 through OpenSSL, renegotiation off.
#pragma once

#include <openssl/ssl.h>

#include <memory>

#include "gateway/http/server.h"
#include "router/error.h"

namespace jevons {

using TlsContext = std::shared_ptr<SSL_CTX>;

// Reads certificate chain and key. Fault::config if a file cannot be read or the two do not belong
// together; nothing is kept then.
Result<TlsContext> load_tls(const TlsFiles& files);

}  // namespace jevons
