// The model inside the process as an Upstream: translates the internal form to engine jobs and
// updates to stream events. Engines are shared by all I/O threads; an upstream belongs to one.
#pragma once

#include <boost/asio/io_context.hpp>
#include <map>
#include <memory>
#include <mutex>
#include <string>

#include "local_engine/engine.h"
#include "providers/upstream.h"

namespace jevons {

// Loaded engines by target name. Thread-safe.
class EngineTable {
 public:
  void put(const std::string& target, std::shared_ptr<engine::Engine> engine);
  std::shared_ptr<engine::Engine> find(const std::string& target) const;
  std::map<std::string, std::shared_ptr<engine::Engine>> all() const;

 private:
  mutable std::mutex mutex_;
  std::map<std::string, std::shared_ptr<engine::Engine>> engines_;
};

std::shared_ptr<Upstream> make_local_upstream(const EngineTable& engines,
                                              boost::asio::io_context& io);

// The engine's job for a request. Errors: unsupported_parameter for what no local model can do
// (images, audio, n > 1, token inputs).
Result<engine::Job> engine_job(const UpstreamCall& call);
// Appends what an update adds to the answer.
void stream_events(const engine::Update& update, std::vector<StreamEvent>& events);
// A refusal as an Error: context_length_exceeded, overloaded with retry-after, ...
Error engine_error(const engine::Refusal& refusal);

}  // namespace jevons
