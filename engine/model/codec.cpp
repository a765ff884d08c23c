// The only place that instantiates the JSON codec for model types.
#include "engine/base/digest.hpp"
#include "engine/base/json.hpp"
#include "engine/model/change.hpp"
#include "engine/model/event.hpp"

namespace ordeal::model {

std::string to_json(const HostStep& step) { return json::canonical(json::encode(step)); }

std::string digest_of(const HostStep& step) { return sha256_hex(to_json(step)); }

std::string undos_to_json(const std::vector<Undo>& undos) {
  return json::canonical(json::encode(undos));
}

Result<std::vector<Undo>> undos_from_json(std::string_view text) {
  TRY(auto value, json::parse(text));
  return json::decode<std::vector<Undo>>(value);
}

std::string to_json(const Event& event, std::string_view run) {
  boost::json::object data = json::encode(event.data).as_object();
  boost::json::object line;
  line["v"] = 1;
  line["seq"] = event.seq;
  line["run"] = boost::json::string(run);
  line["t_us"] = event.t.count();
  line["kind"] = data["kind"];
  data.erase("kind");
  line["data"] = std::move(data);
  return json::dump(line);
}

Result<Event> event_from_json(std::string_view line) {
  constexpr std::size_t kLongestEvent = 4u << 20;  // run_started holds the whole effective file
  TRY(auto value, json::parse(line, kLongestEvent));
  auto* object = value.if_object();
  if (object == nullptr || !object->contains("kind") || !object->contains("data") ||
      !object->at("data").is_object()) {
    return Error(Code::invalid, "not an event: no kind or data");
  }
  boost::json::object data = object->at("data").get_object();
  data["kind"] = object->at("kind");
  Event event;
  TRY(auto seq, json::decode<std::int64_t>(object->at("seq"), json::Unknown::ignored, "seq"));
  TRY(auto t, json::decode<Duration>(object->at("t_us"), json::Unknown::ignored, "t_us"));
  TRY(auto decoded, json::decode<EventData>(data, json::Unknown::ignored, "data"));
  event.seq = seq;
  event.t = t;
  event.data = std::move(decoded);
  return event;
}

}  // namespace ordeal::model
