#include "local_engine/jinja_value.h"

#include <algorithm>
#include <cmath>

namespace jevons::engine {
namespace {

void check_growth(std::size_t size, std::size_t more) {
  if (size + more > kTextMax) throw JinjaError("a string grows too long");
}

}  // namespace

MarkedText MarkedText::from_user(std::string text) {
  MarkedText made;
  made.user_.assign(text.size(), '\1');
  made.text_ = std::move(text);
  return made;
}

void MarkedText::append(const MarkedText& other) {
  if (other.empty()) return;
  check_growth(size(), other.size());
  if (!user_.empty() || !other.user_.empty()) {
    user_.resize(text_.size(), '\0');
    if (other.user_.empty())
      user_.append(other.text_.size(), '\0');
    else
      user_ += other.user_;
  }
  text_ += other.text_;
}

void MarkedText::append(std::string_view text, bool user) {
  if (text.empty()) return;
  check_growth(size(), text.size());
  if (user || !user_.empty()) {
    user_.resize(text_.size(), '\0');
    user_.append(text.size(), user ? '\1' : '\0');
  }
  text_ += text;
}

MarkedText MarkedText::substr(std::size_t begin, std::size_t size) const {
  MarkedText part;
  part.text_ = text_.substr(begin, size);
  if (!user_.empty()) {
    part.user_ = user_.substr(begin, size);
    if (part.user_.find('\1') == std::string::npos) part.user_.clear();
  }
  return part;
}

const Value* CallArguments::find(std::size_t index, std::string_view name) const {
  if (index < positional.size()) return &positional[index];
  for (const auto& [key, value] : named) {
    if (key == name) return &value;
  }
  return nullptr;
}

Value Value::list(std::vector<Value> items) {
  return std::make_shared<List>(List{std::move(items), false});
}
Value Value::tuple(std::vector<Value> items) {
  return std::make_shared<List>(List{std::move(items), true});
}
Value Value::dict() { return std::make_shared<Dict>(); }

namespace {

[[noreturn]] void wrong_kind(const Value& value, const char* expected) {
  if (value.is_undefined()) throw JinjaError("'" + value.undefined_name() + "' is undefined");
  throw JinjaError(std::string("expected ") + expected + ", not " + value.kind_name());
}

}  // namespace

const MarkedText& Value::text() const {
  if (!is_string()) wrong_kind(*this, "a string");
  return *std::get<StringPtr>(data_);
}
List& Value::as_list() const {
  if (!is_list()) wrong_kind(*this, "a list");
  return *std::get<std::shared_ptr<List>>(data_);
}
Dict& Value::as_dict() const {
  if (!is_dict()) wrong_kind(*this, "a dict");
  return *std::get<std::shared_ptr<Dict>>(data_);
}
Callable& Value::as_callable() const {
  if (!is_callable()) wrong_kind(*this, "something callable");
  return *std::get<std::shared_ptr<Callable>>(data_);
}
std::int64_t Value::as_int() const {
  if (is_bool()) return std::get<bool>(data_) ? 1 : 0;
  if (!is_int()) wrong_kind(*this, "a whole number");
  return std::get<std::int64_t>(data_);
}
double Value::as_float() const {
  if (is_float()) return std::get<double>(data_);
  if (!is_number()) wrong_kind(*this, "a number");
  return static_cast<double>(as_int());
}

bool Value::truthy() const {
  if (is_undefined() || is_none()) return false;
  if (is_float()) return std::get<double>(data_) != 0.0;
  if (is_number()) return as_int() != 0;
  if (is_string()) return !text().empty();
  if (is_list()) return !as_list().items.empty();
  if (is_dict()) return as_dict().is_namespace || !as_dict().entries.empty();
  return true;
}

bool Value::equals(const Value& other) const {
  if (is_number() && other.is_number()) {
    if (is_float() || other.is_float()) return as_float() == other.as_float();
    return as_int() == other.as_int();
  }
  if (data_.index() != other.data_.index()) return false;
  if (is_string()) return plain() == other.plain();
  if (is_list()) {
    const auto &a = as_list(), &b = other.as_list();
    return a.tuple == b.tuple &&
           std::equal(a.items.begin(), a.items.end(), b.items.begin(), b.items.end(),
                      [](const Value& x, const Value& y) { return x.equals(y); });
  }
  if (is_dict()) {
    const auto &a = as_dict(), &b = other.as_dict();
    return a.entries.size() == b.entries.size() &&
           std::all_of(a.entries.begin(), a.entries.end(), [&](const auto& entry) {
             const Value* found = b.find(entry.first);
             return found != nullptr && found->equals(entry.second);
           });
  }
  return is_callable() ? same(other) : true;
}

bool Value::less(const Value& other) const {
  if (is_number() && other.is_number()) {
    if (is_float() || other.is_float()) return as_float() < other.as_float();
    return as_int() < other.as_int();
  }
  if (is_string() && other.is_string()) return plain() < other.plain();
  if (is_list() && other.is_list()) {
    const auto &a = as_list().items, &b = other.as_list().items;
    return std::lexicographical_compare(a.begin(), a.end(), b.begin(), b.end(),
                                        [](const Value& x, const Value& y) { return x.less(y); });
  }
  throw JinjaError(std::string("cannot order ") + kind_name() + " and " + other.kind_name());
}

const char* Value::kind_name() const {
  constexpr const char* names[] = {"undefined", "None", "bool", "int",     "float",
                                   "str",       "list", "dict", "function"};
  if (is_list() && as_list().tuple) return "tuple";
  return names[data_.index()];
}

bool Value::same(const Value& other) const {
  if (data_.index() != other.data_.index()) return false;
  if (is_list()) return &as_list() == &other.as_list();
  if (is_dict()) return &as_dict() == &other.as_dict();
  if (is_callable()) return &as_callable() == &other.as_callable();
  return equals(other);
}

void Value::set(std::string_view key, Value value) const {
  as_dict().set(MarkedText(key), std::move(value));
}

const Value* Value::get(std::string_view key) const {
  for (const auto& [name, value] : as_dict().entries) {
    if (name.is_string() && name.plain() == key) return &value;
  }
  return nullptr;
}

std::size_t Value::length() const {
  if (is_undefined()) return 0;
  if (is_string()) return code_point_offsets(plain()).size() - 1;
  if (is_list()) return as_list().items.size();
  if (is_dict()) return as_dict().entries.size();
  throw JinjaError(std::string("a value of kind ") + kind_name() + " has no length");
}

std::vector<Value> Value::elements() const {
  std::vector<Value> out;
  if (is_undefined()) return out;
  if (is_list()) return as_list().items;
  if (is_dict()) {
    for (const auto& entry : as_dict().entries) out.push_back(entry.first);
    return out;
  }
  if (!is_string()) throw JinjaError(std::string("cannot iterate over ") + kind_name());
  const std::vector<std::size_t> offsets = code_point_offsets(plain());
  if (offsets.size() > kListMax) throw JinjaError("a list grows too long");
  for (std::size_t i = 0; i + 1 < offsets.size(); ++i) {
    out.emplace_back(text().substr(offsets[i], offsets[i + 1] - offsets[i]));
  }
  return out;
}

const Value* Dict::find(const Value& key) const {
  for (const auto& [name, value] : entries) {
    if (name.equals(key)) return &value;
  }
  return nullptr;
}

void Dict::set(const Value& key, Value value) {
  for (auto& [name, old] : entries) {
    if (name.equals(key)) {
      old = std::move(value);
      return;
    }
  }
  entries.emplace_back(key, std::move(value));
}

std::vector<std::size_t> code_point_offsets(std::string_view text) {
  std::vector<std::size_t> offsets;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if ((static_cast<unsigned char>(text[i]) & 0xc0U) != 0x80U) offsets.push_back(i);
  }
  offsets.push_back(text.size());
  return offsets;
}

}  // namespace jevons::engine
