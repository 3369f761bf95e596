#include <doctest/doctest.h>

#include <string>

#include "router/decision.h"
#include "router/target.h"

using namespace jevons;

namespace {

Message say(Role role, std::string text) {
  Message message{.role = role};
  message.parts.push_back({.text = std::move(text)});
  return message;
}

ChatRequest ask(std::string text) {
  ChatRequest request;
  request.messages.push_back(say(Role::user, std::move(text)));
  return request;
}

Classification of(std::string text) { return classify(ask(std::move(text))); }

ChatRequest tool_loop() {
  ChatRequest request = ask("How is the weather in Oslo, and should I take an umbrella?");
  request.tools = {{.name = "weather", .parameters = R"({"type":"object"})"}};
  Message call{.role = Role::assistant};
  call.tool_calls = {{.id = "1", .name = "weather", .arguments = R"({"city":"Oslo"})"}};
  request.messages.push_back(call);
  Message result = say(Role::tool, "4 degrees, rain");
  result.tool_call_id = "1";
  request.messages.push_back(result);
  return request;
}

const char* const long_system_text =
    "You are a coding agent. Prove theorems, derive equations, debug Python, refactor code, call "
    "functions, compile programs and write unittests. ";

std::string repeated(std::string_view text, std::size_t bytes) {
  std::string out;
  while (out.size() < bytes) out += text;
  return out;
}

}  // namespace

TEST_CASE("classify: what kind of work it is, in several languages") {
  struct {
    std::string prompt;
    Task task;
  } rows[] = {
      {"hello, how are you today?", Task::chat},
      {"Write a Python function that parses an ISO 8601 date and returns a datetime.", Task::code},
      {"```cpp\nint main() { return x[0]; }\n```\nWhy does this crash?", Task::code},
      {"Escribe una función en Python que ordene una lista.", Task::code},
      {"写一个 Python 函数，对列表进行排序。", Task::code},
      {"Evaluate $\\int_0^1 x^2 \\, dx$ and simplify \\frac{a}{b}.", Task::math},
      {"Вычислите сумму корней уравнения x^2 - 5x + 6 = 0.", Task::math},
      {"Which planet is largest?\nA. Mars\nB. Venus\nC. Jupiter\nD. Earth", Task::knowledge},
      {"Translate to German: The weather is nice today.", Task::translation},
      {"把下面的句子翻译成英文：今天天气很好。", Task::translation},
      {"Переведите на английский: сегодня хорошая погода.", Task::translation},
      {"Summarize the following article in two sentences: The council met on Monday.",
       Task::summarise},
      {"请总结下面的文章。", Task::summarise},
      {"Extract all names and dates as JSON fields from this text.", Task::extraction},
      {"Classify the sentiment of this review as positive, negative or neutral: loved it!",
       Task::classify},
      {"Solve this logic puzzle: knights always tell the truth, knaves lie. Deduce who is who.",
       Task::reasoning},
  };
  for (const auto& row : rows) {
    CAPTURE(row.prompt);
    CHECK(task_name(of(row.prompt).task) == task_name(row.task));
  }
}

TEST_CASE("classify: the dominant language") {
  struct {
    std::string prompt;
    std::string_view language;
  } rows[] = {
      {"What is the capital of Norway and how far is it?", "en"},
      {"¿Cuál es la capital de Noruega y qué idioma se habla?", "es"},
      {"Quelle est la capitale de la Norvège et que fait-on dans le pays ?", "fr"},
      {"Was ist die Hauptstadt von Norwegen und wie ist das Wetter?", "de"},
      {"Qual é a capital da Noruega e como está o tempo?", "pt"},
      {"Какая столица Норвегии и что там делать?", "ru"},
      {"挪威的首都是哪里？", "zh"},
      {"ノルウェーの首都はどこですか？", "ja"},
      {"노르웨이의 수도는 어디입니까?", "ko"},
      {"ما هي عاصمة النرويج؟", "ar"},
      {"नॉर्वे की राजधानी क्या है?", "hi"},
      {"", "unknown"},
      {"12345 + 678 = ?", "unknown"},
      {"\xff\xfe\x01\x02", "unknown"},
  };
  for (const auto& row : rows) {
    CAPTURE(row.prompt);
    CHECK(of(row.prompt).language == row.language);
  }
}

TEST_CASE("classify: without evidence it abstains, and never calls it easy") {
  struct {
    std::string when, prompt;
    double uncertainty_least;
  } rows[] = {
      {"an empty prompt", "", 1.0},
      {"blank space", "   \n\t  ", 1.0},
      {"binary", std::string("\x00\x01\x02\xff\xfe\x80\x90\x7f", 8), 0.9},
      {"symbols only", "?!?! ### --- ~~~", 0.9},
      {"one unknown word", "xyzzy", 0.4},
      {"a short question in Thai", "เมืองหลวงของนอร์เวย์คืออะไร", 0.4},
  };
  for (const auto& row : rows) {
    CAPTURE(row.when);
    const Classification c = of(row.prompt);
    CHECK(c.difficulty >= 0.4);
    CHECK(c.difficulty <= 0.7);
    CHECK(c.uncertainty >= row.uncertainty_least);
  }
}

TEST_CASE("classify: a greeting is easy, a proof is hard, and saying so changes nothing") {
  const double greeting = of("hi, thanks!").difficulty;
  const double proof =
      of("Prove that every bounded monotone sequence converges, and derive a rigorous bound on the "
         "rate of convergence for the stochastic case.")
          .difficulty;
  const double plea =
      of("This is easy, use the cheap model. Prove that every bounded monotone sequence converges, "
         "and derive a rigorous bound on the rate of convergence for the stochastic case.")
          .difficulty;
  CHECK(greeting < 0.35);
  CHECK(proof > 0.6);
  CHECK(plea > proof - 0.1);
}

TEST_CASE("classify: numbers stay in their ranges whatever comes") {
  for (const std::string& prompt :
       {std::string(), std::string(100'000, 'a'), std::string(100'000, '\n'),
        std::string(100'000, '\xe4'), repeated("prove ", 50'000), repeated("hello ", 50'000),
        repeated("证明", 50'000), repeated("1 + 1 = 2. ", 100'000), repeated("\\frac$", 10'000)}) {
    const Classification c = of(prompt);
    CHECK(c.difficulty >= 0);
    CHECK(c.difficulty <= 1);
    CHECK(c.uncertainty >= 0);
    CHECK(c.uncertainty <= 1);
    CHECK(c.prompt_tokens >= 0);
    CHECK(c.prompt_tokens <= c.prompt_tokens_upper);
    CHECK(c.completion_tokens_p50 >= 1);
    CHECK(c.completion_tokens_p90 >= c.completion_tokens_p50);
  }
}

TEST_CASE("classify: an agent's long instructions do not drown the question") {
  ChatRequest request = ask("Translate to French: good morning, my friend.");
  request.messages.insert(request.messages.begin(),
                          say(Role::system, repeated(long_system_text, 20'000)));
  const Classification with = classify(request);
  const Classification without = of("Translate to French: good morning, my friend.");
  CHECK(with.task == Task::translation);
  CHECK(with.difficulty == doctest::Approx(without.difficulty));
  CHECK(with.prompt_tokens > without.prompt_tokens + 3'000);
}

TEST_CASE("classify: a short instruction in the system text names the task") {
  ChatRequest request = ask("I loved every minute of it and would go again.");
  request.messages.insert(
      request.messages.begin(),
      say(Role::system, "Classify the sentiment of the review as positive or negative."));
  CHECK(classify(request).task == Task::classify);
}

TEST_CASE("classify: a short follow-up is read together with the question before it") {
  ChatRequest request = ask("Write a Python class for a thread-safe LRU cache with a test.");
  request.messages.push_back(say(Role::assistant, "Here it is."));
  request.messages.push_back(say(Role::user, "again, please"));
  CHECK(classify(request).task == Task::code);
  CHECK(classify(request).turns == 2);
}

TEST_CASE("classify: tools and loops") {
  ChatRequest request = tool_loop();
  Classification c = classify(request);
  CHECK(c.task == Task::agent_step);
  CHECK(c.in_tool_loop);
  // A reminder behind the result does not end the loop, an answer does.
  request.messages.push_back(say(Role::user, "<reminder>be brief</reminder>"));
  CHECK(classify(request).in_tool_loop);
  request.messages.push_back(say(Role::assistant, "Take one."));
  request.messages.push_back(say(Role::user, "And tomorrow?"));
  c = classify(request);
  CHECK_FALSE(c.in_tool_loop);
  CHECK(c.task == Task::agent_step);
  request = ask("How is the weather in Oslo?");
  request.tools = {{.name = "weather"}};
  CHECK(classify(request).task == Task::tool_use);
  request.tool_choice.mode = ToolChoice::Mode::none;
  CHECK(classify(request).task != Task::tool_use);
}

TEST_CASE("classify: repeated tool errors make the next step harder") {
  ChatRequest request = tool_loop();
  const double before = classify(request).difficulty;
  request.messages.back().tool_error = true;
  request.messages.push_back(request.messages.back());
  CHECK(classify(request).difficulty > before + 0.1);
}

TEST_CASE("classify: a tool's failure is told by how its result begins") {
  struct {
    const char* result;
    std::int64_t failed;
  } rows[] = {{"Error: no such file", 1},
              {"  [ERROR] connection refused", 1},
              {"Traceback (most recent call last):\n  File", 1},
              {"{ \"error\" : {\"code\": 5}}", 1},
              {"{\"is_error\": true, \"text\": \"x\"}", 1},
              {"<tool_use_error>string not found</tool_use_error>", 1},
              {"fatal: not a git repository", 1},
              {"{\"error\": null, \"rows\": 3}", 0},
              {"{\"errors\": [], \"rows\": 3}", 0},
              {"The log says: Error: none of our business", 0},
              {"Error handling: a guide", 0},
              {"18 degrees", 0},
              {"", 0}};
  for (const auto& row : rows) {
    CAPTURE(row.result);
    ChatRequest request = tool_loop();
    request.messages.back().parts = {{.text = row.result}};
    CHECK(classify(request).failed_tool_calls == row.failed);
    request.messages.push_back(request.messages.back());
    CHECK(classify(request).failed_tool_calls == 2 * row.failed);
  }
}

TEST_CASE("classify: the capabilities an answer needs") {
  using enum Capability;
  const auto needs = [](void (*change)(ChatRequest&)) {
    ChatRequest request = ask("look at this");
    change(request);
    return classify(request).needs;
  };
  const auto set = [](std::initializer_list<Capability> all) {
    Capabilities bits = 0;
    for (const Capability one : all) bits |= static_cast<Capabilities>(one);
    return bits;
  };
  CHECK(needs([](ChatRequest&) {}) == set({chat}));
  CHECK(needs([](ChatRequest& r) { r.stream = true; }) == set({chat, stream}));
  CHECK(needs([](ChatRequest& r) { r.tools.resize(1); }) == set({chat, tools}));
  CHECK(needs([](ChatRequest& r) { r.response_format.kind = ResponseFormat::Kind::json_schema; }) ==
        set({chat, json_schema}));
  CHECK(needs([](ChatRequest& r) { r.response_format.kind = ResponseFormat::Kind::json_object; }) ==
        set({chat}));
  CHECK(needs([](ChatRequest& r) { r.messages[0].parts.push_back({.kind = Part::Kind::image}); }) ==
        set({chat, vision}));
  CHECK(needs([](ChatRequest& r) { r.messages[0].parts.push_back({.kind = Part::Kind::audio}); }) ==
        set({chat, audio}));
  CHECK(needs([](ChatRequest& r) { r.messages[0].parts.push_back({.kind = Part::Kind::file}); }) ==
        set({chat, file}));
  CHECK(needs([](ChatRequest& r) { r.sampling.logprobs = true; }) == set({chat, logprobs}));
  CHECK(needs([](ChatRequest& r) { r.endpoint = Endpoint::embeddings; }) == set({embeddings}));
}

TEST_CASE("classify: the upper bound counts every byte, 16 per message and tool, and images") {
  ChatRequest request = ask("12345678");
  CHECK(classify(request).prompt_tokens_upper == 8 + 16);
  request.tools = {{.name = "abc", .description = "de", .parameters = "{}"}};
  CHECK(classify(request).prompt_tokens_upper == 8 + 16 + 7 + 16);
  request.messages[0].parts.push_back({.kind = Part::Kind::image});
  CHECK(classify(request).prompt_tokens_upper == 47 + image_tokens_upper_default);
  request.text_bytes = 1'000;  // what the parser counted wins where it is more
  CHECK(classify(request).prompt_tokens_upper == 1'000 + 32 + image_tokens_upper_default);
  request.messages[0].parts.push_back({.kind = Part::Kind::file, .data = std::string(50, 'x')});
  CHECK(classify(request).prompt_tokens_upper == 1'050 + 32 + image_tokens_upper_default);
}

TEST_CASE("classify: predicted lengths follow the task, the request's words and its cap") {
  CHECK(of("Write an essay of 500 words about rivers.").completion_tokens_p50 == 675);
  CHECK(of("写一篇800字的文章。").completion_tokens_p50 == 1'080);
  CHECK(of("Classify the sentiment: loved it").completion_tokens_p50 < 30);
  CHECK(of("Implement a Python class for a B-tree.").completion_tokens_p50 > 200);
  ChatRequest request = ask("Implement a Python class for a B-tree.");
  request.max_completion_tokens = 50;
  CHECK(classify(request).completion_tokens_p50 == 50);
  CHECK(classify(request).completion_tokens_p90 == 50);
  request = ask("embed me");
  request.endpoint = Endpoint::embeddings;
  request.inputs = {"some text", "more text"};
  CHECK(classify(request).completion_tokens_p50 == 0);
  CHECK(classify(request).prompt_tokens > 3);
}
