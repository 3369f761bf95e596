#include "providers/openai_messages.h"

#include <algorithm>
#include <optional>

#include "providers/base64.h"

namespace jevons {

bool split_data_url(std::string_view url, std::string& media_type, std::string& data) {
  constexpr std::string_view scheme = "data:";
  constexpr std::string_view encoding = ";base64,";
  if (url.substr(0, scheme.size()) != scheme) return false;
  // The media type may carry parameters; no real one is longer than this.
  const std::size_t mark = url.substr(0, 256).find(encoding);
  if (mark == std::string_view::npos) return false;
  media_type = url.substr(scheme.size(), mark - scheme.size());
  data = url.substr(mark + encoding.size());
  return true;
}

std::string joined_text(std::span<const Part> parts) {
  std::string text;
  for (const Part& part : parts) {
    if (part.kind == Part::Kind::text) text += part.text;
  }
  return text;
}

// ---- reading ----

namespace {

bool is_image_url(std::string_view url) {
  return url.starts_with("https://") || url.starts_with("http://") || url.starts_with("gs://");
}

bool read_image(FieldReader& in, JsonView part, const JsonPath& path, Part& out) {
  // Chat: {"image_url": {"url", "detail"}}; Responses: {"image_url": "...", "detail"}.
  const JsonPath here(path, "image_url");
  JsonView image = part["image_url"];
  std::string url;
  out.kind = Part::Kind::image;
  if (image.is_object()) {
    in.string(image["detail"], JsonPath(here, "detail"), out.detail);
    const JsonPath url_path(here, "url");
    if (!image["url"].present()) return in.missing(url_path, "Send an https or data URL.");
    in.string(image["url"], url_path, url);
  } else {
    in.string(part["detail"], JsonPath(path, "detail"), out.detail);
    in.string(part["file_id"], JsonPath(path, "file_id"), out.file_id);
    if (!image.present() && out.file_id.empty()) {
      return in.missing(here, "Send an object with an https or data URL.");
    }
    in.string(image, here, url);
  }
  const bool inlined = split_data_url(url, out.media_type, out.data);
  if (inlined && !is_base64(out.data)) return in.invalid(here, "holds data that is not base64.");
  if (!inlined && !url.empty() && !is_image_url(url))
    return in.invalid(here, "must be an https URL or a data URL with base64.");
  if (!inlined) out.url = url;
  if (out.data.empty() && out.url.empty() && out.file_id.empty() && in.ok()) {
    return in.invalid(here, "holds no image.");
  }
  return in.ok();
}

bool read_audio(FieldReader& in, JsonView part, const JsonPath& path, Part& out) {
  const JsonPath here(path, "input_audio");
  const JsonView audio = part["input_audio"];
  out.kind = Part::Kind::audio;
  if (!audio.is_object()) return in.wrong(here, "an object with data and format", audio);
  if (!audio["data"].present()) {
    return in.missing(JsonPath(here, "data"), "Send the audio as base64.");
  }
  std::string format;
  in.string(audio["data"], JsonPath(here, "data"), out.data);
  in.string(audio["format"], JsonPath(here, "format"), format);
  out.media_type = "audio/" + (format.empty() ? "wav" : format);
  return in.ok();
}

bool read_file(FieldReader& in, JsonView part, const JsonPath& path, Part& out) {
  // Chat nests the fields in "file", Responses does not.
  const bool nested = part["file"].present();
  const JsonView file = nested ? part["file"] : part;
  const JsonPath nest(path, "file");
  const JsonPath& here = nested ? nest : path;
  std::string data;
  out.kind = Part::Kind::file;
  if (!file.is_object()) return in.wrong(here, "an object with file_data or file_id", file);
  in.string(file["file_data"], JsonPath(here, "file_data"), data);
  in.string(file["file_id"], JsonPath(here, "file_id"), out.file_id);
  in.string(file["filename"], JsonPath(here, "filename"), out.filename);
  in.string(file["file_url"], JsonPath(here, "file_url"), out.url);
  if (!split_data_url(data, out.media_type, out.data)) out.data = data;
  if (out.data.empty() && out.file_id.empty() && out.url.empty()) {
    return in.missing(JsonPath(here, "file_data"), "Send the file as base64, or its file_id.");
  }
  return in.ok();
}

bool read_part(FieldReader& in, JsonView value, const JsonPath& path, Part& out) {
  if (!value.is_object()) return in.wrong(path, "an object with a type", value);
  const JsonPath type_path(path, "type");
  const JsonView type_value = value["type"];
  if (!type_value.present()) return in.missing(type_path, "Say what the part is, such as text.");
  if (!type_value.is_string()) return in.wrong(type_path, "a string", type_value);
  const std::string_view type = type_value.text();
  for (const std::string_view mark : {"prompt_cache_breakpoint", "cache_control"}) {
    if (value[mark].present()) out.cache_control = value[mark].json();
  }
  if (type == "text" || type == "input_text" || type == "output_text") {
    const JsonPath text_path(path, "text");
    if (!value["text"].present()) return in.missing(text_path, "Send the text of the part.");
    return in.string(value["text"], text_path, out.text);
  }
  if (type == "image_url" || type == "input_image") return read_image(in, value, path, out);
  if (type == "input_audio") return read_audio(in, value, path, out);
  if (type == "file" || type == "input_file") return read_file(in, value, path, out);
  if (type == "refusal") {
    out.kind = Part::Kind::refusal;
    return in.string(value["refusal"], JsonPath(path, "refusal"), out.text);
  }
  return in.invalid(type_path, "must be text, image_url, input_audio, file or refusal, but is " +
                                   quoted(type) + ".");
}

bool read_role(FieldReader& in, JsonView value, const JsonPath& path, Role& out) {
  if (!value.present()) return in.missing(path, "Say who speaks, such as user.");
  if (!value.is_string()) return in.wrong(path, "a string", value);
  const std::string_view role = value.text();
  for (const Role known :
       {Role::system, Role::developer, Role::user, Role::assistant, Role::tool}) {
    if (role == role_name(known)) {
      out = known;
      return true;
    }
  }
  if (role == "function") {
    out = Role::tool;
    return true;
  }
  return in.invalid(path, "must be system, developer, user, assistant, tool or function, but is " +
                              quoted(role) + ".");
}

bool read_calls(FieldReader& in, JsonView value, const JsonPath& path, Message& out) {
  if (!value.present()) return true;
  if (!value.is_array()) return in.wrong(path, "an array", value);
  std::size_t index = 0;
  for (JsonView call : value) {
    const JsonPath here(path, index++);
    if (!call.is_object()) return in.wrong(here, "an object", call);
    const bool custom = call["custom"].is_object();
    const JsonPath body_path(here, custom ? "custom" : "function");
    const JsonView body = call[custom ? "custom" : "function"];
    if (!body.is_object()) return in.wrong(body_path, "an object with name and arguments", body);
    std::string name;
    if (!in.string(body["name"], JsonPath(body_path, "name"), name)) return false;
    if (name.empty()) return in.missing(JsonPath(body_path, "name"), "Name the called function.");
    std::string id;
    if (!in.string(call["id"], JsonPath(here, "id"), id)) return false;
    if (id.empty()) return in.missing(JsonPath(here, "id"), "Send the id that the answer gave.");
    const JsonView arguments = body[custom ? "input" : "arguments"];
    if (arguments.present() && !arguments.is_string()) {
      return in.wrong(JsonPath(body_path, custom ? "input" : "arguments"), "a string", arguments);
    }
    out.tool_calls.push_back(read_openai_tool_call(call));
  }
  return true;
}

// The deprecated pair `function_call` and role "function" has no ids: a call and the next result
// of the same name belong together.
bool read_legacy_call(FieldReader& in, JsonView value, const JsonPath& path, std::size_t number,
                      Message& out) {
  if (!value.present()) return true;
  if (!value.is_object()) return in.wrong(path, "an object with name and arguments", value);
  ToolCall call;
  call.id = "call_function_" + std::to_string(number);
  in.string(value["arguments"], JsonPath(path, "arguments"), call.arguments);
  if (!in.string(value["name"], JsonPath(path, "name"), call.name)) return false;
  if (call.name.empty()) return in.missing(JsonPath(path, "name"), "Name the called function.");
  out.tool_calls.push_back(std::move(call));
  return true;
}

std::string last_call_of(std::span<const Message> messages, std::string_view name) {
  for (auto message = messages.rbegin(); message != messages.rend(); ++message) {
    for (const ToolCall& call : message->tool_calls) {
      if (call.name == name) return call.id;
    }
  }
  return "call_function_0";
}

bool read_message(FieldReader& in, JsonView value, const JsonPath& path,
                  std::span<const Message> earlier, Message& out) {
  if (!value.is_object()) return in.wrong(path, "an object with role and content", value);
  if (!read_role(in, value["role"], JsonPath(path, "role"), out.role)) return false;
  const JsonPath content_path(path, "content");
  const JsonView content = value["content"];
  if (!read_openai_content(in, content, content_path, out.parts)) return false;
  in.string(value["name"], JsonPath(path, "name"), out.name);
  if (out.role == Role::assistant) {
    for (const std::string_view field : {"reasoning_content", "reasoning"}) {
      if (!value[field].is_string() || value[field].text().empty()) continue;
      Part thinking;
      thinking.kind = Part::Kind::thinking;
      thinking.text = value[field].text();
      out.parts.insert(out.parts.begin(), std::move(thinking));
      break;
    }
    if (value["refusal"].is_string()) {
      Part refusal;
      refusal.kind = Part::Kind::refusal;
      refusal.text = value["refusal"].text();
      out.parts.push_back(std::move(refusal));
    }
    return read_calls(in, value["tool_calls"], JsonPath(path, "tool_calls"), out) &&
           read_legacy_call(in, value["function_call"], JsonPath(path, "function_call"),
                            earlier.size(), out);
  }
  if (!content.present() && value["role"].text() != "function") {
    return in.missing(content_path, "Send a string or an array of content parts.");
  }
  if (out.role != Role::tool) return in.ok();
  in.string(value["tool_call_id"], JsonPath(path, "tool_call_id"), out.tool_call_id);
  if (value["role"].text() == "function") out.tool_call_id = last_call_of(earlier, out.name);
  if (out.tool_call_id.empty()) {
    return in.missing(JsonPath(path, "tool_call_id"), "Send the id of the tool call it answers.");
  }
  return in.ok();
}

}  // namespace

bool read_openai_content(FieldReader& in, JsonView value, const JsonPath& path,
                         std::vector<Part>& out) {
  if (!value.present()) return true;
  if (value.is_string()) {
    out.emplace_back().text = value.text();
    return true;
  }
  if (!value.is_array()) return in.wrong(path, "a string or an array of content parts", value);
  out.reserve(value.size());
  std::size_t index = 0;
  for (JsonView part : value) {
    if (!read_part(in, part, JsonPath(path, index++), out.emplace_back())) return false;
  }
  return true;
}

bool read_openai_messages(FieldReader& in, JsonView value, const JsonPath& path,
                          std::vector<Message>& out) {
  if (!value.present()) return in.missing(path, "Send a list of messages.");
  if (!value.is_array()) return in.wrong(path, "an array of messages", value);
  if (value.size() == 0) return in.invalid(path, "is empty. Send at least one message.");
  out.reserve(value.size());
  std::size_t index = 0;
  for (JsonView message : value) {
    Message read;
    if (!read_message(in, message, JsonPath(path, index++), out, read)) return false;
    out.push_back(std::move(read));
  }
  return true;
}

ToolCall read_openai_tool_call(JsonView value) {
  ToolCall call;
  call.custom = value["custom"].is_object();
  const JsonView body = value[call.custom ? "custom" : "function"];
  const JsonView arguments = body[call.custom ? "input" : "arguments"];
  call.id = value["id"].text();
  call.name = body["name"].text();
  // Some servers send the arguments as an object instead of its text.
  call.arguments = arguments.is_string() ? std::string(arguments.text()) : arguments.json();
  call.thought_signature = value["extra_content"]["google"]["thought_signature"].text();
  return call;
}

// ---- writing ----

namespace {

std::string data_url(const Part& part) {
  return "data:" + part.media_type + ";base64," + part.data;
}

void write_part(JsonWriter& out, const Part& part, std::string_view cache_mark) {
  switch (part.kind) {
    case Part::Kind::text:
      out.begin_object().key("type").string("text").key("text").string(part.text);
      break;
    case Part::Kind::refusal:
      out.begin_object().key("type").string("refusal").key("refusal").string(part.text);
      break;
    case Part::Kind::image:
      out.begin_object().key("type").string("image_url").key("image_url").begin_object();
      out.key("url").string(part.data.empty() ? part.url : data_url(part));
      if (!part.detail.empty()) out.key("detail").string(part.detail);
      out.end_object();
      break;
    case Part::Kind::audio: {
      const std::size_t slash = part.media_type.find('/');
      out.begin_object().key("type").string("input_audio").key("input_audio").begin_object();
      out.key("data").string(part.data).key("format");
      out.string(std::string_view(part.media_type).substr(slash + 1)).end_object();
      break;
    }
    case Part::Kind::file:
      out.begin_object().key("type").string("file").key("file").begin_object();
      if (!part.data.empty()) {
        out.key("file_data").string(part.media_type.empty() ? part.data : data_url(part));
      }
      if (!part.file_id.empty()) out.key("file_id").string(part.file_id);
      if (!part.url.empty()) out.key("file_url").string(part.url);
      if (!part.filename.empty()) out.key("filename").string(part.filename);
      out.end_object();
      break;
    case Part::Kind::thinking:
    case Part::Kind::redacted_thinking:
      return;
  }
  if (!cache_mark.empty() && !part.cache_control.empty()) {
    out.key(cache_mark).raw(part.cache_control);
  }
  out.end_object();
}

bool is_thinking(const Part& part) {
  return part.kind == Part::Kind::thinking || part.kind == Part::Kind::redacted_thinking;
}

// A single text travels as a plain string: every server takes that, not all take arrays.
void write_content(JsonWriter& out, const Message& message, std::string_view cache_mark) {
  std::size_t count = 0;
  bool only_text = true;
  for (const Part& part : message.parts) {
    if (is_thinking(part)) continue;
    ++count;
    const bool marked = !cache_mark.empty() && !part.cache_control.empty();
    only_text = only_text && part.kind == Part::Kind::text && !marked;
  }
  if (count == 0) {
    if (message.role == Role::assistant) {
      out.key("content").null();
    } else {
      out.key("content").string("");
    }
  } else if (only_text && (count == 1 || message.role == Role::tool)) {
    out.key("content").string(joined_text(message.parts));
  } else {
    out.key("content").begin_array();
    for (const Part& part : message.parts) write_part(out, part, cache_mark);
    out.end_array();
  }
}

std::string_view wire_role(Role role, const OpenAiMessageStyle& style) {
  if (role == Role::system && !style.system_role.empty()) return style.system_role;
  if (role == Role::developer && !style.developer_role.empty()) return style.developer_role;
  return role_name(role);
}

}  // namespace

void write_openai_tool_call(JsonWriter& out, const ToolCall& call, std::int64_t index) {
  out.begin_object();
  if (index >= 0) out.key("index").integer(index);
  const std::string_view type = call.custom ? "custom" : "function";
  out.key("id").string(call.id).key("type").string(type).key(type).begin_object();
  out.key("name").string(call.name).key(call.custom ? "input" : "arguments").string(call.arguments);
  out.end_object();
  if (!call.thought_signature.empty()) {
    out.key("extra_content").begin_object().key("google").begin_object();
    out.key("thought_signature").string(call.thought_signature).end_object().end_object();
  }
  out.end_object();
}

void write_openai_messages(JsonWriter& out, std::span<const Message> messages,
                           const OpenAiMessageStyle& style) {
  out.begin_array();
  for (const Message& message : messages) {
    out.begin_object().key("role").string(wire_role(message.role, style));
    write_content(out, message, style.cache_mark);
    if (!message.name.empty() && message.role != Role::tool) out.key("name").string(message.name);
    if (message.role == Role::tool) out.key("tool_call_id").string(message.tool_call_id);
    if (!style.reasoning_field.empty()) {
      for (const Part& part : message.parts) {
        if (part.kind == Part::Kind::thinking) {
          out.key(style.reasoning_field).string(part.text);
          break;
        }
      }
    }
    if (!message.tool_calls.empty()) {
      out.key("tool_calls").begin_array();
      for (const ToolCall& call : message.tool_calls) write_openai_tool_call(out, call, -1);
      out.end_array();
    }
    out.end_object();
  }
  out.end_array();
}

}  // namespace jevons
