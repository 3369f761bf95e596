// load_generator: see --help. Prints one line of JSON.
#include <cstdio>
#include <exception>
#include <fstream>
#include <iterator>
#include <stdexcept>
#include <string>

#include "tests/bench/load/runner.h"

namespace {

constexpr const char* usage =
    "usage: load_generator --port N --body FILE [--path P] [--header 'name: value']...\n"
    "  [--connections N] [--rate R] [--seconds S] [--warmup S] [--count N] [--deadline S]\n"
    "  [--hold S] [--stamps 1] [--lines 1]   (--lines: the body file holds one body a line)\n";

struct Arguments {
  load::Options options;
  std::string path = "/v1/chat/completions";
  std::string body_file;
  std::string headers;
  bool lines = false;
};

Arguments parse(int argc, char** argv) {
  Arguments a;
  for (int i = 1; i < argc; i += 2) {
    const std::string name = argv[i];
    if (i + 1 >= argc) throw std::invalid_argument(name + " needs a value");
    const std::string value = argv[i + 1];
    if (name == "--port")
      a.options.port = static_cast<std::uint16_t>(std::stoul(value));
    else if (name == "--host")
      a.options.host = value;
    else if (name == "--body")
      a.body_file = value;
    else if (name == "--path")
      a.path = value;
    else if (name == "--header")
      a.headers += value + "\r\n";
    else if (name == "--connections")
      a.options.connections = std::stol(value);
    else if (name == "--rate")
      a.options.rate = static_cast<double>(std::stol(value));
    else if (name == "--seconds")
      a.options.seconds = static_cast<double>(std::stol(value));
    else if (name == "--warmup")
      a.options.warmup_seconds = static_cast<double>(std::stol(value));
    else if (name == "--count")
      a.options.count = std::stol(value);
    else if (name == "--deadline")
      a.options.deadline_seconds = static_cast<double>(std::stol(value));
    else if (name == "--hold")
      a.options.hold_seconds = static_cast<double>(std::stol(value));
    else if (name == "--stamps")
      a.options.stamps = value == "1";
    else if (name == "--lines")
      a.lines = value == "1";
    else
      throw std::invalid_argument("unknown option " + name);
  }
  if (a.options.port == 0 || a.body_file.empty())
    throw std::invalid_argument("--port and --body are needed");
  return a;
}

void add_request(Arguments& a, const std::string& body) {
  a.options.requests.push_back(
      "POST " + a.path + " HTTP/1.1\r\nHost: " + a.options.host + ":" +
      std::to_string(a.options.port) + "\r\nContent-Type: application/json\r\n" + a.headers +
      "Content-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body);
}

}  // namespace

int main(int argc, char** argv) {
  try {
    Arguments arguments = parse(argc, argv);
    std::ifstream in(arguments.body_file);
    if (!in) throw std::runtime_error("cannot read " + arguments.body_file);
    if (arguments.lines) {
      for (std::string line; std::getline(in, line);) add_request(arguments, line);
    } else {
      add_request(arguments, {std::istreambuf_iterator<char>(in), {}});
    }
    load::Runner runner(std::move(arguments.options));
    std::printf("%s\n", runner.run().to_json().c_str());
    return 0;
  } catch (const std::invalid_argument& error) {
    std::fprintf(stderr, "load_generator: %s\n%s", error.what(), usage);
    return 2;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "load_generator: %s\n", error.what());
    return 1;
  }
}
