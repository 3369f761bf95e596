// The words that carry evidence: task words in a dozen languages, and the commonest words of each
// language for telling them apart. Data, not code: a word says something only beside the counts.
#include <algorithm>
#include <array>
#include <bitset>
#include <map>
#include <vector>

#include "router/text_stats.h"

namespace jevons {
namespace {

using Kind = WordCue::Kind;

struct Group {
  Kind kind;
  std::uint8_t index;
  float weight;
  std::string_view words;  // space-separated, lower case
};

constexpr std::uint8_t id(Task task) { return static_cast<std::uint8_t>(task); }
constexpr std::uint8_t id(Tongue tongue) { return static_cast<std::uint8_t>(tongue); }

constexpr Group groups[] = {
    {Kind::task, id(Task::code), 2,
     "python javascript typescript java golang rust sql regex bash kubectl dockerfile html css "
     "traceback stacktrace nullpointerexception segfault refactor debug compile compiler unittest "
     "codebase github docker kubernetes async stdin stdout leetcode pytest numpy pandas react "
     "django node npm def elif println printf const nullptr malloc struct async await "
     "programa código código programme quellcode программа код функцию 函数 代码 编程 コード 関数 "
     "코드"},
    {Kind::task, id(Task::code), 1,
     "function class method implement script algorithm program array string loop variable api "
     "return import database query server json función fonction funktion função функция "
     "程序 プログラム 프로그램"},
    {Kind::task, id(Task::math), 2,
     "integral derivative equation polynomial matrix theorem triangle probability integers "
     "solve simplify evaluate factor modulo perimeter hypotenuse cosine sine tangent logarithm "
     "eigenvalue frac sqrt boxed sum ecuación équation gleichung equação уравнение вычислите "
     "方程 计算 多少 方程式 計算 방정식 계산"},
    {Kind::task, id(Task::math), 1,
     "calculate compute total many remaining per each twice half percent average speed distance "
     "cost cuántos combien berechne сколько price hours minutes dollars"},
    {Kind::task, id(Task::reasoning), 2,
     "puzzle riddle deduce logically premise premises syllogism paradox liar knights knaves "
     "step-by-step infer entails contradiction counterexample proof prove razonamiento "
     "raisonnement beweise докажите 推理 证明 証明 증명"},
    {Kind::task, id(Task::reasoning), 1,
     "why reason reasoning therefore because explain compare analyze analyse evaluate strategy "
     "tradeoffs implications argue justify warum pourquoi почему 为什么 なぜ 왜"},
    {Kind::task, id(Task::knowledge), 1,
     "who when where which capital president history century war discovered invented author "
     "country city located known called founded born died definition define quién cuándo dónde "
     "qui quand wer wann wo кто когда где 谁 什么 哪里 何 誰 누구 언제"},
    {Kind::task, id(Task::extraction), 2,
     "extract extraction entities parse fields extrae extraire extrahiere extraia извлеки "
     "извлеките 提取 抽取 抽出 추출"},
    {Kind::task, id(Task::extraction), 1, "list find identify names dates emails json csv table"},
    {Kind::task, id(Task::translation), 3,
     "translate translation traduce traducir traduis traduire traduisez übersetze übersetzen "
     "traduza traduzir traduci tradurre vertaal переведи переведите перевод przetłumacz çevir "
     "翻译 翻訳 번역"},
    {Kind::task, id(Task::summarise), 3,
     "summarize summarise summary tldr condense resume resumir resumen résume résumé "
     "résumer zusammenfassen zusammenfassung resuma resumo riassumi samenvatting суммируй "
     "резюме кратко streść özetle 总结 摘要 概括 要約 요약"},
    {Kind::task, id(Task::classify), 2,
     "classify classification categorize categorise sentiment label spam toxic positive negative "
     "neutral clasifica sentimiento classifie klassifiziere classifique классифицируй "
     "тональность 分类 情感 分類 분류"},
    {Kind::task, id(Task::chat), 1,
     "hello hi hey thanks thank please feel think story poem joke email letter write blog essay "
     "recipe advice suggest recommend ideas hola bonjour hallo olá ciao привет спасибо 你好 谢谢 "
     "こんにちは ありがとう 안녕하세요"},
    {Kind::hard, 0, 1,
     "prove proof derive theorem rigorous optimal complexity concurrent distributed quantum "
     "asymptotic convergence manifold lemma homomorphism eigenvalue bijective stochastic "
     "thermodynamic nonlinear differential topology invariant formally tradeoffs "
     "architecture constraints jurisdiction pathophysiology pharmacokinetics demuestra démontrer "
     "beweise докажите 证明 证 証明 증명"},
    {Kind::easy, 0, 1,
     "hello hi hey thanks thank bye ok okay yes lol joke hola gracias bonjour merci hallo danke "
     "olá obrigado ciao grazie привет спасибо 你好 谢谢 こんにちは ありがとう 안녕하세요"},
    {Kind::unit, 0, 1,
     "word words palabras mots wörter wörtern palavras parole woorden слов 字 単語 단어"},
    {Kind::tongue, id(Tongue::en), 1,
     "the and is of to in that it for you with are this be on was what how can an if i"},
    {Kind::tongue, id(Tongue::es), 1,
     "el los las y es una por para con que del se su cómo qué más está en como pero mi"},
    {Kind::tongue, id(Tongue::fr), 1,
     "le les des et est une pour dans que qui avec pas sur au ce il vous je quel quelle du ne"},
    {Kind::tongue, id(Tongue::de), 1,
     "der die das und ist ein eine nicht mit für auf von zu wie den im ich sie was es dem"},
    {Kind::tongue, id(Tongue::pt), 1,
     "o os as é uma para com não por do da um em como mais você são ao meu qual"},
    {Kind::tongue, id(Tongue::it), 1,
     "il gli è una per con che non di del della sono come più nel lo questo un cosa"},
    {Kind::tongue, id(Tongue::nl), 1,
     "de het een en van is niet voor met dat op zijn hoe wat ik te er naar ook"},
    {Kind::tongue, id(Tongue::ru), 1, "и в не на что как это с по из у для но он от я мне все или"},
    {Kind::tongue, id(Tongue::uk), 1, "і в не на що як це з та для але він від я мені є чи її"},
    {Kind::tongue, id(Tongue::pl), 1, "i w nie na to jest że się z jak do dla co czy po od jaki"},
    {Kind::tongue, id(Tongue::tr), 1, "ve bir bu için ile ne mi nasıl da de çok en gibi olarak"},
};

constexpr std::size_t slot_count = 4096;  // a power of two, several times the words
constexpr std::size_t filter_bits = 1u << 16;

struct Table {
  struct Slot {
    std::uint32_t hash = 0;
    std::uint16_t first = 0, count = 0;  // count 0: free
  };
  std::array<Slot, slot_count> slots{};
  std::bitset<filter_bits> filter;  // by the hash's upper half: most words stop here
  std::vector<WordCue> cues;

  Table();
  std::size_t slot_of(std::uint32_t hash) const {
    std::size_t at = hash % slot_count;
    while (slots[at].count != 0 && slots[at].hash != hash) at = (at + 1) % slot_count;
    return at;
  }
};

std::uint32_t hash_of(std::string_view word) {
  std::uint32_t hash = word_hash_seed;
  for (const char c : word) hash = word_hash_step(hash, static_cast<unsigned char>(c));
  return hash;
}

Table::Table() {
  std::map<std::uint32_t, std::vector<WordCue>> by_hash;
  for (const Group& group : groups) {
    std::string_view rest = group.words;
    while (!rest.empty()) {
      const std::string_view word = rest.substr(0, rest.find(' '));
      rest.remove_prefix(std::min(rest.size(), word.size() + 1));
      by_hash[hash_of(word)].push_back(
          {.kind = group.kind, .index = group.index, .weight = group.weight});
    }
  }
  for (const auto& [hash, said] : by_hash) {
    filter.set(hash >> 16);
    slots[slot_of(hash)] = {.hash = hash,
                            .first = static_cast<std::uint16_t>(cues.size()),
                            .count = static_cast<std::uint16_t>(said.size())};
    cues.insert(cues.end(), said.begin(), said.end());
  }
}

}  // namespace

std::span<const WordCue> word_cues(std::uint32_t hash) {
  static const Table table;
  if (!table.filter[hash >> 16]) return {};
  const Table::Slot& slot = table.slots[table.slot_of(hash)];
  return {table.cues.data() + slot.first, slot.count};
}

}  // namespace jevons
