#include "router/answer_length.h"

#include <doctest/doctest.h>

#include "router/decision.h"
#include "router/judge.h"

using namespace jevons;

TEST_CASE("typical lengths: every kind of work has one, translations follow their text") {
  for (std::size_t task = 0; task < task_count; ++task) {
    CAPTURE(task);
    const TypicalLength length = typical_length(static_cast<Task>(task), 200);
    CHECK(length.p50 >= 5);
    CHECK(length.p90 > length.p50);
  }
  CHECK(typical_length(Task::translation, 1'000).p50 > 900);
  CHECK(typical_length(Task::summarise, 100'000).p50 == 350);
  CHECK(typical_length(Task::classify, 100'000).p50 < 20);
}

TEST_CASE("lengths from the prompt: bounded, capped by the request, and as asked for in words") {
  const auto predicted = [](const std::string& text, std::optional<std::int64_t> cap = {}) {
    ChatRequest request;
    request.messages.resize(1);
    request.messages[0].parts = {{.text = text}};
    request.max_completion_tokens = cap;
    return classify(request);
  };
  const std::string exam =
      "Which of the following gases is most abundant in the atmosphere of the planet Mars today?\n"
      "A. nitrogen\nB. argon\nC. carbon dioxide\nD. oxygen\nAnswer:";
  const Classification free = predicted(exam), capped = predicted(exam, 20);
  CHECK(free.completion_tokens_p50 >= 10);
  CHECK(free.completion_tokens_p50 <= 1'500);
  CHECK(free.completion_tokens_p90 > free.completion_tokens_p50);
  CHECK(capped.completion_tokens_p50 <= 20);
  CHECK(capped.completion_tokens_p90 == 20);
  CHECK(capped.uncapped_p50 == free.completion_tokens_p50);
  CHECK(predicted("Write a story about a lighthouse keeper in 400 words.").completion_tokens_p50 ==
        540);
}
