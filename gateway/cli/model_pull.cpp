// `jevons model pull SOURCE`.
#include <curl/curl.h>
#include <fmt/format.h>
#include <openssl/evp.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <memory>
#include <optional>
#include <string_view>

#include "gateway/cli/model_commands.h"
#include "gateway/cli/table.h"
#include "local_engine/engine.h"
#include "providers/json.h"

namespace jevons {
namespace {

namespace fs = std::filesystem;

std::string megabytes(std::uint64_t bytes) {
  return fmt::format("{:.1f}", static_cast<double>(bytes) / 1e6);
}

// One line on a terminal, redrawn ten times a second; silent elsewhere.
class Progress {
 public:
  explicit Progress(const CliIo& io) : io_(io) {}
  ~Progress() {
    if (shown_) io_.err << "\r\033[K" << std::flush;
  }
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;
  void update(std::uint64_t done, std::uint64_t total) {
    if (!io_.tty) return;
    const auto now = std::chrono::steady_clock::now();
    if (shown_ && now - last_ < std::chrono::milliseconds(100)) return;
    if (!shown_) begin_ = done;
    const double seconds = std::chrono::duration<double>(now - start_).count();
    const double rate = seconds > 0 ? static_cast<double>(done - begin_) / seconds / 1e6 : 0;
    io_.err << "\r\033[K";
    if (total > 0) {
      constexpr std::size_t kWidth = 30;
      const std::size_t full = std::min<std::size_t>(kWidth, done * kWidth / total);
      io_.err << "[" << std::string(full, '#') << std::string(kWidth - full, '.') << "] "
              << done * 100 / total << " %  ";
    }
    io_.err << megabytes(done) << (total > 0 ? " of " + megabytes(total) : "")
            << fmt::format(" MB  {:.1f} MB/s", rate) << std::flush;
    shown_ = true;
    last_ = now;
  }

 private:
  const CliIo& io_;
  bool shown_ = false;
  std::uint64_t begin_ = 0;
  std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now(), last_ = start_;
};

bool starts_with_http(std::string_view text) {
  return text.starts_with("http://") || text.starts_with("https://");
}

bool of_this_machine(std::string_view url) {
  for (const std::string_view host : {"http://127.0.0.1", "http://localhost", "http://[::1]"}) {
    if (!url.starts_with(host)) continue;
    const char after = url.size() > host.size() ? url[host.size()] : '/';
    if (after == ':' || after == '/') return true;
  }
  return false;
}

// The last part of the path, without a query.
std::string name_of(std::string_view source) {
  if (starts_with_http(source)) source = source.substr(0, source.find_first_of("?#"));
  const std::string_view name = source.substr(source.find_last_of('/') + 1);
  return name.empty() || name == "." || name == ".." ? "model.gguf" : std::string(name);
}

// What is being written: its file, how far it is, and what the server says of it.
struct Download {
  std::FILE* file = nullptr;
  Progress* progress = nullptr;
  std::uint64_t had = 0;    // bytes of an earlier attempt
  std::uint64_t total = 0;  // 0: not known
  std::uint64_t done = 0;
  std::string etag;
  long status = 0;
  bool disk_full = false;
};

std::size_t on_body(char* data, std::size_t, std::size_t size, void* user) {
  auto& download = *static_cast<Download*>(user);
  if (std::fwrite(data, 1, size, download.file) != size) {
    download.disk_full = true;
    return 0;
  }
  download.done += size;
  download.progress->update(download.done, download.total);
  return size;
}

std::size_t on_header(char* data, std::size_t, std::size_t size, void* user) {
  auto& download = *static_cast<Download*>(user);
  std::string line(data, size);
  while (!line.empty() && (line.back() == '\r' || line.back() == '\n')) line.pop_back();
  if (line.starts_with("HTTP/")) {
    const std::size_t space = line.find(' ');
    download.status = 0;
    for (std::size_t i = space + 1; i < line.size() && line[i] >= '0' && line[i] <= '9'; ++i)
      download.status = download.status * 10 + (line[i] - '0');
    download.etag.clear();
    return size;
  }
  const std::size_t colon = line.find(':');
  if (colon == std::string::npos) {  // the end of the head: is it the rest, or all of it again?
    if (line.empty() && download.status == 200 && download.had > 0) {
      download.had = download.done = 0;
      if (std::freopen(nullptr, "wb", download.file) == nullptr) return 0;
    }
    return size;
  }
  std::string key = line.substr(0, colon);
  std::transform(key.begin(), key.end(), key.begin(),
                 [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; });
  const std::size_t value = line.find_first_not_of(" \t", colon + 1);
  if (value == std::string::npos) return size;
  if (key == "etag" && line[value] == '"') download.etag = line.substr(value);  // strong ones only
  if (key == "content-length") {
    std::uint64_t length = 0;
    for (std::size_t i = value; i < line.size() && line[i] >= '0' && line[i] <= '9'; ++i)
      length = length * 10 + static_cast<std::uint64_t>(line[i] - '0');
    download.total = (download.status == 206 ? download.had : 0) + length;
  }
  return size;
}

std::string read_line(const std::string& path) {
  std::ifstream in(path);
  std::string line;
  std::getline(in, line);
  return line;
}

std::uint64_t size_of(const std::string& path) {
  std::error_code code;
  const auto size = fs::file_size(path, code);
  return code ? 0 : size;
}

using Why = std::optional<std::string>;  // what went wrong

void set_options(CURL* curl, const std::string& url, Download& download, char* error) {
  const bool secure = url.starts_with("https://");
  curl_easy_setopt(curl, CURLOPT_URL, url.c_str());
  curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
  curl_easy_setopt(curl, CURLOPT_REDIR_PROTOCOLS_STR, secure ? "https" : "http,https");
  curl_easy_setopt(curl, CURLOPT_FOLLOWLOCATION, 1L);
  curl_easy_setopt(curl, CURLOPT_MAXREDIRS, 5L);
  curl_easy_setopt(curl, CURLOPT_FAILONERROR, 1L);
  curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT, 20L);
  curl_easy_setopt(curl, CURLOPT_LOW_SPEED_LIMIT, 1L);
  curl_easy_setopt(curl, CURLOPT_LOW_SPEED_TIME, 60L);
  curl_easy_setopt(curl, CURLOPT_USERAGENT, "jevons");
  curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, error);
  curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, on_body);
  curl_easy_setopt(curl, CURLOPT_WRITEDATA, &download);
  curl_easy_setopt(curl, CURLOPT_HEADERFUNCTION, on_header);
  curl_easy_setopt(curl, CURLOPT_HEADERDATA, &download);
}

// Into PART, from where an earlier attempt stopped. PART.etag says which content that was: another
// one is fetched from its beginning. Without it nothing says that the rest fits, so all is fetched.
Why fetch(const std::string& url, const std::string& part, Progress& progress) {
  const std::string etag = read_line(part + ".etag");
  Download download;
  download.had = etag.empty() ? 0 : size_of(part);
  download.done = download.had;
  download.progress = &progress;
  download.file = std::fopen(part.c_str(), download.had > 0 ? "ab" : "wb");
  if (download.file == nullptr) return "cannot write " + part;
  std::array<char, CURL_ERROR_SIZE> error{};
  const std::unique_ptr<CURL, void (*)(CURL*)> curl(curl_easy_init(), curl_easy_cleanup);
  set_options(curl.get(), url, download, error.data());
  curl_slist* raw = nullptr;
  if (download.had > 0) {
    raw = curl_slist_append(raw, ("Range: bytes=" + std::to_string(download.had) + "-").c_str());
    raw = curl_slist_append(raw, ("If-Range: " + etag).c_str());
  }
  const std::unique_ptr<curl_slist, void (*)(curl_slist*)> headers(raw, curl_slist_free_all);
  curl_easy_setopt(curl.get(), CURLOPT_HTTPHEADER, headers.get());
  const CURLcode code = curl_easy_perform(curl.get());
  const bool closed = std::fclose(download.file) == 0;
  if (!download.etag.empty()) std::ofstream(part + ".etag") << download.etag << "\n";
  if (download.disk_full || !closed) return "cannot write " + part + ": is the disk full?";
  // Everything was there already: the earlier attempt ended before its file got its name.
  if (download.status == 416 && download.had > 0) return std::nullopt;
  if (code == CURLE_OK) return std::nullopt;
  if (download.status >= 400)
    return fmt::format("{} answered with status {}", url, download.status);
  const std::string text = error[0] != 0 ? error.data() : curl_easy_strerror(code);
  return fmt::format("{}; {} MB are kept, the same command goes on from there", text,
                     megabytes(size_of(part)));
}

Why copy(const std::string& source, const std::string& part, Progress& progress) {
  std::ifstream in(source, std::ios::binary);
  if (!in || fs::is_directory(source)) return "cannot read " + source;
  std::ofstream out(part, std::ios::binary | std::ios::trunc);
  const std::uint64_t total = size_of(source);
  std::vector<char> buffer(1 << 20);
  std::uint64_t done = 0;
  while (in && out) {
    in.read(buffer.data(), static_cast<std::streamsize>(buffer.size()));
    out.write(buffer.data(), in.gcount());
    done += static_cast<std::uint64_t>(in.gcount());
    progress.update(done, total);
  }
  out.close();
  if (!out) return "cannot write " + part + ": is the disk full?";
  return std::nullopt;
}

std::string sha256_of(const std::string& path, Progress& progress) {
  const std::unique_ptr<EVP_MD_CTX, void (*)(EVP_MD_CTX*)> context(EVP_MD_CTX_new(),
                                                                   EVP_MD_CTX_free);
  EVP_DigestInit_ex(context.get(), EVP_sha256(), nullptr);
  std::ifstream in(path, std::ios::binary);
  std::vector<char> buffer(1 << 20);
  std::uint64_t done = 0;
  while (in) {
    in.read(buffer.data(), static_cast<std::streamsize>(buffer.size()));
    EVP_DigestUpdate(context.get(), buffer.data(), static_cast<std::size_t>(in.gcount()));
    done += static_cast<std::uint64_t>(in.gcount());
    progress.update(done, done);
  }
  std::array<unsigned char, 32> digest{};
  EVP_DigestFinal_ex(context.get(), digest.data(), nullptr);
  std::string text;
  for (const unsigned char byte : digest) text += fmt::format("{:02x}", byte);
  return text;
}

std::string lower(std::string text) {
  for (char& c : text)
    if (c >= 'A' && c <= 'F') c = static_cast<char>(c + 32);
  return text;
}

Why wrong_arguments(const ModelPullOptions& options) {
  const bool digest =
      options.sha256.size() == 64 &&
      lower(options.sha256).find_first_not_of("0123456789abcdef") == std::string::npos;
  if (!options.sha256.empty() && !digest) return "--sha256 takes 64 hexadecimal digits";
  if (options.source.starts_with("http://") && options.sha256.empty() &&
      !of_this_machine(options.source))
    return "plain http can be changed on its way: give --sha256, or use https";
  if (options.source.find("://") != std::string::npos && !starts_with_http(options.source))
    return "'" + options.source + "' is neither http, https nor a file";
  return std::nullopt;
}

std::string target_of(const ModelPullOptions& options) {
  const bool file = options.to.ends_with(".gguf") && !fs::is_directory(options.to);
  return file ? options.to : (fs::path(options.to) / name_of(options.source)).string();
}

struct Pulled {
  std::string path, sha256;
  engine::ModelInfo info;
};

Why pull(const CliIo& io, const ModelPullOptions& options, Pulled& out) {
  if (const Why why = wrong_arguments(options)) return why;
  out.path = target_of(options);
  if (fs::exists(out.path) && !options.force) return out.path + " exists; --force replaces it";
  std::error_code code;
  const fs::path folder = fs::path(out.path).parent_path();
  if (!folder.empty()) fs::create_directories(folder, code);
  const std::string part = out.path + ".part";
  Progress progress(io);
  const Why why = starts_with_http(options.source) ? fetch(options.source, part, progress)
                                                   : copy(options.source, part, progress);
  if (why) return why;
  out.sha256 = sha256_of(part, progress);
  const auto discard = [&part](std::string text) -> Why {
    std::error_code ignored;
    fs::remove(part, ignored);
    fs::remove(part + ".etag", ignored);
    return text;
  };
  if (!options.sha256.empty() && lower(options.sha256) != out.sha256)
    return discard("the file's sha256 is " + out.sha256 +
                   ", not the one asked for; it was removed");
  const auto info = engine::read_model_info(part);
  if (!info) return discard(info.error().message() + "; it was removed");
  out.info = *info;
  fs::rename(part, out.path, code);
  if (code) return "cannot write " + out.path + ": " + code.message();
  fs::remove(part + ".etag", code);
  return std::nullopt;
}

}  // namespace

Exit run_model_pull(const CliIo& io, const ModelPullOptions& options) {
  Pulled pulled;
  if (const Why why = pull(io, options, pulled)) {
    io.err << "jevons model pull: " << printable(*why) << "\n";
    return Exit::failure;
  }
  if (options.json) {
    std::string out;
    JsonWriter json(out);
    json.begin_object();
    json.key("path").string(pulled.path);
    json.key("bytes").integer(static_cast<std::int64_t>(pulled.info.file_bytes));
    json.key("sha256").string(pulled.sha256);
    json.end_object();
    io.out << out << "\n";
    return Exit::good;
  }
  io.out << pulled.path << ": " << megabytes(pulled.info.file_bytes) << " MB, sha256 "
         << pulled.sha256 << "\n";
  io.err
      << "next: name it as `model:` of a target with `provider: local` in policies/catalog.yaml; "
         "'jevons model info' and 'jevons model bench' show more\n";
  return Exit::good;
}

}  // namespace jevons
