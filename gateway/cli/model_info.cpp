// `jevons model info FILE`.
#include <fmt/format.h>

#include "gateway/cli/model_commands.h"
#include "gateway/cli/table.h"
#include "local_engine/engine.h"
#include "providers/json.h"

namespace jevons {
namespace {

std::string info_json(const engine::ModelInfo& info) {
  std::string out;
  JsonWriter json(out);
  const auto count = [&json](std::string_view key, std::uint64_t value) {
    json.key(key).integer(static_cast<std::int64_t>(value));
  };
  json.begin_object();
  json.key("name").string(utf8_or_replaced(info.name));
  json.key("architecture").string(utf8_or_replaced(info.architecture));
  json.key("quantisation").string(info.quantisation);
  count("parameters", info.parameters);
  count("active_parameters", info.active_parameters);
  count("layers", info.layers);
  count("embedding", info.embedding);
  count("experts", info.experts);
  count("experts_used", info.experts_used);
  count("context_trained", info.context_trained);
  count("vocabulary", info.vocabulary);
  count("file_bytes", info.file_bytes);
  count("kv_bytes_per_token", info.kv_bytes_per_token);
  json.key("has_chat_template").boolean(info.has_chat_template);
  json.end_object();
  return out + "\n";
}

std::string number(std::uint64_t value) { return grouped(static_cast<std::int64_t>(value)); }

}  // namespace

Exit run_model_info(const CliIo& io, const ModelInfoOptions& options) {
  const auto info = engine::read_model_info(options.file);
  if (!info) {
    io.err << "jevons model info: " << printable(info.error().message()) << "\n";
    return Exit::failure;
  }
  if (options.json) {
    io.out << info_json(*info);
    return Exit::good;
  }
  Table table({{"model"}, {printable(info->name)}});
  table.add({"architecture", printable(info->architecture)});
  table.add({"quantisation", info->quantisation});
  table.add({"parameters", number(info->parameters)});
  if (info->experts > 0) {
    table.add({"active for a token", number(info->active_parameters)});
    table.add({"experts", fmt::format("{} of {} for a token", info->experts_used, info->experts)});
  }
  table.add({"layers", number(info->layers)});
  table.add({"embedding", number(info->embedding)});
  table.add({"vocabulary", number(info->vocabulary)});
  table.add({"trained context", number(info->context_trained)});
  table.add({"KV bytes a token", number(info->kv_bytes_per_token)});
  table.add({"file", fmt::format("{:.1f} MB", static_cast<double>(info->file_bytes) / 1e6)});
  table.add({"chat template", info->has_chat_template ? "yes" : "no: raw prompts only"});
  io.out << table.text(io.color);
  return Exit::good;
}

}  // namespace jevons
