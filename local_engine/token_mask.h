// Which tokens may come next in an answer that must obey a grammar.
#pragma once

#include <cstdint>
#include <span>

#include "local_engine/kv_cache.h"

namespace jevons::engine {

class TokenMask {
 public:
  TokenMask() = default;
  TokenMask(const TokenMask&) = delete;
  TokenMask& operator=(const TokenMask&) = delete;
  virtual ~TokenMask() = default;
  // One bit a token, set where it may come next; tokens that end the answer included. Valid until
  // the next call. At least one bit is set.
  virtual std::span<const std::uint64_t> allowed() = 0;
  virtual void accept(Token token) = 0;
};

}  // namespace jevons::engine
