#include "providers/gemini_contents.h"

#include <optional>
#include <utility>
#include <vector>

#include "providers/json.h"
#include "providers/tool_arguments.h"

namespace jevons {
namespace {

constexpr std::string_view unsigned_call = "skip_thought_signature_validator";

struct Turn {
  bool model = false;
  std::string parts;  // comma-separated JSON
};

class ContentsWriter {
 public:
  ContentsWriter(const ChatRequest& request, bool sign_calls)
      : request_(request), sign_calls_(sign_calls) {}

  Result<GeminiConversation> write();

 private:
  static JsonWriter next(std::string& parts) {
    if (!parts.empty()) parts += ',';
    return JsonWriter(parts);
  }
  Turn& turn(bool model) {
    if (turns_.empty() || turns_.back().model != model) turns_.emplace_back().model = model;
    return turns_.back();
  }
  void write_text(std::string& parts, std::string_view text) {
    if (text.empty()) return;
    next(parts).begin_object().key("text").string(text).end_object();
  }
  void write_media(std::string& parts, const Part& part);
  void write_part(std::string& parts, const Part& part);
  void write_calls(std::string& parts, const Message& message);
  void write_result(const Message& message);
  std::string name_of_call(const Message& result) const;

  const ChatRequest& request_;
  bool sign_calls_;
  std::vector<Turn> turns_;
  std::string system_;
  std::optional<Error> error_;
};

void ContentsWriter::write_media(std::string& parts, const Part& part) {
  if (part.data.empty() && part.url.empty()) {
    error_ = Error(Fault::unsupported_parameter, Origin::client,
                   "A file or image by file_id cannot be sent to this target.")
                 .with_param("messages");
    return;
  }
  JsonWriter out = next(parts);
  if (part.data.empty()) {
    out.begin_object().key("fileData").begin_object();
    if (!part.media_type.empty()) out.key("mimeType").string(part.media_type);
    out.key("fileUri").string(part.url);
  } else {
    const bool untyped_file = part.media_type.empty();
    out.begin_object().key("inlineData").begin_object().key("mimeType");
    out.string(untyped_file ? "application/pdf" : part.media_type);
    out.key("data").string(part.data);
  }
  out.end_object().end_object();
}

void ContentsWriter::write_part(std::string& parts, const Part& part) {
  switch (part.kind) {
    case Part::Kind::text:
    case Part::Kind::refusal:
      write_text(parts, part.text);
      return;
    case Part::Kind::image:
    case Part::Kind::audio:
    case Part::Kind::file:
      write_media(parts, part);
      return;
    case Part::Kind::thinking:
    case Part::Kind::redacted_thinking:
      return;  // thoughts are not replayed, signatures are
  }
}

void ContentsWriter::write_calls(std::string& parts, const Message& message) {
  bool first = true;
  for (const ToolCall& call : message.tool_calls) {
    JsonWriter out = next(parts);
    out.begin_object().key("functionCall").begin_object().key("name").string(call.name);
    out.key("args").raw(arguments_object(call));
    if (!call.id.empty()) out.key("id").string(call.id);
    out.end_object();
    // Of parallel calls only the first is signed.
    if (!call.thought_signature.empty()) {
      out.key("thoughtSignature").string(call.thought_signature);
    } else if (sign_calls_ && first) {
      out.key("thoughtSignature").string(unsigned_call);
    }
    out.end_object();
    first = false;
  }
}

std::string ContentsWriter::name_of_call(const Message& result) const {
  for (const Message& message : request_.messages) {
    for (const ToolCall& call : message.tool_calls) {
      if (call.id == result.tool_call_id) return call.name;
    }
  }
  return result.name.empty() ? result.tool_call_id : result.name;
}

void ContentsWriter::write_result(const Message& message) {
  std::string text, media;
  for (const Part& part : message.parts) {
    if (part.kind == Part::Kind::text) {
      text += part.text;
    } else {
      write_part(media, part);
    }
  }
  std::string& parts = turn(false).parts;
  JsonWriter out = next(parts);
  out.begin_object().key("functionResponse").begin_object();
  out.key("name").string(name_of_call(message)).key("response").begin_object();
  out.key(message.tool_error ? "error" : "output").string(text).end_object();
  out.key("id").string(message.tool_call_id).end_object().end_object();
  if (!media.empty()) parts += ',' + media;
}

Result<GeminiConversation> ContentsWriter::write() {
  for (const Message& message : request_.messages) {
    switch (message.role) {
      case Role::system:
      case Role::developer:
        for (const Part& part : message.parts) write_text(system_, part.text);
        break;
      case Role::user:
        for (const Part& part : message.parts) write_part(turn(false).parts, part);
        break;
      case Role::assistant:
        for (const Part& part : message.parts) write_part(turn(true).parts, part);
        write_calls(turn(true).parts, message);
        break;
      case Role::tool:
        write_result(message);
        break;
    }
  }
  if (error_) return *error_;
  std::erase_if(turns_, [](const Turn& t) { return t.parts.empty(); });
  // A conversation needs a turn: alone, the system text is what there is to answer.
  if (turns_.empty()) turn(false).parts = std::exchange(system_, {});
  GeminiConversation conversation;
  if (!system_.empty()) conversation.system = "[" + system_ + "]";
  JsonWriter out(conversation.contents);
  out.begin_array();
  for (const Turn& t : turns_) {
    out.begin_object().key("role").string(t.model ? "model" : "user");
    out.key("parts").raw("[" + t.parts + "]").end_object();
  }
  out.end_array();
  return conversation;
}

}  // namespace

Result<GeminiConversation> write_gemini_conversation(const ChatRequest& request, bool sign_calls) {
  return ContentsWriter(request, sign_calls).write();
}

}  // namespace jevons
