// `slis`: what is measured, and how.
#include <algorithm>
#include <cctype>
#include <filesystem>

#include <fmt/format.h>
#include <boost/asio/ip/address.hpp>

#include "engine/base/text.hpp"
#include "engine/spec/context.hpp"

namespace ordeal::spec {
namespace {

constexpr double kDefaultRate = 50;
constexpr Duration kShortestEvery = 10ms;
constexpr Duration kLongestTimeout = 5min;

std::string lower(std::string text) {
  std::transform(text.begin(), text.end(), text.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return text;
}

// Reads the keys of one SLI's kind into its probe.
class SliReader {
 public:
  SliReader(Context& context, const Node& node, std::string what)
      : context_(context), reader_(context.reader), node_(node), what_(std::move(what)) {}

  model::HttpProbe http() {
    model::HttpProbe out;
    if (!reader_.map(node_, what_, table("http"))) return out;
    if (const Node* node = find("url")) out.url = url(*node);
    if (const Node* node = find("method")) {
      out.method = choice(*node, "method", "GET|HEAD|POST|PUT|PATCH|DELETE|OPTIONS", out.method);
    }
    if (const Node* node = find("headers")) out.headers = secrets(*node, "headers");
    if (const Node* node = find("auth")) auth(*node, out);
    if (const Node* node = find("body"); node != nullptr && node->is_scalar()) {
      out.body = node->text;
    } else if (node != nullptr) {
      reader_.text(*node, name("body"));
    }
    out.timeout = timeout(out.timeout);
    if (const Node* node = find("ok_when")) ok_when(*node, out);
    if (const Node* node = find("insecure_skip_verify")) {
      out.insecure_skip_verify =
          reader_.boolean(*node, name("insecure_skip_verify")).value_or(false);
    }
    const Node* concurrency = find("concurrency");
    if (concurrency == nullptr) {
      out.rate = rate(kDefaultRate);
      return out;
    }
    const auto count = reader_.integer(*concurrency, name("concurrency"), 1, 1024);
    out.concurrency = static_cast<int>(count.value_or(1));
    if (find("rate") != nullptr) {
      reader_.error(concurrency->place,
                    what_ +
                        ": `rate` (so many a second) or `concurrency` (one after another), "
                        "not both");
    }
    return out;
  }

  model::TcpProbe tcp() {
    model::TcpProbe out;
    if (!reader_.map(node_, what_, table("tcp"))) return out;
    if (const Node* node = find("address")) {
      out.address = reader_.text(*node, name("address")).value_or("");
      if (!out.address.empty() && !is_host_and_port(out.address)) {
        reader_.error(node->place, fmt::format("{}: expected host:port, found {}", name("address"),
                                               describe(*node)));
      }
    }
    out.rate = rate(out.rate);
    out.timeout = timeout(out.timeout);
    return out;
  }

  model::DnsProbe dns() {
    model::DnsProbe out;
    if (!reader_.map(node_, what_, table("dns"))) return out;
    if (const Node* node = find("server")) {
      out.server = reader_.text(*node, name("server")).value_or("");
      if (!out.server.empty() && !is_address(out.server)) {
        reader_.error(
            node->place,
            fmt::format("{}: expected an address, with :port if it is not 53, found {}; a "
                        "name would need the server that is measured",
                        name("server"), describe(*node)));
      }
    }
    if (const Node* node = find("name")) out.name = reader_.text(*node, name("name")).value_or("");
    if (const Node* node = find("type")) {
      out.type = choice(*node, "type", "A|AAAA|CNAME|MX|NS|PTR|SOA|SRV|TXT", out.type);
    }
    out.rate = rate(out.rate);
    out.timeout = timeout(out.timeout);
    return out;
  }

  model::ExecProbe exec(model::Sli& sli) {
    model::ExecProbe out;
    if (!reader_.map(node_, what_, table("exec"))) return out;
    if (const Node* node = find("argv")) out.argv = argv(*node);
    if (const Node* node = find("mode")) {
      out.ok_mode = choice(*node, "mode", "value|ok", "value") == "ok";
    }
    out.every = every(out.every);
    out.timeout = timeout(out.timeout);
    if (const Node* node = find("env")) out.env = secrets(*node, "env");
    if (const Node* node = find("unit")) {
      unit(*node, "s|ms|%|B|/s|B/s", sli);
      if (out.ok_mode) {
        reader_.error(node->place, what_ + ": with `mode: ok` there is no number, and so no unit");
      }
    }
    return out;
  }

  model::ProcessProbe process() {
    model::ProcessProbe out;
    out.matcher = read_matcher(context_, node_, what_, table("process_sli"));
    out.every = every(out.every);
    return out;
  }

  model::HostProbe host(model::Sli& sli) {
    model::HostProbe out;
    if (!reader_.map(node_, what_, table("host_sli"))) return out;
    const Node* free = find("disk_free");
    const Node* used = find("disk_used");
    if ((free == nullptr) == (used == nullptr)) {
      reader_.error(node_.place, what_ + ": expected exactly one of `disk_free` and `disk_used`");
      return out;
    }
    out.what =
        free != nullptr ? model::HostProbe::What::disk_free : model::HostProbe::What::disk_used;
    out.path = reader_
                   .path(free != nullptr ? *free : *used,
                         name(free != nullptr ? "disk_free" : "disk_used"))
                   .value_or("");
    out.every = every(out.every);
    sli.unit = model::Unit::percent;
    if (const Node* node = find("unit")) unit(*node, "%|B", sli);
    return out;
  }

 private:
  const Node* find(std::string_view key) const {
    const Entry* entry = node_.find(key);
    return entry == nullptr ? nullptr : &entry->value;
  }
  std::string name(std::string_view key) const { return fmt::format("{}.{}", what_, key); }

  std::string choice(const Node& node, std::string_view key, std::string_view choices,
                     const std::string& otherwise) {
    return reader_.choice(node, name(key), split(choices)).value_or(otherwise);
  }

  double rate(double otherwise) {
    const Node* node = find("rate");
    return node == nullptr ? otherwise : reader_.rate(*node, name("rate")).value_or(otherwise);
  }

  Duration timeout(Duration otherwise) {
    const Node* node = find("timeout");
    if (node == nullptr) return otherwise;
    const auto value = reader_.length(*node, name("timeout"));
    if (value && *value > kLongestTimeout) {
      reader_.error(node->place, fmt::format("{}: expected at most {}", name("timeout"),
                                             format_duration(kLongestTimeout)));
    }
    return value.value_or(otherwise);
  }

  Duration every(Duration otherwise) {
    const Node* node = find("every");
    if (node == nullptr) return otherwise;
    const auto value = reader_.length(*node, name("every"));
    if (value && *value < kShortestEvery) {
      reader_.error(node->place, fmt::format("{}: expected at least {}", name("every"),
                                             format_duration(kShortestEvery)));
    }
    return value.value_or(otherwise);
  }

  void unit(const Node& node, std::string_view choices, model::Sli& sli) {
    const std::string text = choice(node, "unit", choices, "");
    using enum model::Unit;
    if (text == "s" || text == "ms") sli.unit = seconds;
    if (text == "ms") sli.scale = 1e-3;
    if (text == "%") sli.unit = percent;
    if (text == "B") sli.unit = bytes;
    if (text == "/s") sli.unit = per_second;
    if (text == "B/s") sli.unit = bytes_per_second;
  }

  std::string url(const Node& node) {
    const auto text = reader_.text(node, name("url"));
    if (!text) return {};
    const bool http = text->starts_with("http://");
    if (!http && !text->starts_with("https://")) {
      reader_.error(node.place, fmt::format("{}: expected http:// or https://, found {}",
                                            name("url"), describe(node)));
      return *text;
    }
    const std::string rest = text->substr(http ? 7 : 8);
    const std::string authority = rest.substr(0, rest.find_first_of("/?#"));
    if (authority.find('@') != authority.npos) {
      reader_.error(node.place,
                    name("url") + ": user and password belong into `auth`, as references");
    } else if (authority.empty() || authority.front() == ':' ||
               text->find_first_of(" \t\n") != text->npos) {
      reader_.error(node.place, fmt::format("{}: expected a URL such as http://127.0.0.1:8080/, "
                                            "found {}",
                                            name("url"), describe(node)));
    }
    return *text;
  }

  std::map<std::string, model::SecretText> secrets(const Node& node, std::string_view key) {
    std::map<std::string, model::SecretText> out;
    if (!node.is_map()) {
      reader_.error(node.place,
                    fmt::format("{}: expected a map, found {}", name(key), describe(node)));
      return out;
    }
    static const std::vector<std::string> kSecret = {"authorization", "proxy-authorization",
                                                     "cookie", "x-api-key"};
    for (const Entry& entry : node.entries) {
      const bool is_secret =
          std::find(kSecret.begin(), kSecret.end(), lower(entry.key)) != kSecret.end();
      auto value =
          reader_.secret(entry.value, fmt::format("{}.{}", name(key), entry.key), !is_secret);
      if (value) out.emplace(entry.key, *std::move(value));
    }
    return out;
  }

  void auth(const Node& node, model::HttpProbe& out) {
    if (!reader_.map(node, name("auth"), table("auth"))) return;
    std::optional<model::SecretText> user;
    std::optional<model::SecretText> password;
    if (const Entry* entry = node.find("user")) {
      user = reader_.secret(entry->value, name("auth.user"), true);
    }
    if (const Entry* entry = node.find("password")) {
      password = reader_.secret(entry->value, name("auth.password"), false);
    }
    if (user && password) out.basic_auth = {*std::move(user), *std::move(password)};
  }

  void ok_when(const Node& node, model::HttpProbe& out) {
    const std::string what = name("ok_when");
    if (!reader_.map(node, what, table("ok_when"))) return;
    if (const Entry* entry = node.find("status")) statuses(entry->value, what, out.ok_when);
    if (const Entry* entry = node.find("faster_than")) {
      out.ok_when.faster_than = reader_.length(entry->value, what + ".faster_than");
      if (out.ok_when.faster_than && *out.ok_when.faster_than >= out.timeout) {
        reader_.error(entry->value.place,
                      fmt::format("{}.faster_than: expected less than the timeout, {}", what,
                                  format_duration(out.timeout)));
      }
    }
    if (const Entry* entry = node.find("body_contains")) {
      out.ok_when.body_contains = reader_.text(entry->value, what + ".body_contains");
    }
  }

  void statuses(const Node& node, const std::string& what, model::OkWhen& out) {
    const std::vector<Node> one = {node};
    const std::vector<Node>& items = node.is_list() ? node.items : one;
    for (const Node& item : items) {
      if (item.broken) continue;
      const auto range = status_range(item);
      if (range) {
        out.statuses.push_back(*range);
      } else {
        reader_.error(item.place, fmt::format("{}.status: expected 200, 200-299 or a list of them, "
                                              "found {}",
                                              what, describe(item)));
      }
    }
    if (node.is_list() || out.statuses.size() != 1) return;
    out.status_min = out.statuses[0].first;
    out.status_max = out.statuses[0].second;
    out.statuses.clear();
  }

  static std::optional<std::pair<int, int>> status_range(const Node& node) {
    const auto status = [](const std::string& text) {
      const bool digits = text.size() == 3 && text[0] >= '1' && text[0] <= '5' &&
                          std::isdigit(static_cast<unsigned char>(text[1])) &&
                          std::isdigit(static_cast<unsigned char>(text[2]));
      return digits ? std::stoi(text) : 0;
    };
    if (!node.is_scalar()) return std::nullopt;
    const std::vector<std::string> ends = split(node.text, '-');
    const int first = status(ends.front());
    const int last = status(ends.back());
    if (ends.size() > 2 || first == 0 || last < first) return std::nullopt;
    return std::make_pair(first, last);
  }

  std::vector<std::string> argv(const Node& node) {
    auto out = reader_.texts(node, name("argv"));
    if (!out) return {};
    std::string& program = out->front();
    const bool path = program.find('/') != program.npos;
    if (!path) {
      reader_.error(node.items.front().place,
                    fmt::format("{}: expected the path of the program, found {}; it is not looked "
                                "up in PATH",
                                name("argv"), describe(node.items.front())));
    } else if (program.front() != '/') {
      // Relative to the file in which it is written.
      const std::filesystem::path folder = std::filesystem::path(node.place.file).parent_path();
      program = std::filesystem::absolute(folder / program).lexically_normal().string();
    }
    return *std::move(out);
  }

  static bool is_port(std::string_view text) {
    const bool digits =
        !text.empty() && text.size() <= 5 &&
        std::all_of(text.begin(), text.end(), [](unsigned char c) { return std::isdigit(c) != 0; });
    if (!digits) return false;
    const int port = std::stoi(std::string(text));
    return port > 0 && port <= 65535;
  }
  static bool is_host_and_port(std::string_view text) {
    const std::size_t colon = text.rfind(':');
    if (colon == text.npos || colon == 0 || !is_port(text.substr(colon + 1))) return false;
    const std::string_view host = text.substr(0, colon);
    const bool bracketed = host.front() == '[' && host.back() == ']';
    return bracketed || (host.find(':') == host.npos && host.find(' ') == host.npos);
  }
  static bool is_address(std::string_view text) {
    boost::system::error_code problem;
    std::string host(text);
    boost::asio::ip::make_address(host, problem);
    if (!problem) return true;
    if (!is_host_and_port(text)) return false;
    host = host.substr(0, host.rfind(':'));
    if (host.front() == '[') host = host.substr(1, host.size() - 2);
    boost::asio::ip::make_address(host, problem);
    return !problem;
  }

  Context& context_;
  Reader& reader_;
  const Node& node_;
  std::string what_;
};

const std::vector<std::string>& kinds() {
  static const std::vector<std::string> kKinds = {"http", "tcp", "dns", "exec", "process", "host"};
  return kKinds;
}

void read_kind(Context& context, const Entry& kind, model::Sli& sli) {
  SliReader reader(context, kind.value, sli.name + "." + kind.key);
  if (kind.key == "http") sli.probe = reader.http();
  if (kind.key == "tcp") sli.probe = reader.tcp();
  if (kind.key == "dns") sli.probe = reader.dns();
  if (kind.key == "exec") sli.probe = reader.exec(sli);
  if (kind.key == "process") sli.probe = reader.process();
  if (kind.key == "host") sli.probe = reader.host(sli);
}

void read_sli(Context& context, const Entry& entry, model::Sli& sli) {
  Reader& reader = context.reader;
  const Node& node = entry.value;
  if (!reader.map(node, sli.name, table("sli"))) return;
  std::vector<const Entry*> found;
  bool refused = false;  // a kind that is not there yet: reported already
  for (const Entry& key : node.entries) {
    if (std::find(kinds().begin(), kinds().end(), key.key) != kinds().end()) found.push_back(&key);
    refused = refused || key.key == "prometheus";
  }
  if (found.size() == 1 && !refused) {
    read_kind(context, *found.front(), sli);
  } else if (!refused) {
    reader.error(found.empty() ? node.place : found[1]->place,
                 fmt::format("{}: expected exactly one of {}", sli.name, join_or(kinds())));
  }
  if (const Entry* key = node.find("min_samples")) {
    sli.min_samples = reader.integer(key->value, sli.name + ".min_samples", 1, 1'000'000);
  }
  if (const Entry* key = node.find("on_no_data")) {
    const auto text =
        reader.choice(key->value, sli.name + ".on_no_data", split("abort|inconclusive"));
    if (text == "inconclusive") sli.on_no_data = model::OnNoData::inconclusive;
  }
}

}  // namespace

void read_slis(Context& context, const Node& node) {
  Reader& reader = context.reader;
  if (!node.is_map() || node.entries.empty()) {
    return reader.error(node.place, fmt::format("slis: expected a map of names and SLIs, such as "
                                                "shop: {{ http: {{ url: ... }} }}, found {}",
                                                node.is_map() ? "none" : describe(node)));
  }
  for (const Entry& entry : node.entries) {
    const std::size_t before = context.problems.count();
    if (is_reserved(entry.key)) {
      reader.error(entry.place, fmt::format("'{}' is a word of the condition language; call the "
                                            "SLI something else",
                                            entry.key));
    } else if (!is_name(entry.key)) {
      reader.error(entry.place, fmt::format("'{}' is no name for an SLI: a letter, then letters, "
                                            "digits, _ and -",
                                            printable(entry.key, 60)));
    }
    KnownSli known;
    known.sli.name = entry.key;
    known.sli.place = entry.place;
    read_sli(context, entry, known.sli);
    known.usable = context.problems.count() == before && !entry.value.has_broken();
    context.experiment.slis.push_back(known.sli);
    context.slis.emplace(entry.key, std::move(known));
  }
}

}  // namespace ordeal::spec
