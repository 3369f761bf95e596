#include "gateway/http/tls.h"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <stdlib.h>

#include <filesystem>
#include <memory>
#include <string>

#include "tests/gateway/http/wire.h"

using namespace jevons;
using test::Wire;

namespace {

// A folder of certificates made for the test; removed with it.
class Certificates {
 public:
  Certificates() {
    std::string pattern = (std::filesystem::temp_directory_path() / "jevons-tls-XXXXXX").string();
    folder_ = ::mkdtemp(pattern.data());
  }
  ~Certificates() { std::filesystem::remove_all(folder_); }

  // A self-signed pair with that serial number.
  TlsFiles make(const std::string& name, long serial) const {
    const std::unique_ptr<EVP_PKEY, decltype(&EVP_PKEY_free)> key(EVP_EC_gen("P-256"),
                                                                  &EVP_PKEY_free);
    const std::unique_ptr<X509, decltype(&X509_free)> certificate(X509_new(), &X509_free);
    X509_set_version(certificate.get(), 2);
    ASN1_INTEGER_set(X509_get_serialNumber(certificate.get()), serial);
    X509_gmtime_adj(X509_getm_notBefore(certificate.get()), -3'600);
    X509_gmtime_adj(X509_getm_notAfter(certificate.get()), 3'600);
    X509_set_pubkey(certificate.get(), key.get());
    X509_NAME* subject = X509_get_subject_name(certificate.get());
    X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_ASC,
                               reinterpret_cast<const unsigned char*>("localhost"), -1, -1, 0);
    X509_set_issuer_name(certificate.get(), subject);
    X509_sign(certificate.get(), key.get(), EVP_sha256());
    TlsFiles files;
    files.certificate = folder_ + "/" + name + ".crt";
    files.key = folder_ + "/" + name + ".key";
    FILE* file = std::fopen(files.certificate.c_str(), "w");
    PEM_write_X509(file, certificate.get());
    std::fclose(file);
    file = std::fopen(files.key.c_str(), "w");
    PEM_write_PrivateKey(file, key.get(), nullptr, nullptr, 0, nullptr, nullptr);
    std::fclose(file);
    return files;
  }

 private:
  std::string folder_;
};

// A client of one connection that runs the server while it waits.
class TlsClient {
 public:
  TlsClient(Wire& wire, int max_version = TLS1_3_VERSION, const char* protocol = nullptr)
      : wire_(wire),
        raw_(wire.connect()),
        context_(SSL_CTX_new(TLS_client_method()), &SSL_CTX_free),
        ssl_(nullptr, &SSL_free) {
    SSL_CTX_set_security_level(context_.get(), 0);
    SSL_CTX_set_min_proto_version(context_.get(), TLS1_VERSION);
    SSL_CTX_set_max_proto_version(context_.get(), max_version);
    ssl_.reset(SSL_new(context_.get()));
    ::fcntl(raw_.socket(), F_SETFL, O_NONBLOCK);
    SSL_set_fd(ssl_.get(), raw_.socket());
    if (protocol != nullptr) {
      SSL_set_alpn_protos(ssl_.get(), reinterpret_cast<const unsigned char*>(protocol),
                          static_cast<unsigned>(std::string_view(protocol).size()));
    }
  }

  bool handshake() {
    return until_done([&] { return SSL_connect(ssl_.get()); }) == 1;
  }
  long serial() const {
    const std::unique_ptr<X509, decltype(&X509_free)> peer(SSL_get1_peer_certificate(ssl_.get()),
                                                           &X509_free);
    return ASN1_INTEGER_get(X509_get0_serialNumber(peer.get()));
  }
  void send(std::string_view bytes) {
    until_done([&] { return SSL_write(ssl_.get(), bytes.data(), static_cast<int>(bytes.size())); });
  }
  std::string read_to_end() {
    std::string text;
    char buffer[4'096];
    while (true) {
      const int count = until_done([&] { return SSL_read(ssl_.get(), buffer, sizeof buffer); });
      if (count <= 0) break;
      text.append(buffer, static_cast<std::size_t>(count));
    }
    closed_cleanly_ = SSL_get_shutdown(ssl_.get()) == SSL_RECEIVED_SHUTDOWN;
    return Wire::without_date(text);
  }
  bool closed_cleanly() const { return closed_cleanly_; }
  // Whether the server lets this side negotiate anew.
  bool renegotiate() {
    SSL_renegotiate(ssl_.get());
    return until_done([&] { return SSL_do_handshake(ssl_.get()); }) == 1;
  }

 private:
  template <class Step>
  int until_done(Step step) {
    while (true) {
      const int result = step();
      if (result > 0) return result;
      const int why = SSL_get_error(ssl_.get(), result);
      if (why != SSL_ERROR_WANT_READ && why != SSL_ERROR_WANT_WRITE) return result;
      if (wire_.io.stopped()) wire_.io.restart();
      wire_.io.run_one_for(std::chrono::milliseconds(20));
    }
  }

  Wire& wire_;
  fakes::RawClient raw_;
  std::unique_ptr<SSL_CTX, decltype(&SSL_CTX_free)> context_;
  std::unique_ptr<SSL, decltype(&SSL_free)> ssl_;
  bool closed_cleanly_ = false;
};

const std::string get = "GET / HTTP/1.1\r\nHost: x\r\n\r\n";
const std::string get_close = "GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
const std::string answer_close =
    "HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: 5\r\nconnection: close\r\n\r\n"
    "GET /";

}  // namespace

TEST_CASE("tls: requests over 1.2 and 1.3, several and pipelined") {
  Certificates certificates;
  Wire wire(Wire::echo(), {}, certificates.make("a", 7));
  for (const int version : {TLS1_2_VERSION, TLS1_3_VERSION}) {
    CAPTURE(version);
    TlsClient client(wire, version);
    REQUIRE(client.handshake());
    CHECK(client.serial() == 7);
    client.send(get + get_close);
    CHECK(client.read_to_end().ends_with(answer_close));
    CHECK(client.closed_cleanly());
  }
}

TEST_CASE("tls: a body and an answer of many records") {
  Certificates certificates;
  Wire wire(Wire::echo(), {}, certificates.make("a", 7));
  TlsClient client(wire);
  REQUIRE(client.handshake());
  const std::string body(300'000, 'b');
  client.send("POST / HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 300000\r\n\r\n");
  for (std::size_t at = 0; at < body.size(); at += 10'000) client.send(body.substr(at, 10'000));
  const std::string got = client.read_to_end();
  CHECK(got.ends_with("POST / [" + body + "]"));
}

TEST_CASE("tls: what is refused") {
  Certificates certificates;
  HttpLimits limits;
  limits.handshake_ms = 50;
  Wire wire(Wire::echo(), limits, certificates.make("a", 7));
  CHECK_FALSE(TlsClient(wire, TLS1_1_VERSION).handshake());
  CHECK_FALSE(TlsClient(wire, TLS1_3_VERSION, "\x02h2").handshake());
  CHECK(TlsClient(wire, TLS1_3_VERSION, "\x02h2\x08http/1.1").handshake());
  TlsClient old(wire, TLS1_2_VERSION);
  REQUIRE(old.handshake());
  CHECK_FALSE(old.renegotiate());
  auto silent = wire.connect();
  CHECK(silent.read_to_end() == "");  // at the handshake's deadline
  auto plain = wire.connect();
  plain.send(get);
  CHECK(plain.read_to_end().find("HTTP") == std::string::npos);
}

TEST_CASE("tls: a new pair is used from the next connection on, a bad pair is not") {
  Certificates certificates;
  const TlsFiles first = certificates.make("a", 1);
  const TlsFiles second = certificates.make("b", 2);
  Wire wire(Wire::echo(), {}, first);
  TlsClient before(wire);
  REQUIRE(before.handshake());

  TlsFiles mixed = first;
  mixed.key = second.key;
  const auto mismatch = wire.server->swap_tls(mixed);
  REQUIRE(mismatch.has_error());
  CHECK(mismatch.error().message() ==
        "cannot use the TLS key '" + second.key + "': key values mismatch");
  TlsFiles half = second;
  std::filesystem::resize_file(half.certificate, 100);
  const auto cut = wire.server->swap_tls(half);
  REQUIRE(cut.has_error());
  CHECK(cut.error().fault() == Fault::config);
  CHECK(cut.error().message().starts_with("cannot read the TLS certificate '"));
  TlsClient still(wire);
  REQUIRE(still.handshake());
  CHECK(still.serial() == 1);

  REQUIRE(wire.server->swap_tls(certificates.make("c", 3)).has_value());
  TlsClient after(wire);
  REQUIRE(after.handshake());
  CHECK(after.serial() == 3);
  before.send(get_close);
  CHECK(before.read_to_end() == answer_close);
}
