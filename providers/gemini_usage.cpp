#include <algorithm>

#include "providers/gemini_answer.h"
#include "providers/usage_check.h"

namespace jevons {
namespace {

using Count = std::optional<std::int64_t>;

// Tokens of one modality in a *TokensDetails list.
Count modality(JsonView details, std::string_view name, UsageCheck& check) {
  Count sum;
  for (JsonView entry : details) {
    if (entry["modality"].text() != name) continue;
    const Count count = check.count(entry["tokenCount"], "tokenCount");
    if (count) sum = std::min(sum.value_or(0) + *count, usage_count_max);
  }
  return sum;
}

// Input of one modality that did not come from the cache.
Count fresh(JsonView metadata, std::string_view name, UsageCheck& check) {
  const Count all = modality(metadata["promptTokensDetails"], name, check);
  const Count cached = modality(metadata["cacheTokensDetails"], name, check);
  if (!all) return all;
  return std::max<std::int64_t>(0, *all - cached.value_or(0));
}

void set_input(Usage& usage, JsonView metadata, std::int64_t prompt, UsageCheck& check) {
  const Count cached = check.count(metadata["cachedContentTokenCount"], "cachedContentTokenCount");
  const std::int64_t read =
      check.inside(cached.value_or(0), prompt, "cachedContentTokenCount exceeds promptTokenCount");
  std::int64_t rest = prompt - read;
  const auto take = [&](TokenClass token_class, const Count& count) {
    if (!count) return;
    const std::int64_t part = std::min(*count, rest);
    set_measured(usage, token_class, part);
    rest -= part;
  };
  take(TokenClass::audio_input, fresh(metadata, "AUDIO", check));
  take(TokenClass::image_input, fresh(metadata, "IMAGE", check));
  if (cached) set_measured(usage, TokenClass::cache_read, read);
  set_measured(usage, TokenClass::input, rest);
}

}  // namespace

Usage read_gemini_usage(JsonView metadata, bool complete) {
  Usage usage;
  UsageCheck check;
  const Count prompt = check.count(metadata["promptTokenCount"], "promptTokenCount");
  const Count tools = check.count(metadata["toolUsePromptTokenCount"], "toolUsePromptTokenCount");
  const Count thoughts = check.count(metadata["thoughtsTokenCount"], "thoughtsTokenCount");
  const Count total = check.count(metadata["totalTokenCount"], "totalTokenCount");
  Count candidates = check.count(metadata["candidatesTokenCount"], "candidatesTokenCount");
  const std::int64_t input = prompt.value_or(0) + tools.value_or(0);
  if (prompt) set_input(usage, metadata, input, check);
  const std::int64_t known = input + thoughts.value_or(0);
  // The count of candidates may be left out; the total then tells it.
  const bool left_out = complete && !metadata["candidatesTokenCount"].present();
  if (left_out && prompt && total && *total >= known) {
    candidates = *total - known;
  } else if (total && candidates && *total != known + *candidates) {
    check.suspect("totalTokenCount is " + std::to_string(*total) + ", its parts make " +
                  std::to_string(known + *candidates));
  }
  if (thoughts) set_measured(usage, TokenClass::reasoning, thoughts);
  if (candidates) {
    const Count audio = modality(metadata["candidatesTokensDetails"], "AUDIO", check);
    const std::int64_t spoken =
        check.inside(audio.value_or(0), *candidates, "audio tokens exceed candidatesTokenCount");
    if (audio) set_measured(usage, TokenClass::audio_output, spoken);
    set_measured(usage, TokenClass::output, *candidates - spoken);
  }
  usage.suspicion = check.take();
  return usage;
}

}  // namespace jevons
