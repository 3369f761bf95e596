// From a conversation to the text a model was trained to see, in segments that say which words are
// the template's own (trusted) and which came from a client.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "local_engine/engine.h"
#include "local_engine/gguf.h"
#include "local_engine/jinja.h"
#include "local_engine/tokenizer.h"

namespace jevons::engine {

struct ChatPrompt {
  std::span<const Message> messages;
  std::span<const Tool> tools;
  ReasoningEffort reasoning_effort = ReasoningEffort::unset;
  bool add_generation_prompt = true;
  std::int64_t now_seconds = 0;  // since 1970, for templates that write the date
};

// What a template can do, found out by rendering small conversations once at load.
struct ChatAbilities {
  bool system_role = true;       // else the system text is put before the first user text
  bool tools = false;            // it shows the tools it is given
  bool tool_calls = false;       // it shows an assistant's earlier calls
  bool arguments_object = true;  // it wants the arguments of calls as an object, not as JSON text
  bool content_parts = false;    // it wants content as a list of parts, not as a string
  bool harmony = false;          // gpt-oss: answers come in channels (harmony.h)
};

class ChatTemplate {
 public:
  // tokenizer.chat_template of the file. unsupported where it has none or we cannot read it.
  static EngineResult<ChatTemplate> from_gguf(const GgufFile& file, const Vocabulary& vocabulary);
  static EngineResult<ChatTemplate> compile(std::string_view source, std::string bos,
                                            std::string eos);

  const ChatAbilities& abilities() const { return abilities_; }

  // invalid_input with the template's own words where it refuses the conversation, or where a
  // tool's parameters are not JSON.
  EngineResult<std::vector<TextSegment>> render(const ChatPrompt& prompt) const;

 private:
  ChatTemplate() = default;
  EngineResult<MarkedText> render_context(const Value& messages, const Value& tools,
                                          const ChatPrompt& prompt) const;
  bool shows(const Value& messages, const Value& tools, std::string_view needle) const;
  void probe(std::string_view source);

  JinjaTemplate template_;
  std::string bos_;
  std::string eos_;
  ChatAbilities abilities_;
};

// Splits at every change between trusted and user bytes.
std::vector<TextSegment> segments_of(const MarkedText& text);

}  // namespace jevons::engine
