#include "engine/spec/yaml.hpp"

#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/exceptions.h>
#include <yaml-cpp/mark.h>
#include <yaml-cpp/parser.h>

#include <algorithm>
#include <map>
#include <sstream>

#include <fmt/format.h>

#include "engine/base/text.hpp"

namespace ordeal::spec {
namespace {

int characters(std::string_view text) {
  return static_cast<int>(std::count_if(text.begin(), text.end(), [](char c) {
    return (static_cast<unsigned char>(c) & 0xc0) != 0x80;  // not a UTF-8 continuation byte
  }));
}

// The bytes of the file and where each of them stands, in lines and characters. Every node is
// asked for, and a whole file may stand on one line: what is asked is counted once, before.
class Source {
 public:
  Source(const std::string& file, std::string_view text) : file_(file), text_(text) {
    for (std::size_t at = 0; at < text.size(); at += kBlock) {
      before_.push_back(before_.back() + characters(text.substr(at, kBlock)));
    }
    for (std::size_t at = 0; (at = text.find('\n', at)) != text.npos;) starts_.push_back(++at);
  }

  model::Place place(const YAML::Mark& mark) const {
    const std::size_t at = clamp(mark);
    return {file_, mark.line + 1, characters_before(at) - characters_before(start(at)) + 1};
  }
  std::string_view rest(const YAML::Mark& mark) const { return text_.substr(clamp(mark)); }
  std::string_view line(const YAML::Mark& mark) const {
    const std::size_t at = clamp(mark);
    return text_.substr(start(at), text_.find('\n', at) - start(at));
  }

 private:
  static constexpr std::size_t kBlock = 64;

  // Where the line of this byte begins.
  std::size_t start(std::size_t at) const {
    return *(std::upper_bound(starts_.begin(), starts_.end(), at) - 1);
  }
  int characters_before(std::size_t at) const {
    const std::size_t block = at / kBlock;
    return before_[block] + characters(text_.substr(block * kBlock, at % kBlock));
  }
  std::size_t clamp(const YAML::Mark& mark) const {
    return mark.pos < 0 ? 0 : std::min(static_cast<std::size_t>(mark.pos), text_.size());
  }

  const std::string& file_;
  std::string_view text_;
  std::vector<int> before_ = {0};          // characters, by block
  std::vector<std::size_t> starts_ = {0};  // of lines
};

// yaml-cpp takes the end of the file for the end of a quoted scalar; a person forgot the quote.
bool quote_is_closed(std::string_view rest) {
  const char quote = rest.front();
  for (std::size_t i = 1; i < rest.size(); ++i) {
    if (quote == '"' && rest[i] == '\\') {
      ++i;
    } else if (rest[i] == quote) {
      return true;  // a doubled ' begins a second pair, which is closed or not by its own
    }
  }
  return false;
}

// Builds the tree. After a limit is passed it ignores what follows: no exceptions of our own.
class Builder : public YAML::EventHandler {
 public:
  Builder(const Source& source, Problems& problems) : source_(source), problems_(problems) {}

  Node take() { return std::move(root_); }
  bool stopped() const { return stopped_; }

  void OnDocumentStart(const YAML::Mark& mark) override {
    if (++documents_ == 2) {
      fail(mark, "a second document begins here; a file holds exactly one");
      stopped_ = true;
    }
  }
  void OnDocumentEnd() override {}

  void OnAnchor(const YAML::Mark& mark, const std::string& name) override {
    if (!stopped_) fail(mark, fmt::format("anchors are not used here; remove &{}", name));
  }
  void OnAlias(const YAML::Mark& mark, YAML::anchor_t) override {
    if (stopped_) return;
    fail(mark, "aliases are not used here; write the value itself");
    Node node;
    node.place = source_.place(mark);
    put(std::move(node), mark);
  }
  void OnNull(const YAML::Mark& mark, YAML::anchor_t) override {
    if (stopped_) return;
    Node node;
    const std::string_view rest = source_.rest(mark);
    // An absent value is marked where the next token stands, which helps nobody.
    const bool written = rest.starts_with('~') || rest.starts_with("null") ||
                         rest.starts_with("Null") || rest.starts_with("NULL");
    const bool in_map = !open_.empty() && open_.back().node.is_map() && open_.back().has_key;
    node.place = !written && in_map ? open_.back().key_place : source_.place(mark);
    put(std::move(node), mark);
  }
  void OnScalar(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t,
                const std::string& value) override {
    if (stopped_ || refuse_tag(mark, tag)) return;
    if (value.size() > kLongestScalar) {
      return stop(mark, fmt::format("a text of {} bytes; at most {} are read", value.size(),
                                    kLongestScalar));
    }
    Node node = scalar_node(value, source_.place(mark));
    const std::string_view rest = source_.rest(mark);
    const bool quoted = rest.starts_with('"') || rest.starts_with('\'');
    node.plain = tag == "?";
    if (!node.plain && quoted && !quote_is_closed(rest)) {
      return stop(mark, "this quote is never closed");
    }
    if (rest.substr(quoted ? 1 : 0).starts_with(value) && value.find('\n') == value.npos) {
      node.text_column = node.place.column + (quoted ? 1 : 0);
    }
    put(std::move(node), mark);
  }
  void OnSequenceStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t,
                       YAML::EmitterStyle::value) override {
    open(mark, tag, Node::Kind::list);
  }
  void OnSequenceEnd() override { close(); }
  void OnMapStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t,
                  YAML::EmitterStyle::value) override {
    open(mark, tag, Node::Kind::map);
  }
  void OnMapEnd() override { close(); }

 private:
  struct Open {
    Node node;
    YAML::Mark mark;
    bool has_key = false;
    std::string key;
    model::Place key_place;
    std::map<std::string, int> lines;  // of the keys; a map may have thousands
  };

  void fail(const YAML::Mark& mark, std::string text) {
    problems_.error(source_.place(mark), std::move(text));
  }
  void stop(const YAML::Mark& mark, std::string text) {
    fail(mark, std::move(text));
    stopped_ = true;
  }

  bool refuse_tag(const YAML::Mark& mark, const std::string& tag) {
    const std::string_view rest = source_.rest(mark);
    const bool own = tag != "?" && tag != "!" && !tag.empty();
    // The mark of a node with properties is that of its first property.
    if (own || rest.starts_with('!')) {
      stop(mark, "tags are not used here; remove the `!`");
      return true;
    }
    return false;
  }

  void open(const YAML::Mark& mark, const std::string& tag, Node::Kind kind) {
    if (stopped_ || refuse_tag(mark, tag)) return;
    if (static_cast<int>(open_.size()) == kMostDepth) {
      return stop(mark, fmt::format("nested more than {} levels deep", kMostDepth));
    }
    Open level;
    level.node.kind = kind;
    level.node.place = source_.place(mark);
    level.mark = mark;
    open_.push_back(std::move(level));
  }

  void close() {
    if (stopped_) return;
    Open level = std::move(open_.back());
    open_.pop_back();
    put(std::move(level.node), level.mark);
  }

  void put(Node node, const YAML::Mark& mark) {
    if (++nodes_ > kMostNodes) {
      return stop(mark, fmt::format("more than {} keys and values", kMostNodes));
    }
    if (open_.empty()) {
      root_ = std::move(node);
    } else if (open_.back().node.is_list()) {
      open_.back().node.items.push_back(std::move(node));
    } else if (open_.back().has_key) {
      put_value(std::move(node));
    } else {
      put_key(node, mark);
    }
  }

  void put_key(const Node& node, const YAML::Mark& mark) {
    Open& level = open_.back();
    level.has_key = true;
    level.key_place = node.place;
    level.key.clear();
    if (!node.is_scalar() || node.text.empty()) return fail(mark, "a key must be a plain word");
    if (node.text == "<<") return fail(mark, "merge keys are not used here; write the keys out");
    level.key = node.text;
    const auto [first, is_new] = level.lines.emplace(node.text, node.place.line);
    if (!is_new) {
      fail(mark, fmt::format("`{}` is written twice; first on line {}", node.text, first->second));
      level.key.clear();
    }
  }

  void put_value(Node node) {
    Open& level = open_.back();
    level.has_key = false;
    if (level.key.empty()) return;  // a key that was refused
    level.node.entries.push_back({std::move(level.key), level.key_place, std::move(node)});
    level.key.clear();
  }

  const Source& source_;
  Problems& problems_;
  Node root_;
  std::vector<Open> open_;
  int documents_ = 0;
  int nodes_ = 0;
  bool stopped_ = false;
};

// yaml-cpp says what its parser missed; this says what to do about it.
std::string explain(const YAML::Exception& problem, const Source& source) {
  const std::string_view message = problem.msg;
  const std::string_view line = source.line(problem.mark);
  const std::size_t indent = std::min(line.find_first_not_of(" \t\r"), line.size());
  if (line.substr(0, indent).find('\t') != line.npos) return "a tab cannot indent; use spaces";
  if (message.find("flow not found") != message.npos || message.find("flow end") != message.npos) {
    return "a `[` or `{` is not closed before here; inside them, quote a value that holds any of "
           "{ } [ ] , : #";
  }
  if (message == "illegal map value") {
    return "a `:` that cannot stand here; indent keys alike, and quote a value that holds `: `";
  }
  if (message == "unknown token") {
    return fmt::format("a value cannot begin with '{}'; quote it",
                       source.rest(problem.mark).substr(0, 1));
  }
  if (message.starts_with("end of map") || message.starts_with("end of sequence")) {
    return "indented differently from the lines above, or a quote above is not closed";
  }
  if (message.starts_with("the referenced anchor")) {
    return "aliases are not used here; write the value itself";
  }
  return fmt::format("not YAML: {}", message);
}

// Refuses what cannot be text, before yaml-cpp guesses another encoding.
bool check_bytes(const std::string& file, const std::string& text, Problems& problems) {
  if (text.size() > kMostBytes) {
    problems.error({file, 1, 1},
                   fmt::format("{} bytes; at most {} are read", text.size(), kMostBytes));
    return false;
  }
  int line = 1;
  int column = 1;
  std::size_t missing = 0;  // continuation bytes that the current character still needs
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    const bool continues = (byte & 0xc0) == 0x80;
    const bool control = (byte < 0x20 && c != '\n' && c != '\r' && c != '\t') || byte == 0x7f;
    if (control || continues != (missing > 0) || byte == 0xc0 || byte == 0xc1 || byte > 0xf4) {
      problems.error({file, line, column}, "a byte that is not UTF-8 text");
      return false;
    }
    if (continues) {
      --missing;
      continue;
    }
    missing = byte < 0x80 ? 0 : byte < 0xe0 ? 1 : byte < 0xf0 ? 2 : 3;
    column = c == '\n' ? 1 : column + 1;
    line += c == '\n' ? 1 : 0;
  }
  return true;
}

}  // namespace

const Entry* Node::find(std::string_view key) const {
  const auto found = std::find_if(entries.begin(), entries.end(),
                                  [&](const Entry& entry) { return entry.key == key; });
  return found == entries.end() ? nullptr : &*found;
}

bool Node::has_broken() const {
  return broken ||
         std::any_of(items.begin(), items.end(),
                     [](const Node& item) { return item.has_broken(); }) ||
         std::any_of(entries.begin(), entries.end(),
                     [](const Entry& entry) { return entry.value.has_broken(); });
}

model::Place Node::place_at(std::size_t offset) const {
  if (text_column == 0) return place;
  const std::string_view before = std::string_view(text).substr(0, std::min(offset, text.size()));
  return {place.file, place.line, text_column + characters(before)};
}

Node scalar_node(std::string text, const model::Place& place) {
  Node node;
  node.kind = Node::Kind::scalar;
  node.text = std::move(text);
  node.place = place;
  return node;
}

Node parse_yaml(const std::string& file, const std::string& text, Problems& problems) {
  if (!check_bytes(file, text, problems)) return {};
  const std::string_view mark = "\xef\xbb\xbf";
  const std::string body = text.starts_with(mark) ? text.substr(mark.size()) : text;
  const Source source(file, body);
  Builder builder(source, problems);
  const std::size_t before = problems.count();
  try {
    std::istringstream stream(body);
    YAML::Parser parser(stream);
    bool any = false;
    while (!builder.stopped() && parser.HandleNextDocument(builder)) any = true;
    if (!any && problems.count() == before) problems.error({file, 1, 1}, "the file is empty");
  } catch (const YAML::Exception& problem) {
    problems.error(source.place(problem.mark), explain(problem, source));
  }
  if (problems.count() != before) return {};
  Node root = builder.take();
  if (root.place.file.empty()) root.place = {file, 1, 1};
  return root;
}

}  // namespace ordeal::spec
