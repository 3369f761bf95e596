#include "local_engine/jinja.h"

#include <doctest/doctest.h>

#include "local_engine/chat_template.h"
#include "local_engine/jinja_json.h"

using namespace jevons::engine;

namespace {

std::string rendered(std::string_view source, std::string_view context = "{}") {
  const auto compiled = JinjaTemplate::compile(source);
  if (!compiled) return compiled.error().message();
  JinjaOptions options;
  options.now_seconds = 1'767'323'045;  // 2026-01-02 03:04:05
  options.steps_max = 100'000;
  const auto text = compiled->render(value_from_json(context).value(), options);
  return text.has_value() ? text->text() : text.error().message();
}

// Trusted text as it is, a user's in brackets.
std::string marked(std::string_view source, std::string_view context) {
  const auto text = JinjaTemplate::compile(source).value().render(value_from_json(context).value(),
                                                                  JinjaOptions{});
  REQUIRE(text.has_value());
  std::string out;
  for (const TextSegment& segment : segments_of(*text)) {
    out += segment.trusted ? segment.text : "[" + segment.text + "]";
  }
  return out;
}

}  // namespace

// Expected texts were produced by jinja2 3.1 with trim_blocks and lstrip_blocks.
TEST_CASE("templates render as Python's jinja2 renders them") {
  struct {
    std::string when;
    std::string source;
    std::string expected;
  } rows[] = {
      {"a variable", "{{ 'a' ~ 1 ~ 2.0 ~ true ~ none }}", "a12.0TrueNone"},
      {"an undefined variable is empty", "[{{ nothing }}]", "[]"},
      {"an attribute of it is an error", "{{ nothing.more }}",
       "chat template: 'nothing' is undefined"},
      {"dash removes white space", "a  {{- 'b' -}}  c", "abc"},
      {"blocks take their line's start and newline", "a\n  {% if true %}\nb\n  {% endif %}\nc",
       "a\nb\nc"},
      {"a plus keeps them", "a\n  {%+ if true +%}\nb{% endif %}", "a\n  \nb"},
      {"comments vanish", "a{# b #}c", "ac"},
      {"raw text", "{% raw %}{{ x }}{% endraw %}", "{{ x }}"},
      {"the last newline does not count", "a\n", "a"},
      {"arithmetic rounds down",
       "{{ 7 // 2 }} {{ -7 // 2 }} {{ -7 % 3 }} {{ 7 / 2 }} {{ 2 ** 10 }}", "3 -4 2 3.5 1024"},
      {"precedence", "{{ 1 + 2 * 3 }}{{ 1 ~ 2 * 3 }} {{ not 1 == 2 }}", "716 True"},
      {"conditions", "{{ 'x' if false }}{{ 'y' if 1 else 'z' }}", "y"},
      {"comparisons", "{{ 1 < 2 and 'a' in 'abc' and 3 not in [1, 2] }}", "True"},
      {"lists and dicts print as Python", "{{ [1, 'a', none, {'k': (1,)}] }}",
       "[1, 'a', None, {'k': (1,)}]"},
      {"quotes in them", "{{ [\"it's\", 'a\"b', '\\n'] }}", "[\"it's\", 'a\"b', '\\n']"},
      {"slices", "{{ [1,2,3,4][1:3] }}{{ 'hello'[::-1] }}{{ 'h\xc3\xa9llo'[1] }}{{ [1,2,3][-1] }}",
       "[2, 3]olleh\xc3\xa9"
       "3"},
      {"a loop", "{% for x in [1,2,3] %}{{ loop.index }}{{ ',' if not loop.last }}{% endfor %}",
       "1,2,3"},
      {"a loop with a filter and else",
       "{% for x in [1,2,3] if x > 3 %}{{ x }}{% else %}none{% endfor %}", "none"},
      {"neighbours in a loop",
       "{% for x in 'abc' %}{{ loop.previtem }}{{ loop.nextitem is defined }}{% endfor %}",
       "TrueaTruebFalse"},
      {"break and continue",
       "{% for x in [1,2,3,4] %}{% if x == 2 %}{% continue %}{% endif %}{% if x == 4 %}{% break %}"
       "{% endif %}{{ x }}{% endfor %}",
       "13"},
      {"unpacking", "{% for k, v in {'a': 1}.items() %}{{ k }}={{ v }}{% endfor %}", "a=1"},
      {"set inside a loop stays there",
       "{% set x = 1 %}{% for i in [1] %}{% set x = 2 %}{% endfor %}{{ x }}", "1"},
      {"a namespace carries it out",
       "{% set n = namespace(x=1) %}{% for i in [1] %}{% set n.x = 2 %}{% endfor %}{{ n.x }}", "2"},
      {"a block as a value", "{% set x %}a{{ 1 }}{% endset %}[{{ x }}]", "[a1]"},
      {"a macro", "{% macro m(a, b='x') %}{{ a }}{{ b }}{% endmacro %}{{ m(1) }}{{ m(2, b='y') }}",
       "1x2y"},
      {"a macro that calls itself",
       "{% macro f(n) %}{{ n }}{% if n > 0 %}{{ f(n - 1) }}{% endif %}{% endmacro %}{{ f(3) }}",
       "3210"},
      {"a call block", "{% macro m() %}<{{ caller() }}>{% endmacro %}{% call m() %}x{% endcall %}",
       "<x>"},
      {"a filter block", "{% filter upper %}abc{% endfilter %}", "ABC"},
      {"json as Python writes it", "{{ {'b': [1, 2.5, 'x\"y'], 'a': none} | tojson }}",
       "{\"b\": [1, 2.5, \"x\\\"y\"], \"a\": null}"},
      {"json with an indent", "{{ {'a': [1], 'b': {}} | tojson(indent=2) }}",
       "{\n  \"a\": [\n    1\n  ],\n  \"b\": {}\n}"},
      {"json with separators", "{{ {'a': 1, 'b': 2} | tojson(separators=(',', ':')) }}",
       "{\"a\":1,\"b\":2}"},
      {"floats", "{{ [1e16, 1e-5, 0.1, 100.0, 1e22] }}", "[1e+16, 1e-05, 0.1, 100.0, 1e+22]"},
      {"string methods",
       "{{ ' a b '.strip().split() }}{{ 'a-b-c'.split('-', 1) }}{{ 'abc'.startswith('ab') }}"
       "{{ 'x'.join(['a', 'b']) }}{{ 'Hello World'.title() }}",
       "['a', 'b']['a', 'b-c']TrueaxbHello World"},
      {"filters",
       "{{ [3,1,2]|sort|join(',') }} {{ [{'a': 1}, {'a': 2}]|map(attribute='a')|list }} "
       "{{ 'ab'|upper }} {{ x|default('d') }} {{ '5'|int + 1 }} {{ [1,1,2]|unique|list }} "
       "{{ 3.7|round|int }} {{ {'b': 1, 'a': 2}|dictsort }} {{ ' x '|trim }}",
       "1,2,3 [1, 2] AB d 6 [1, 2] 4 [('a', 2), ('b', 1)] x"},
      {"select by test",
       "{{ [{'r': 'u'}, {'r': 'a'}]|selectattr('r', 'equalto', 'a')|list|length }}", "1"},
      {"indent", "{{ 'a\\nb\\n\\nc'|indent(2) }}", "a\n  b\n\n  c"},
      {"formats", "{{ '%s has %d of %.2f' % ('x', 3, 1.5) }} {{ '{}-{a}'.format(1, a=2) }}",
       "x has 3 of 1.50 1-2"},
      {"tests",
       "{{ 1 is number }}{{ 'a' is string }}{{ {} is mapping }}{{ x is defined }}{{ 4 is "
       "divisibleby 2 }}{{ none is none }}{{ [] is iterable }}",
       "TrueTrueTrueFalseTrueTrueTrue"},
      {"the date", "{{ strftime_now('%d %B %Y') }}", "02 January 2026"},
      {"a refusal", "{{ raise_exception('roles must alternate') }}",
       "chat template: roles must alternate"},
      {"escapes", "{{ 'a\\tb\\u00e9\\x41\\\\' }}",
       "a\tb\xc3\xa9"
       "A\\"},
      {"generation marks", "{% generation %}x{% endgeneration %}", "x"},
  };
  for (const auto& row : rows) {
    CAPTURE(row.when);
    CHECK(rendered(row.source) == row.expected);
  }
}

TEST_CASE("what a user wrote stays marked through every operation") {
  constexpr const char* context =
      R"({"u": "ab<s>", "d": {"key<s>": "v"}, "list": ["x", "y"], "n": 5})";
  struct {
    std::string when;
    std::string source;
    std::string expected;
  } rows[] = {
      {"as it is", "<s>{{ u }}</s>", "<s>[ab<s>]</s>"},
      {"joined", "{{ '<' + u ~ '>' }}", "<[ab<s>]>"},
      {"cut", "{{ 'T:' ~ u[1:3] }}", "T:[b<]"},
      {"stripped and changed", "{{ (' ' ~ u ~ ' ')|trim|upper }}", "[AB<S>]"},
      {"split and joined", "{{ u.split('b')|join('|') }}", "[a]|[<s>]"},
      {"replaced inside trusted text", "{{ '<q>x<q>'.replace('x', u) }}", "<q>[ab<s>]<q>"},
      {"written as JSON", "{{ {'k': u}|tojson }}", "{\"k\": \"[ab<s>]\"}"},
      {"keys too", "{{ d|tojson }}{% for k, v in d.items() %}{{ k }}={{ v }}{% endfor %}",
       "{\"[key<s>]\": \"[v]\"}[key<s>]=[v]"},
      {"printed as Python", "{{ list }}", "['[x]', '[y]']"},
      {"formatted", "{{ '%s!' % u }}{{ '<{}>'.format(u) }}", "[ab<s>]!<[ab<s>]>"},
      {"through a macro", "{% macro m(x) %}<b>{{ x }}{% endmacro %}{{ m(u) }}", "<b>[ab<s>]"},
      {"through a block", "{% set t %}<i>{{ u }}{% endset %}{{ t }}", "<i>[ab<s>]"},
      {"character by character", "{% for c in u %}{{ c }}.{% endfor %}", "[a].[b].[<].[s].[>]."},
      {"escaped", "{{ u|e }}", "[ab&lt;s&gt;]"},
      {"indented", "{{ ('a\n' ~ u)|indent(1) }}", "a\n [ab<s>]"},
  };
  for (const auto& row : rows) {
    CAPTURE(row.when);
    CHECK(marked(row.source, context) == row.expected);
  }
}

TEST_CASE("a template that is wrong or runs away is refused") {
  struct {
    std::string when;
    std::string source;
    std::string expected;
  } rows[] = {
      {"an open tag", "a\n{{ x", "chat template: line 2: a tag is not closed"},
      {"an open block", "{% if x %}", "chat template: line 1: missing {% endif %}"},
      {"an unknown tag", "{% include 'x' %}",
       "chat template: line 1: the tag 'include' is not supported"},
      {"an unknown filter", "{{ 1|nope }}", "chat template: the filter 'nope' is not supported"},
      {"an unknown test", "{{ 1 is nope }}", "chat template: the test 'nope' is not supported"},
      {"a stray word", "{{ 1 2 }}", "chat template: line 1: expected '}}'"},
      {"a sum of unlike things", "{{ 1 + 'a' }}", "chat template: cannot apply '+' to int and str"},
      {"division by zero", "{{ 1 // 0 }}", "chat template: division by zero"},
      {"a number beyond 64 bits", "{{ 9223372036854775807 + 1 }}",
       "chat template: a number is too large"},
      {"an endless macro", "{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}",
       "chat template: the template recurses too deeply"},
      {"a long loop",
       "{% for a in range(1000) %}{% for b in range(1000) %}{% endfor %}{% endfor %}x", "x"},
      {"work without end",
       "{% for a in range(1000) %}{% for b in range(1000) %}{{ a }}{% endfor %}{% endfor %}",
       "chat template: the template runs too long"},
      {"a string that doubles",
       "{% set n = namespace(s='xxxxxxxx') %}{% for i in range(60) %}{% set n.s = n.s ~ n.s %}{% "
       "endfor %}",
       "chat template: a string grows too long"},
      {"a repeated string", "{{ 'x' * 999999999999 }}", "chat template: a string grows too long"},
      {"joined over and over",
       "{% set n = namespace(s='x' * 5000) %}{% for i in range(9) %}{% set n.s = n.s | join(n.s) "
       "%}{% endfor %}",
       "chat template: a string grows too long"},
      {"a long string taken apart", "{{ ('x' * 2000000) | list | length }}",
       "chat template: a list grows too long"},
      {"a long string indented", "{{ (('x\n' * 400000) | indent | length) }}", "2399996"},
      {"deep brackets", "{{ " + std::string(5000, '(') + "1" + std::string(5000, ')') + " }}",
       "chat template: line 1: an expression is nested too deeply"},
      {"a namespace inside itself", "{% set n = namespace() %}{% set n.n = n %}ok", "ok"},
  };
  for (const auto& row : rows) {
    CAPTURE(row.when);
    CHECK(rendered(row.source) == row.expected);
  }
}
