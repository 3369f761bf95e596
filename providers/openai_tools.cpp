#include "providers/openai_tools.h"

namespace jevons {
namespace {

bool read_function(FieldReader& in, JsonView value, const JsonPath& path, Tool& out) {
  if (!value.is_object()) return in.wrong(path, "an object with a name", value);
  in.string(value["name"], JsonPath(path, "name"), out.name);
  in.string(value["description"], JsonPath(path, "description"), out.description);
  in.object_json(value["parameters"], JsonPath(path, "parameters"), out.parameters);
  in.boolean(value["strict"], JsonPath(path, "strict"), out.strict);
  if (out.name.empty()) return in.missing(JsonPath(path, "name"), "Name the function.");
  return in.ok();
}

bool read_tool(FieldReader& in, JsonView value, const JsonPath& path, Tool& out) {
  if (!value.is_object()) return in.wrong(path, "an object with a type", value);
  const JsonView type = value["type"];
  if (!type.present()) return in.missing(JsonPath(path, "type"), "Send \"type\": \"function\".");
  if (!type.is_string()) return in.wrong(JsonPath(path, "type"), "a string", type);
  if (type.text() != "function") {
    out.raw = value.json();
    return true;
  }
  if (value["cache_control"].present()) out.cache_control = value["cache_control"].json();
  if (!value["function"].present() && value["name"].present()) {
    return read_function(in, value, path, out);
  }
  return read_function(in, value["function"], JsonPath(path, "function"), out);
}

template <class ReadOne>
bool read_list(FieldReader& in, JsonView value, const JsonPath& path, std::vector<Tool>& out,
               ReadOne read_one) {
  if (!value.present()) return true;
  if (!value.is_array()) return in.wrong(path, "an array", value);
  std::size_t index = 0;
  for (JsonView tool : value) {
    if (!read_one(in, tool, JsonPath(path, index++), out.emplace_back())) return false;
  }
  return true;
}

}  // namespace

bool read_openai_tools(FieldReader& in, JsonView value, const JsonPath& path,
                       std::vector<Tool>& out) {
  return read_list(in, value, path, out, read_tool);
}

bool read_openai_functions(FieldReader& in, JsonView value, const JsonPath& path,
                           std::vector<Tool>& out) {
  return read_list(in, value, path, out, read_function);
}

bool read_openai_tool_choice(FieldReader& in, JsonView value, const JsonPath& path,
                             ToolChoice& out) {
  using Mode = ToolChoice::Mode;
  if (!value.present()) return true;
  if (value.is_string()) {
    const std::string_view word = value.text();
    if (word == "none") {
      out.mode = Mode::none;
    } else if (word == "auto") {
      out.mode = Mode::automatic;
    } else if (word == "required" || word == "any") {
      out.mode = Mode::required;
    } else {
      return in.invalid(path, "must be none, auto, required or an object, but is " +
                                  quoted(word) + ".");
    }
    return true;
  }
  if (!value.is_object()) return in.wrong(path, "a string or an object", value);
  const std::string_view type = value["type"].text();
  if (!type.empty() && type != "function") {
    out.mode = Mode::raw;
    out.raw = value.json();
    return true;
  }
  const bool nested = value["function"].is_object();
  const JsonPath nest(path, "function");
  const JsonPath name_path(nested ? nest : path, "name");
  in.string((nested ? value["function"] : value)["name"], name_path, out.name);
  if (out.name.empty()) return in.missing(name_path, "Name the function to call.");
  out.mode = Mode::named;
  return in.ok();
}

bool read_openai_response_format(FieldReader& in, JsonView value, const JsonPath& path,
                                 ResponseFormat& out) {
  using Kind = ResponseFormat::Kind;
  if (!value.present()) return true;
  if (!value.is_object()) return in.wrong(path, "an object with a type", value);
  const JsonPath type_path(path, "type");
  const JsonView type = value["type"];
  if (!type.present()) return in.missing(type_path, "Send text, json_object or json_schema.");
  if (!type.is_string()) return in.wrong(type_path, "a string", type);
  if (type.text() == "text") {
    out.kind = Kind::text;
  } else if (type.text() == "json_object") {
    out.kind = Kind::json_object;
  } else if (type.text() == "json_schema") {
    out.kind = Kind::json_schema;
    // Chat nests the schema in "json_schema", Responses does not.
    const bool flat = !value["json_schema"].present() && value["schema"].present();
    const JsonPath nest(path, "json_schema");
    const JsonPath& here = flat ? path : nest;
    const JsonView schema = flat ? value : value["json_schema"];
    if (!schema.present()) return in.missing(nest, "Send an object with name and schema.");
    if (!schema.is_object()) return in.wrong(nest, "an object with name and schema", schema);
    in.string(schema["name"], JsonPath(here, "name"), out.name);
    in.string(schema["description"], JsonPath(here, "description"), out.description);
    in.object_json(schema["schema"], JsonPath(here, "schema"), out.schema);
    in.boolean(schema["strict"], JsonPath(here, "strict"), out.strict);
  } else {
    return in.invalid(type_path, "must be text, json_object or json_schema, but is " +
                                     quoted(type.text()) + ".");
  }
  return in.ok();
}

void write_openai_tools(JsonWriter& out, const std::vector<Tool>& tools) {
  out.begin_array();
  for (const Tool& tool : tools) {
    if (!tool.raw.empty()) {
      out.raw(tool.raw);
      continue;
    }
    out.begin_object().key("type").string("function").key("function").begin_object();
    out.key("name").string(tool.name);
    if (!tool.description.empty()) out.key("description").string(tool.description);
    if (!tool.parameters.empty()) out.key("parameters").raw(tool.parameters);
    if (tool.strict) out.key("strict").boolean(*tool.strict);
    out.end_object().end_object();
  }
  out.end_array();
}

void write_openai_tool_choice(JsonWriter& out, const ToolChoice& choice,
                              std::string_view required) {
  switch (choice.mode) {
    case ToolChoice::Mode::unset:
    case ToolChoice::Mode::automatic:
      out.string("auto");
      return;
    case ToolChoice::Mode::none:
      out.string("none");
      return;
    case ToolChoice::Mode::required:
      out.string(required);
      return;
    case ToolChoice::Mode::raw:
      out.raw(choice.raw);
      return;
    case ToolChoice::Mode::named:
      out.begin_object().key("type").string("function").key("function").begin_object();
      out.key("name").string(choice.name).end_object().end_object();
  }
}

void write_openai_response_format(JsonWriter& out, const ResponseFormat& format) {
  out.begin_object().key("type");
  switch (format.kind) {
    case ResponseFormat::Kind::unset:
    case ResponseFormat::Kind::text:
      out.string("text");
      break;
    case ResponseFormat::Kind::json_object:
      out.string("json_object");
      break;
    case ResponseFormat::Kind::json_schema:
      out.string("json_schema").key("json_schema").begin_object();
      out.key("name").string(format.name.empty() ? "answer" : format.name);
      if (!format.description.empty()) out.key("description").string(format.description);
      if (!format.schema.empty()) out.key("schema").raw(format.schema);
      if (format.strict) out.key("strict").boolean(*format.strict);
      out.end_object();
  }
  out.end_object();
}

}  // namespace jevons
