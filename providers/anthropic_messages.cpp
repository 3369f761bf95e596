#include "providers/anthropic_messages.h"

#include <algorithm>
#include <array>
#include <optional>
#include <utility>
#include <vector>

#include "providers/base64.h"
#include "providers/openai_messages.h"
#include "providers/tool_arguments.h"

namespace jevons {
namespace {

constexpr int cache_marks_max = 4;

struct Turn {
  bool assistant = false;
  std::string results;  // tool_result blocks, comma-separated JSON: they come first
  std::string blocks;   // the others
};

class ConversationWriter {
 public:
  explicit ConversationWriter(const ChatRequest& request) : request_(request) {}

  Result<AnthropicConversation> write();

 private:
  bool refuse(std::string_view what) {
    if (!error_) {
      error_ = Error(Fault::unsupported_parameter, Origin::client,
                     std::string(what) + " cannot be sent to this target.")
                   .with_param("messages");
    }
    return false;
  }
  // Starts the next array element and returns a writer for it.
  static JsonWriter next(std::string& blocks) {
    if (!blocks.empty()) blocks += ',';
    return JsonWriter(blocks);
  }
  Turn& turn(bool assistant) {
    if (turns_.empty() || turns_.back().assistant != assistant) {
      turns_.emplace_back().assistant = assistant;
    }
    return turns_.back();
  }
  void write_cache_mark(JsonWriter& out, const std::string& mark);
  void write_text(std::string& blocks, std::string_view text, const std::string& mark);
  void write_image(std::string& blocks, const Part& part);
  void write_document(std::string& blocks, const Part& part);
  void write_thinking(std::string& blocks, const Part& part);
  void write_part(std::string& blocks, const Part& part);
  void write_assistant(const Message& message, bool last);
  void write_result(const Message& message);

  const ChatRequest& request_;
  std::vector<Turn> turns_;
  std::string system_;
  int cache_marks_ = 0;
  std::optional<Error> error_;
};

// OpenAI's breakpoints mean the same as Anthropic's default mark.
void ConversationWriter::write_cache_mark(JsonWriter& out, const std::string& mark) {
  if (mark.empty() || ++cache_marks_ > cache_marks_max) return;
  const bool own = mark.find("\"ephemeral\"") != std::string::npos;
  out.key("cache_control").raw(own ? mark : R"({"type":"ephemeral"})");
}

// Empty text blocks are refused, so they are left out.
void ConversationWriter::write_text(std::string& blocks, std::string_view text,
                                    const std::string& mark) {
  if (text.empty()) return;
  JsonWriter out = next(blocks);
  out.begin_object().key("type").string("text").key("text").string(text);
  write_cache_mark(out, mark);
  out.end_object();
}

void ConversationWriter::write_image(std::string& blocks, const Part& part) {
  static constexpr std::array<std::string_view, 4> formats = {"image/jpeg", "image/png",
                                                              "image/gif", "image/webp"};
  if (!part.data.empty() &&
      std::find(formats.begin(), formats.end(), part.media_type) == formats.end()) {
    refuse("An image of type " + quoted(part.media_type));
    return;
  }
  if (part.data.empty() && part.url.empty()) {
    refuse("An image by file_id");
    return;
  }
  JsonWriter out = next(blocks);
  out.begin_object().key("type").string("image").key("source").begin_object();
  if (part.data.empty()) {
    out.key("type").string("url").key("url").string(part.url);
  } else {
    out.key("type").string("base64").key("media_type").string(part.media_type);
    out.key("data").string(part.data);
  }
  out.end_object();
  write_cache_mark(out, part.cache_control);
  out.end_object();
}

void ConversationWriter::write_document(std::string& blocks, const Part& part) {
  const bool pdf = part.media_type.empty() || part.media_type == "application/pdf";
  const bool plain = part.media_type.substr(0, 5) == "text/";
  std::optional<std::string> text;
  if (plain) text = base64_decode(part.data);
  if ((part.data.empty() && part.url.empty()) || (!pdf && !(plain && text && is_utf8(*text)))) {
    refuse("A file that is neither a PDF nor text");
    return;
  }
  JsonWriter out = next(blocks);
  out.begin_object().key("type").string("document").key("source").begin_object();
  if (part.data.empty()) {
    out.key("type").string("url").key("url").string(part.url);
  } else if (plain) {
    out.key("type").string("text").key("media_type").string("text/plain").key("data").string(*text);
  } else {
    out.key("type").string("base64").key("media_type").string("application/pdf");
    out.key("data").string(part.data);
  }
  out.end_object();
  if (!part.filename.empty()) out.key("title").string(part.filename);
  write_cache_mark(out, part.cache_control);
  out.end_object();
}

// Thinking without the provider's signature came from another model: it would be refused.
void ConversationWriter::write_thinking(std::string& blocks, const Part& part) {
  if (part.kind == Part::Kind::redacted_thinking) {
    JsonWriter out = next(blocks);
    out.begin_object().key("type").string("redacted_thinking");
    out.key("data").string(part.text).end_object();
  } else if (!part.signature.empty()) {
    JsonWriter out = next(blocks);
    out.begin_object().key("type").string("thinking").key("thinking").string(part.text);
    out.key("signature").string(part.signature).end_object();
  }
}

void ConversationWriter::write_part(std::string& blocks, const Part& part) {
  switch (part.kind) {
    case Part::Kind::text:
    case Part::Kind::refusal:
      write_text(blocks, part.text, part.cache_control);
      return;
    case Part::Kind::image:
      write_image(blocks, part);
      return;
    case Part::Kind::file:
      write_document(blocks, part);
      return;
    case Part::Kind::audio:
      refuse("Audio");
      return;
    case Part::Kind::thinking:
    case Part::Kind::redacted_thinking:
      write_thinking(blocks, part);
      return;
  }
}

// Ids of other providers may hold characters that Anthropic refuses.
std::string safe_id(std::string_view id) {
  std::string safe(id);
  for (char& c : safe) {
    const bool allowed = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                         (c >= '0' && c <= '9') || c == '_' || c == '-';
    if (!allowed) c = '_';
  }
  return safe;
}

void ConversationWriter::write_assistant(const Message& message, bool last) {
  std::string& blocks = turn(true).blocks;
  for (const Part& part : message.parts) {
    const bool prefill = last && &part == &message.parts.back() && message.tool_calls.empty();
    if (prefill && part.kind == Part::Kind::text) {
      // A prefill must not end in white space.
      const std::size_t end = part.text.find_last_not_of(" \t\r\n") + 1;
      write_text(blocks, std::string_view(part.text).substr(0, end), part.cache_control);
    } else {
      write_part(blocks, part);
    }
  }
  for (const ToolCall& call : message.tool_calls) {
    JsonWriter out = next(blocks);
    out.begin_object().key("type").string("tool_use").key("id").string(safe_id(call.id));
    out.key("name").string(call.name).key("input").raw(arguments_object(call)).end_object();
  }
}

void ConversationWriter::write_result(const Message& message) {
  std::string content;
  for (const Part& part : message.parts) write_part(content, part);
  JsonWriter out = next(turn(false).results);
  out.begin_object().key("type").string("tool_result");
  out.key("tool_use_id").string(safe_id(message.tool_call_id));
  if (!content.empty()) out.key("content").raw("[" + content + "]");
  if (message.tool_error) out.key("is_error").boolean(true);
  out.end_object();
}

Result<AnthropicConversation> ConversationWriter::write() {
  for (const Message& message : request_.messages) {
    const bool last = &message == &request_.messages.back();
    switch (message.role) {
      case Role::system:
      case Role::developer:
        for (const Part& part : message.parts) write_text(system_, part.text, part.cache_control);
        break;
      case Role::user:
        for (const Part& part : message.parts) write_part(turn(false).blocks, part);
        break;
      case Role::assistant:
        write_assistant(message, last);
        break;
      case Role::tool:
        write_result(message);
        break;
    }
  }
  if (error_) return *error_;
  std::erase_if(turns_, [](const Turn& t) { return t.results.empty() && t.blocks.empty(); });
  // A conversation needs a turn: alone, the system text is what there is to answer.
  if (turns_.empty()) turn(false).blocks = std::exchange(system_, {});
  AnthropicConversation conversation;
  if (!system_.empty()) conversation.system = "[" + system_ + "]";
  JsonWriter out(conversation.messages);
  out.begin_array();
  for (const Turn& t : turns_) {
    const char* comma = t.results.empty() || t.blocks.empty() ? "" : ",";
    out.begin_object().key("role").string(t.assistant ? "assistant" : "user");
    out.key("content").raw("[" + t.results + comma + t.blocks + "]").end_object();
  }
  out.end_array();
  return conversation;
}

}  // namespace

Result<AnthropicConversation> write_anthropic_conversation(const ChatRequest& request) {
  return ConversationWriter(request).write();
}

}  // namespace jevons
