#include "gateway/learning_book.h"

#include <doctest/doctest.h>

#include "router/calibration.h"
#include "tests/gateway/cli/routing_files.h"

using namespace jevons;

namespace {

RequestId id_of(std::uint64_t number) { return {number, number * 7}; }

ServedAnswer answer_of(std::uint64_t number, const std::string& key = "k",
                       Learn learn = Learn::all) {
  return {.request = id_of(number),
          .key = key,
          .target = "cheap",
          .input = {.prior_logit = logit_of(0.9)},
          .learn = learn};
}

double p_ok(const LearningBook& book, const std::string& key = "k") {
  const HeadInput input{.prior_logit = logit_of(0.9)};
  const TargetHeads* heads = book.learned()->find("cheap");
  return heads == nullptr ? 0.9 : heads->head_for(key).p_ok(input);
}

}  // namespace

TEST_CASE("500 reports move a wrong prior for their key, a restart keeps it, others stay") {
  const RowsFolder folder;
  const LearningOptions options{.journal = folder.path("j")};
  double learnt = 0;
  {
    LearningBook book(options);
    CHECK(p_ok(book) == doctest::Approx(0.9));
    for (std::uint64_t i = 1; i <= 500; ++i) {
      book.served(answer_of(i), 0);
      CHECK(book.reported(id_of(i), "k", i % 10 < 3 ? 1 : 0, "test", 0));
    }
    book.flush();
    learnt = p_ok(book);
    CHECK(learnt < 0.4);
    CHECK(p_ok(book, "another key") > 0.85);
  }
  LearningBook again(options);
  CHECK(p_ok(again) == doctest::Approx(learnt).epsilon(0.01));
}

TEST_CASE("reports of unknown requests, other keys' and policies that do not learn teach nothing") {
  LearningBook book({});
  book.served(answer_of(1), 0);
  book.served(answer_of(2, "k", Learn::none), 0);
  CHECK_FALSE(book.reported(id_of(9), "k", 0, "x", 0));
  CHECK_FALSE(book.reported(id_of(1), "other", 0, "x", 0));
  CHECK_FALSE(book.reported(id_of(2), "k", 0, "x", 0));
  for (std::uint64_t i = 100; i < 200; ++i)
    book.observed(answer_of(i, "k", Learn::feedback), AnswerSign::invalid, 0);
  book.flush();
  CHECK(p_ok(book) == doctest::Approx(0.9));
  CHECK(book.learned()->targets.empty());
}

TEST_CASE("signs of answers: many faults lower P(ok), fine answers leave it, checks raise it") {
  struct {
    const char* name;
    AnswerSign sign;
    double low, high;
  } rows[] = {{"fine", AnswerSign::fine, 0.89, 0.91},
              {"checked", AnswerSign::checked, 0.905, 0.96},
              {"truncated", AnswerSign::truncated, 0, 0.4},
              {"refused", AnswerSign::refused, 0, 0.2},
              {"invalid", AnswerSign::invalid, 0, 0.2}};
  for (const auto& row : rows) {
    CAPTURE(row.name);
    LearningBook book({});
    for (std::uint64_t i = 1; i <= 200; ++i) book.observed(answer_of(i), row.sign, 0);
    book.flush();
    CHECK(p_ok(book) > row.low);
    CHECK(p_ok(book) < row.high);
  }
}

TEST_CASE("the same prompt again after a while is a sign, at once or over and over it is none") {
  const auto after = [](std::int64_t wait_ms, int times) {
    LearningBook book({});
    std::uint64_t number = 0;
    for (std::uint64_t prompt = 1; prompt <= 200; ++prompt) {
      for (int i = 0; i < times; ++i) {
        ServedAnswer answer = answer_of(++number);
        answer.prompt_hash = prompt;
        book.served(std::move(answer), i * wait_ms);
      }
    }
    book.flush();
    return p_ok(book);
  };
  CHECK(after(10'000, 2) < 0.6);
  CHECK(after(10'000, 1) == doctest::Approx(0.9));
  CHECK(after(50, 2) == doctest::Approx(0.9));
  CHECK(after(300'000, 2) == doctest::Approx(0.9));
  CHECK(after(10'000, 4) > 0.88);
}

TEST_CASE("lengths are learnt by target, survive a restart, and not one of other weights") {
  const RowsFolder folder;
  const std::string path = folder.path("j");
  const auto shift = [](const LearningBook& book, const std::string& key) {
    const TargetLengths* lengths = book.learned()->find_lengths("cheap");
    return lengths == nullptr ? 0.0 : static_cast<double>(lengths->shift_for(key).shift[0]);
  };
  {
    LearningBook book({.journal = path, .weights_id = "w1-a"});
    for (std::uint64_t i = 1; i <= 30; ++i) book.answered(answer_of(i), -2, false, 0);
    for (std::uint64_t i = 1; i <= 30; ++i)
      book.answered(answer_of(i, "quiet", Learn::feedback), 3, false, 0);
    book.flush();
    CHECK(shift(book, "k") == doctest::Approx(-2));
    CHECK(shift(book, "quiet") == doctest::Approx(0));
    // Cut by its client's cap: no sign that answers became shorter.
    for (std::uint64_t i = 1; i <= 90; ++i) book.answered(answer_of(i), -4, true, 0);
    book.flush();
    CHECK(shift(book, "k") == doctest::Approx(-2));
    CHECK(book.learned()->targets.empty());
  }
  LearningBook again({.journal = path, .weights_id = "w1-a"});
  CHECK(shift(again, "k") == doctest::Approx(-2));
  LearningBook other({.journal = path, .weights_id = "w1-b"});
  CHECK(other.learned()->find_lengths("cheap") == nullptr);
}

TEST_CASE("of a target that is known one answer in sixteen is looked at") {
  LearningBook book({});
  for (std::uint64_t i = 0; i < 200; ++i) book.answered(answer_of(16 * i + 1), 0, false, 0);
  book.flush();
  REQUIRE(book.learned()->find_lengths("cheap")->answers == LearningBook::lengths_enough);
  for (std::uint64_t i = 0; i < 160; ++i) book.answered(answer_of(i), 0, false, 0);
  book.flush();
  CHECK(book.learned()->find_lengths("cheap")->answers == 210);
}

TEST_CASE("memory of answers is bounded") {
  LearningBook book({});
  for (std::uint64_t i = 1; i <= LearningBook::remembered_max + 1; ++i)
    book.served(answer_of(i), 0);
  CHECK_FALSE(book.reported(id_of(1), "k", 0, "x", 0));
  CHECK(book.reported(id_of(2), "k", 0, "x", 0));
}

TEST_CASE("outcomes of other weights still count, their trunk does not; broken lines are named") {
  const RowsFolder folder;
  const std::string path = folder.path("j");
  {
    LearningBook book({.journal = path, .weights_id = "w1-old"});
    for (std::uint64_t i = 1; i <= 100; ++i) {
      ServedAnswer answer = answer_of(i);
      answer.input.trunk.fill(100);
      book.served(std::move(answer), 0);
      book.reported(id_of(i), "k", 0, "x", 0);
    }
    book.flush();
  }
  std::ofstream(path, std::ios::app) << "no outcome\n";
  std::string said;
  LearningBook book({.journal = path, .weights_id = "w1-new", .problem = [&said](const auto& what) {
                       said = what;
                     }});
  CHECK(said == path + ": 1 lines are not outcomes and were passed over");
  CHECK(p_ok(book) < 0.3);
}

TEST_CASE("prompts: the last user text of a key, long enough to tell") {
  ChatRequest request;
  CHECK(prompt_hash("k", request) == 0);
  request.messages.resize(1);
  request.messages[0].role = Role::user;
  request.messages[0].parts = {{.text = "hi"}};
  CHECK(prompt_hash("k", request) == 0);
  request.messages[0].parts = {{.text = "What is the boiling point of water?"}};
  const std::uint64_t hash = prompt_hash("k", request);
  CHECK(hash != 0);
  CHECK(hash == prompt_hash("k", request));
  CHECK(hash != prompt_hash("other", request));
  request.messages[0].parts = {{.text = "What is the boiling point of wine?!"}};
  CHECK(hash != prompt_hash("k", request));
}
