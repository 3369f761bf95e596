#include "gateway/dialects/openai_models.h"

#include <ctime>

#include "providers/json.h"

namespace jevons {
namespace {

std::string rfc3339(std::int64_t unix_s) {
  const std::time_t time = unix_s;
  std::tm parts{};
  gmtime_r(&time, &parts);
  char text[32];
  const std::size_t length = std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &parts);
  return {text, length};
}

void write_entry(JsonWriter& out, const ListedModel& model, Dialect dialect) {
  out.begin_object();
  if (dialect == Dialect::anthropic) {
    out.key("type").string("model").key("id").string(model.id);
    out.key("display_name").string(model.id).key("created_at").string(rfc3339(model.created));
    if (model.context > 0) out.key("max_input_tokens").integer(model.context);
    if (model.max_output > 0) out.key("max_tokens").integer(model.max_output);
  } else {
    out.key("id").string(model.id).key("object").string("model");
    out.key("created").integer(model.created).key("owned_by").string(model.owned_by);
  }
  out.end_object();
}

}  // namespace

std::string write_model_list(std::span<const ListedModel> models, Dialect dialect) {
  std::string body;
  JsonWriter out(body);
  out.begin_object();
  if (dialect == Dialect::openai) out.key("object").string("list");
  out.key("data").begin_array();
  for (const ListedModel& model : models) write_entry(out, model, dialect);
  out.end_array();
  if (dialect == Dialect::anthropic) {
    const auto id_or_null = [&](std::string_view name, const ListedModel* model) {
      out.key(name);
      if (model == nullptr) {
        out.null();
      } else {
        out.string(model->id);
      }
    };
    out.key("has_more").boolean(false);
    id_or_null("first_id", models.empty() ? nullptr : &models.front());
    id_or_null("last_id", models.empty() ? nullptr : &models.back());
  }
  out.end_object();
  return body;
}

std::string write_model(const ListedModel& model, Dialect dialect) {
  std::string body;
  JsonWriter out(body);
  write_entry(out, model, dialect);
  return body;
}

}  // namespace jevons
