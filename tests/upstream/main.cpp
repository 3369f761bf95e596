// scripted_upstream: see README.md. Prints `listening 127.0.0.1:PORT` once it accepts.
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <fstream>
#include <iterator>
#include <stdexcept>
#include <string>

#include "tests/upstream/server.h"

namespace {

struct Arguments {
  upstream::ServerOptions server;
  std::string script;
  std::string prices;
  std::string bill;
  std::size_t keep_calls = 100'000;
  std::size_t keep_requests = 256;
};

constexpr const char* usage =
    "usage: scripted_upstream [--port N] [--address A] [--script FILE] [--prices FILE]\n"
    "                         [--bill FILE.jsonl] [--keep-calls N] [--keep-requests N]\n"
    "                         [--cert FILE --key FILE]\n";

Arguments parse(int argc, char** argv) {
  Arguments arguments;
  for (int i = 1; i < argc; i += 2) {
    const std::string name = argv[i];
    if (i + 1 >= argc) throw std::invalid_argument(name + " needs a value");
    const std::string value = argv[i + 1];
    if (name == "--port")
      arguments.server.port = static_cast<std::uint16_t>(std::stoul(value));
    else if (name == "--address")
      arguments.server.address = value;
    else if (name == "--script")
      arguments.script = value;
    else if (name == "--prices")
      arguments.prices = value;
    else if (name == "--bill")
      arguments.bill = value;
    else if (name == "--keep-calls")
      arguments.keep_calls = std::stoul(value);
    else if (name == "--keep-requests")
      arguments.keep_requests = std::stoul(value);
    else if (name == "--cert")
      arguments.server.cert = value;
    else if (name == "--key")
      arguments.server.key = value;
    else
      throw std::invalid_argument("unknown option " + name);
  }
  return arguments;
}

}  // namespace

int main(int argc, char** argv) {
  try {
    const Arguments arguments = parse(argc, argv);
    upstream::Script script;
    if (!arguments.script.empty()) {
      std::ifstream in(arguments.script);
      if (!in) throw std::runtime_error("cannot read the script " + arguments.script);
      const std::string text{std::istreambuf_iterator<char>(in), {}};
      if (const auto error = script.load(text))
        throw std::runtime_error(arguments.script + ": " + *error);
    }
    upstream::Bill bill(arguments.prices, arguments.bill, arguments.keep_calls);
    upstream::Handler handler(std::move(script), bill, arguments.keep_requests);
    upstream::Server server(arguments.server, handler, bill);
    std::printf("listening %s:%u\n", arguments.server.address.c_str(), server.port());
    std::fflush(stdout);
    server.run();
    return 0;
  } catch (const std::invalid_argument& error) {
    std::fprintf(stderr, "scripted_upstream: %s\n%s", error.what(), usage);
    return 2;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "scripted_upstream: %s\n", error.what());
    return 1;
  }
}
