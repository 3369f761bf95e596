// `providers:` of jevons.yaml (contract.md 2).
#include <algorithm>
#include <array>
#include <utility>

#include "gateway/base_url.h"
#include "gateway/config_reader.h"

namespace jevons {
namespace {

using std::string_view;

constexpr string_view provider_keys[] = {
    "api",     "base_url",      "key",      "quirks",        "auth_header",   "proxy",        "ca",
    "headers", "on_disconnect", "timeouts", "max_in_flight", "insecure_http", "allow_private"};
constexpr string_view timeout_keys[] = {"connect", "first_byte", "whole", "between_events",
                                        "total"};
constexpr string_view api_words[] = {"openai", "anthropic", "gemini", "local"};
constexpr string_view quirk_words[] = {"none",     "deepseek",   "mistral",  "xai",    "groq",
                                       "together", "openrouter", "moonshot", "ollama", "vllm"};
constexpr string_view disconnect_words[] = {"cancel", "drain"};

bool is_token(string_view text) {
  return !text.empty() && text.size() <= 64 && std::all_of(text.begin(), text.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           string_view("!#$%&'*+-.^_`|~").find(c) != string_view::npos;
  });
}

std::string lower(std::string text) {
  for (char& c : text) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  return text;
}

// Headers that the transport writes itself: a second one would change who is asked or how.
bool is_reserved_header(const std::string& name) {
  static constexpr string_view reserved[] = {"host",
                                             "content-length",
                                             "content-type",
                                             "transfer-encoding",
                                             "connection",
                                             "upgrade",
                                             "te",
                                             "trailer",
                                             "expect",
                                             "accept-encoding",
                                             "proxy-authorization",
                                             "authorization",
                                             "x-api-key",
                                             "api-key",
                                             "x-goog-api-key",
                                             "cookie"};
  return std::find(std::begin(reserved), std::end(reserved), name) != std::end(reserved);
}

void read_header_rows(YamlReader& reader, const YamlNode& node, ProviderConfig& provider) {
  if (node.kind != YamlNode::Kind::map) {
    reader.fail(node, "headers takes {name: value}, such as {x-org: abc}");
    return;
  }
  for (std::size_t i = 0; i < node.keys.size(); ++i) {
    const std::string name = lower(node.keys[i].text);
    if (!is_token(name)) {
      reader.fail(node.keys[i], "'" + name + "' is not a header name");
    } else if (is_reserved_header(name)) {
      reader.fail(node.keys[i],
                  "header '" + name + "' is written by the gateway itself" +
                      (name == "authorization" ? "; use 'key' and 'auth_header'" : ""));
    } else if (auto value = yaml_text(reader, node.items[i], name)) {
      provider.headers.push_back({name, std::move(*value)});
    }
  }
}

void read_base_url(ConfigContext& context, const YamlMap& map, ProviderConfig& provider) {
  YamlReader& reader = context.reader;
  const YamlNode* node = map.get("base_url");
  if (provider.api == Api::local) {
    for (const string_view key : {"base_url", "key", "proxy", "ca", "auth_header"}) {
      if (const YamlNode* unused = map.get(key)) {
        reader.fail(*unused,
                    std::string(key) + " means nothing for api local, which runs in the gateway");
      }
    }
    return;
  }
  if (node == nullptr) {
    if (provider.api == Api::anthropic) provider.base_url = "https://api.anthropic.com";
    if (provider.api == Api::gemini)
      provider.base_url = "https://generativelanguage.googleapis.com";
    if (provider.api == Api::openai) map.need("base_url");
    return;
  }
  const auto text = yaml_text(reader, *node, "base_url");
  if (!text) return;
  BaseUrl url;
  std::string why;
  if (!parse_base_url(*text, url, why)) {
    reader.fail(*node, "base_url: " + why);
    return;
  }
  const AddressClass address = address_class(url.host);
  if (!url.tls && address != AddressClass::loopback && !provider.insecure_http) {
    reader.fail(*node,
                "plain http sends keys and prompts unencrypted: use https, or set "
                "'insecure_http: true' for provider '" +
                    provider.name + "'");
  }
  if (address == AddressClass::private_network && !provider.allow_private) {
    reader.fail(*node, "'" + url.host +
                           "' is a private address: set 'allow_private: true' for "
                           "provider '" +
                           provider.name + "' if that is meant");
  }
  provider.base_url = *text;
  while (provider.base_url.ends_with('/')) provider.base_url.pop_back();
}

void read_egress(ConfigContext& context, const YamlMap& map, ProviderConfig& provider) {
  if (const YamlNode* node = map.get("proxy")) {
    BaseUrl url;
    std::string why;
    const auto text = yaml_text(context.reader, *node, "proxy");
    if (text && (!parse_base_url(*text, url, why) || !url.path.empty())) {
      context.reader.fail(*node, "proxy takes a URL such as http://egress:3128");
    } else if (text) {
      provider.proxy = *text;
    }
  }
  if (const YamlNode* node = map.get("ca")) {
    provider.ca_file = read_file_reference(context, *node, "ca").value_or("");
  }
  std::string header;
  if (map.text("auth_header", header)) {
    provider.auth_header = lower(header);
    if (!is_token(header)) {
      context.reader.fail(*map.get("auth_header"), "'" + header + "' is not a header name");
    }
  }
}

void read_timeouts(YamlReader& reader, const YamlNode& node, ProviderTimeouts& timeouts) {
  const YamlMap map(reader, node, "timeouts", timeout_keys);
  map.duration_ms("connect", timeouts.connect_ms);
  map.duration_ms("first_byte", timeouts.first_byte_ms);
  map.duration_ms("whole", timeouts.first_byte_whole_ms);
  map.duration_ms("between_events", timeouts.between_events_ms);
  map.duration_ms("total", timeouts.total_ms);
  const auto longest = std::max({timeouts.connect_ms, timeouts.first_byte_ms,
                                 timeouts.first_byte_whole_ms, timeouts.total_ms});
  if (longest > 86'400'000) reader.fail(node, "a timeout may be at most 1d");
}

ProviderConfig read_provider(ConfigContext& context, const std::string& name,
                             const YamlNode& node) {
  YamlReader& reader = context.reader;
  const YamlMap map(reader, node, "a provider", provider_keys);
  ProviderConfig provider;
  provider.name = name;
  map.need("api");
  if (const auto api = map.choice("api", api_words)) provider.api = static_cast<Api>(*api);
  map.boolean("insecure_http", provider.insecure_http);
  map.boolean("allow_private", provider.allow_private);
  read_base_url(context, map, provider);
  if (const YamlNode* keys = map.get("key"); keys != nullptr && provider.api != Api::local) {
    for (const YamlNode* one : yaml_several(reader, *keys, "key")) {
      if (auto secret = read_secret(context, *one, "key")) provider.keys.push_back(*secret);
    }
  }
  if (const auto word = map.choice("quirks", quirk_words))
    provider.quirks = static_cast<Quirks>(*word);
  read_egress(context, map, provider);
  if (const YamlNode* headers = map.get("headers")) read_header_rows(reader, *headers, provider);
  if (const auto word = map.choice("on_disconnect", disconnect_words)) {
    provider.on_disconnect = static_cast<OnDisconnect>(*word);
  }
  if (const YamlNode* timeouts = map.get("timeouts")) {
    read_timeouts(reader, *timeouts, provider.timeouts);
  }
  map.integer("max_in_flight", provider.max_in_flight, 1, 100'000);
  return provider;
}

}  // namespace

void read_providers(ConfigContext& context, const YamlNode& node) {
  if (node.kind != YamlNode::Kind::map) {
    context.reader.fail(node, "providers takes {name: {api, base_url, key}}");
    return;
  }
  for (std::size_t i = 0; i < node.keys.size(); ++i) {
    const auto name = yaml_name(context.reader, node.keys[i], "a provider's name");
    if (!name) continue;
    context.config.providers.push_back(read_provider(context, *name, node.items[i]));
  }
}

}  // namespace jevons
