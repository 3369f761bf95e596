// A weight file may hold anything: it is refused with a message, or every prompt gets finite
// numbers from it. The hash is set right for half of the inputs, or none would pass it.
#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <string>

#include "router/brain.h"
#include "router/judge.h"
#include "router/train.h"

namespace {

constexpr std::size_t header_bytes = 20;  // magic, version, hash

void set_hash(std::string& file) {
  std::uint64_t hash = 14695981039346656037u;
  for (std::size_t i = header_bytes; i < file.size(); ++i)
    hash = (hash ^ static_cast<unsigned char>(file[i])) * 1099511628211u;
  std::memcpy(file.data() + header_bytes - sizeof hash, &hash, sizeof hash);
}

void check(double value, double low, double high) {
  if (!(value >= low && value <= high)) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  std::string file(reinterpret_cast<const char*>(data), size);
  if (size > header_bytes && data[size - 1] % 2 == 0) set_hash(file);
  const auto brain = jevons::Brain::load(file);
  if (!brain) {
    if (brain.error().message().empty()) std::abort();
    return 0;
  }
  for (const char* prompt :
       {"", "Prove that the number of primes is infinite, please.", "\xff\xfe"}) {
    const std::string text = prompt;  // the features look into it
    const jevons::Features features = jevons::features_of_prompt(text, 3, 100);
    const jevons::BrainAnswer answer = brain->ask(features);
    check(answer.ease, 0, 1);
    check(answer.gain, -1, 1);
    check(jevons::judge(features, &*brain).difficulty, 0, 1);
  }
  return 0;
}
