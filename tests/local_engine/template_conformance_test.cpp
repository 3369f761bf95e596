// Equality with jinja2 on llama.cpp's collection of chat templates: what it renders we render to
// the same bytes, what it refuses we refuse.
#include <doctest/doctest.h>
#include <rapidjson/document.h>
#include <rapidjson/stringbuffer.h>
#include <rapidjson/writer.h>

#include <cstdio>
#include <map>

#include "local_engine/jinja.h"
#include "local_engine/jinja_json.h"
#include "tests/local_engine/conformance.h"

using namespace jevons::engine;
using namespace jevons::engine::testing;

namespace {

const std::filesystem::path kHere =
    std::filesystem::path(JEVONS_SOURCE_DIR) / "tests" / "local_engine";

std::string output_of(const std::string& command) {
  std::string out;
  std::FILE* pipe = popen(command.c_str(), "r");
  if (pipe == nullptr) return out;
  char chunk[65536];
  for (std::size_t size; (size = std::fread(chunk, 1, sizeof(chunk), pipe)) > 0;) {
    out.append(chunk, size);
  }
  return pclose(pipe) == 0 ? out : std::string();
}

std::map<std::string, std::string> conversations() {
  rapidjson::Document document;
  document.Parse(read_text(kHere / "conversations.json"));
  std::map<std::string, std::string> all;
  for (const auto& member : document.GetObject()) {
    rapidjson::StringBuffer buffer;
    rapidjson::Writer<rapidjson::StringBuffer> writer(buffer);
    member.value.Accept(writer);
    all[member.name.GetString()] = buffer.GetString();
  }
  return all;
}

std::string first_difference(const std::string& ours, const std::string& theirs) {
  std::size_t at = 0;
  while (at < ours.size() && at < theirs.size() && ours[at] == theirs[at]) ++at;
  const std::size_t from = at > 40 ? at - 40 : 0;
  return "at byte " + std::to_string(at) + "\n ours:   " + ours.substr(from, 120) +
         "\n jinja2: " + theirs.substr(from, 120);
}

// Where we differ on purpose, and why.
bool differs_by_design(const std::string& name, const std::string& reference) {
  // jinja2's lazy generators cannot be written as JSON; our filters return lists, which can.
  if (name == "llama-cpp-deepseek-r1.jinja")
    return reference.find("generator") != std::string::npos;
  // `'text'|safe + x` makes jinja2 escape x for HTML, which no model was trained on.
  if (name == "meetkai-functionary-medium-v3.1.jinja") {
    return reference.find("&lt;b&gt;") != std::string::npos;
  }
  return false;
}

}  // namespace

TEST_CASE("templates render to the bytes jinja2 renders") {
  const auto folder = conformance_folder() / "templates";
  if (!have_conformance(folder)) return;
  const std::string reference =
      output_of("python3 '" + (kHere / "render_templates.py").string() + "' '" + folder.string() +
                "' '" + (kHere / "conversations.json").string() + "' 2>/dev/null");
  if (reference.empty()) {
    MESSAGE("skipped: python3 with jinja2 is missing");
    return;
  }
  rapidjson::Document rows;
  rows.Parse(reference);
  REQUIRE(rows.IsArray());
  const auto contexts = conversations();
  JinjaOptions options;
  options.now_seconds = 1'767'323'045;
  int rendered = 0, refused = 0, differing = 0;
  for (const auto& row : rows.GetArray()) {
    const std::string name = row["template"].GetString();
    const std::string conversation = row["conversation"].GetString();
    CAPTURE(name);
    CAPTURE(conversation);
    const auto compiled = JinjaTemplate::compile(read_text(folder / name));
    const Value context = value_from_json(contexts.at(conversation)).value();
    const auto ours = compiled.has_value() ? compiled->render(context, options)
                                           : EngineResult<MarkedText>(compiled.error());
    const char* field = row.HasMember("error") ? "error" : "text";
    if (differs_by_design(name, row[field].GetString())) {
      CHECK(ours.has_value());
      ++differing;
      continue;
    }
    if (row.HasMember("error")) {
      CAPTURE(std::string(row["error"].GetString()));
      CHECK(!ours.has_value());
      refused += ours.has_value() ? 0 : 1;
      continue;
    }
    const std::string theirs(row["text"].GetString(), row["text"].GetStringLength());
    if (!ours.has_value())
      FAIL_CHECK(ours.error().message());
    else if (ours->text() != theirs)
      FAIL_CHECK(first_difference(ours->text(), theirs));
    else
      ++rendered;
  }
  MESSAGE(rendered << " equal and " << refused << " refused by both, " << differing
                   << " different by design, of " << rows.Size());
}
