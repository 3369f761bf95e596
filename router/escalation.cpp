#include "router/escalation.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <cmath>
#include <string>
#include <vector>

namespace jevons {
namespace {

constexpr std::size_t refusal_bytes_max = 600;
constexpr double words_in_common = 0.6;

// What is left of P(ok) after a signal: a broken answer is hardly ever right, a doubtful one half
// as often as thought.
constexpr double broken_keeps = 0.05, doubtful_keeps = 0.5;

constexpr std::array<std::string_view, 22> refusals = {
    "i can't help with",      "i cannot help with",
    "i can't assist",         "i cannot assist",
    "i'm sorry, but i can't", "i'm sorry, but i cannot",
    "i am sorry, but i can",  "i'm unable to",
    "i am unable to",         "sorry, i can't",
    "sorry, i cannot",        "sorry, but i can't",
    "i'm not able to",        "i am not able to",
    "i won't be able to",     "as an ai language model, i can",
    "i must decline",         "i can't provide",
    "i cannot provide",       "i'm sorry, i can't",
    "i'm sorry, i cannot",    "i apologize, but i can"};

std::string lower_ascii(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (std::size_t i = 0; i < text.size(); ++i) {
    // The typographic apostrophe that models like: U+2019.
    if (text.substr(i, 3) == "\xe2\x80\x99") {
      out.push_back('\'');
      i += 2;
      continue;
    }
    out.push_back(static_cast<char>(std::tolower(static_cast<unsigned char>(text[i]))));
  }
  return out;
}

bool in_word(char c) {
  const auto byte = static_cast<unsigned char>(c);
  return byte >= 0x80 || std::isalnum(byte) != 0;
}

std::vector<std::string> words_of(std::string_view text) {
  std::vector<std::string> words;
  std::string word;
  for (const char c : lower_ascii(text)) {
    if (in_word(c)) {
      word.push_back(c);
    } else if (!word.empty()) {
      words.push_back(std::move(word));
      word.clear();
    }
  }
  if (!word.empty()) words.push_back(std::move(word));
  return words;
}

// The number that ends a text, as models write results: "... = 1,234." Empty: it ends otherwise.
std::string last_number(std::string_view text) {
  constexpr std::size_t near_the_end = 24;
  std::size_t end = text.size();
  while (end > 0 && !std::isdigit(static_cast<unsigned char>(text[end - 1]))) --end;
  if (end == 0 || text.size() - end > near_the_end) return "";
  std::size_t begin = end;
  const auto belongs = [](char c) {
    return std::isdigit(static_cast<unsigned char>(c)) != 0 || c == ',' || c == '.';
  };
  while (begin > 0 && belongs(text[begin - 1])) --begin;
  std::string number;
  for (const char c : text.substr(begin, end - begin))
    if (c != ',') number.push_back(c);
  if (begin > 0 && text[begin - 1] == '-') number.insert(0, "-");
  return number;
}

double share_in_common(std::vector<std::string> a, std::vector<std::string> b) {
  std::sort(a.begin(), a.end());
  std::sort(b.begin(), b.end());
  std::vector<std::string> both;
  std::set_intersection(a.begin(), a.end(), b.begin(), b.end(), std::back_inserter(both));
  const std::size_t all = a.size() + b.size();
  return all == 0 ? 1 : 2.0 * static_cast<double>(both.size()) / static_cast<double>(all);
}

}  // namespace

bool sounds_like_refusal(std::string_view text) {
  while (!text.empty() && std::isspace(static_cast<unsigned char>(text.front())))
    text.remove_prefix(1);
  if (text.size() > refusal_bytes_max) return false;
  const std::string begin = lower_ascii(text.substr(0, 64));
  return std::any_of(refusals.begin(), refusals.end(),
                     [&begin](std::string_view refusal) { return begin.starts_with(refusal); });
}

bool answers_agree(std::string_view a, std::string_view b) {
  const std::string number_a = last_number(a), number_b = last_number(b);
  if (!number_a.empty() && !number_b.empty()) return number_a == number_b;
  return share_in_common(words_of(a), words_of(b)) >= words_in_common;
}

bool worth_escalating(const Decision& decision, const Caller& caller, EscalateOn signal,
                      const EscalationPrice& price) {
  const TargetFacts& weak = decision.candidates[price.from].facts;
  const TargetFacts& strong = decision.candidates[price.to].facts;
  const Policy* policy = decision.policy;
  if (strong.cost) {
    const Nanodollars whole = price.spent + *strong.cost;
    if (caller.max_cost && whole > *caller.max_cost) return false;
    const auto& relaxed = decision.relaxed;
    const bool waived = std::find(relaxed.begin(), relaxed.end(), Relax::max_cost) != relaxed.end();
    if (policy != nullptr && policy->max_cost && !waived && whole > *policy->max_cost) return false;
  }
  const bool doubtful = signal == EscalateOn::low_confidence || signal == EscalateOn::disagreement;
  const double now = weak.p_ok * (doubtful ? doubtful_keeps : broken_keeps);
  const double gain = strong.p_ok - now;
  if (gain <= 0) return false;
  if (policy == nullptr || !policy->value_per_success || !strong.cost) return true;
  return gain * static_cast<double>(policy->value_per_success->value) >
         static_cast<double>(strong.cost->value);
}

}  // namespace jevons
