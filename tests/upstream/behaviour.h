// What the script says about one call: the answer, the usage it reports, timing and faults. Every
// field can be set for all calls (`defaults`), per model (`models`, a trailing * matches a prefix),
// or for the next N calls of a model (POST /__script). README.md lists the JSON names.
#pragma once

#include <rapidjson/document.h>

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace upstream {

struct ToolCall {
  std::string id;
  std::string name;
  std::string arguments;  // JSON text, sent as it stands
};

// How a stream or body is damaged on its way out.
struct Damage {
  std::string fault;                 // rst, fin, stall, truncate, no_done, no_finish; empty: none
  std::int64_t after_chunks = 0;     // events sent whole before the fault
  std::string newline = "lf";        // lf, crlf, cr
  bool bom = false;                  // UTF-8 byte order mark in front of the first event
  std::int64_t slice = 0;            // bytes per write and HTTP chunk, 0: one event each
  std::int64_t coalesce = 1;         // events per write
  std::int64_t comments = 0;         // `: keep-alive` comments in front of every event
  std::int64_t blank_lines = 0;      // blank lines in front of every event, or of a body
  std::int64_t huge_line_bytes = 0;  // one event of this many bytes after the first event
  std::int64_t duplicate = -1;       // index of an event that is sent twice
  bool reorder = false;              // the first two text events swap places
  bool split_data = false;           // one event over several data lines
  bool with_id = false;              // `id:` and `retry:` lines
  bool nul = false;                  // a NUL byte inside a text event
  bool invalid_utf8 = false;         // a lone continuation byte inside a text event
  std::string framing = "chunked";   // chunked, close (no length: ends with the connection)
};

struct Behaviour {
  std::string quirk;  // deepseek, mistral, xai, groq, openrouter, moonshot, ollama, vllm, ...
  // The answer.
  std::optional<std::string> text;
  bool echo = false;  // answers with the last user message
  std::int64_t tokens = 16;
  std::optional<std::int64_t> completion_tokens;  // reported and billed; absent: as produced
  std::int64_t reasoning_tokens = 0;
  bool hide_reasoning = false;  // counted, but its text is not sent
  std::vector<ToolCall> tool_calls;
  bool use_tools = false;  // call the first offered tool even when the choice is `auto`
  std::string finish_reason;
  std::string refusal;
  std::string service_tier;
  std::int64_t logprob_thousandths = -250;  // of every token, where asked for
  std::string model;                        // answered instead of the requested one
  bool ignore_max_tokens = false;
  std::optional<std::string> raw_body;  // sent instead of the answer
  std::int64_t pad_bytes = 0;           // extra bytes of text in the answer
  // Usage: these are the truth, reported and billed.
  std::optional<std::int64_t> prompt_tokens;
  std::int64_t cached_tokens = 0;
  std::int64_t cache_write_5m = 0;
  std::int64_t cache_write_1h = 0;
  bool cached_outside = false;  // xai: prompt_tokens without the cached ones
  // Usage: these are lies, reported but not billed.
  std::string usage_mode = "normal";  // normal, absent, zero, twice, decreasing, every_chunk
  std::vector<std::pair<std::string, std::string>> usage_patch;  // key -> JSON text, "" removes
  // The HTTP side.
  int status = 200;
  std::string error_message = "scripted failure";
  std::string error_type;
  std::string error_code;
  std::vector<std::pair<std::string, std::string>> headers;
  std::int64_t giant_header_bytes = 0;
  std::string content_type;
  std::map<std::string, int> key_status;  // credential -> status
  std::optional<std::string> require_key;
  std::string drop;         // reused: closes a kept-alive connection after the POST; always; rst
  std::string error_event;  // after `damage.after_chunks` events: an error event of the dialect
  // Timing.
  std::int64_t delay_us = 0;        // before the response header
  std::int64_t first_chunk_us = 0;  // between header and first event
  std::int64_t chunk_us = 0;        // between events
  bool stamp = false;               // every text event carries CLOCK_MONOTONIC as `t=NANOSECONDS;`
  Damage damage;
};

// Overlays the fields present in `json` on `base`. An unknown or ill-typed field is returned as a
// message, so that a typo in a test's script cannot silently test nothing.
std::optional<std::string> overlay(const rapidjson::Value& json, Behaviour& base);

}  // namespace upstream
