#include "router/prior_prompts.h"

#include <string_view>

namespace jevons {
namespace {

// `*` in a text is replaced by each of the things.
struct Kind {
  double ease, gain;
  std::vector<std::string_view> texts, things;
};

const std::vector<Kind>& kinds() {
  static const std::vector<Kind> all = {
      {.ease = 0.92,
       .gain = 0.03,
       .texts = {"Hello, how are you doing? I would like to talk about *.",
                 "Thanks! That was helpful. Tell me something nice about *.",
                 "Tell me a joke about *.", "What do you think about *?",
                 "Pretend you are a friendly guide and chat with me about *.",
                 "Imagine you are a pirate who loves *. Introduce yourself."},
       .things = {"gardening", "the sea", "old films", "cooking", "cats", "my weekend", "music",
                  "football"}},
      {.ease = 0.85,
       .gain = 0.06,
       .texts = {"Write a short story about * with a surprising end.",
                 "Compose a persuasive email to a colleague about *.",
                 "Write a cheerful blog post about *, for people who are new to it.",
                 "Draft a polite letter that complains about *.",
                 "Describe a vivid scene with * in it, in two paragraphs.",
                 "Write a poem about * in the voice of a child.",
                 "Give me ten ideas for a party about *."},
       .things = {"a trip to the mountains", "a broken washing machine", "early spring",
                  "a lost letter", "working from home", "a small bakery", "winter evenings"}},
      {.ease = 0.8,
       .gain = 0.08,
       .texts = {"Summarize the following notes about * in three sentences.",
                 "Translate this sentence about * into Spanish.",
                 "Rewrite this paragraph about * in a formal tone and correct the grammar.",
                 "Explain the main ideas behind * to a student.",
                 "What are the advantages and disadvantages of *? Give examples.",
                 "Discuss how * changed society, and name two people who mattered."},
       .things = {"public transport", "the industrial revolution", "renewable energy",
                  "modern painting", "the printing press", "healthy food", "global trade"}},
      {.ease = 0.6,
       .gain = 0.22,
       .texts = {"Extract every name, date and amount from the report about * and return them as "
                 "JSON, sorted by date.",
                 "Read the three reviews of * and give each a score from 1 to 5 as a JSON list.",
                 "Count how often each person appears in this text about * and list the results.",
                 "From the table about *, which year had the highest growth, and by how much?"},
       .things = {"a merger", "a hotel", "a phone", "the election", "the quarterly results"}},
      {.ease = 0.45,
       .gain = 0.38,
       .texts = {"Write a Python program that finds * and runs in linear time.",
                 "Implement a C++ function for * and explain its complexity.",
                 "Write an SQL query for *, with a window function.",
                 "Here is my code for *; it deadlocks under load. Find the bug and fix it.",
                 "Design a class hierarchy for * and write the unit tests."},
       .things = {"the longest common substring", "the median of two sorted arrays",
                  "a thread-safe queue", "the k most frequent words", "a bank transfer",
                  "shortest paths in a graph"}},
      {.ease = 0.4,
       .gain = 0.36,
       .texts = {"* What is the probability? Show your work.",
                 "* How much is left in the end, and what share is that?",
                 "* Solve for x and prove that the solution is unique.",
                 "* Think step by step: who must be telling the truth?",
                 "* Determine the smallest integer with this property."},
       .things = {"Two dice are rolled and their sum is at least 9.",
                  "A shop sells 3 apples for 2 dollars and gives 15 percent off above 20 dollars.",
                  "Three friends each make two statements and exactly one of them always lies.",
                  "The sum of a number and its square is 42.",
                  "A tank is filled by two pipes in 3 and 5 hours and emptied by a third in 6."}},
  };
  return all;
}

}  // namespace

const std::vector<PriorPrompt>& prior_prompts() {
  static const std::vector<PriorPrompt> prompts = [] {
    std::vector<PriorPrompt> all;
    for (const Kind& kind : kinds()) {
      for (const std::string_view text : kind.texts) {
        for (const std::string_view thing : kind.things) {
          std::string prompt(text);
          prompt.replace(prompt.find('*'), 1, thing);
          all.push_back({.text = std::move(prompt), .ease = kind.ease, .gain = kind.gain});
        }
      }
    }
    return all;
  }();
  return prompts;
}

}  // namespace jevons
