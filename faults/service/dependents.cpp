#include "faults/service/dependents.hpp"

#include <array>
#include <set>
#include <sstream>

#include <fmt/format.h>

namespace ordeal::service {
namespace {

// In the order in which systemd prefers them.
constexpr std::array<const char*, 7> kFolders = {
    "/etc/systemd/system",           "/run/systemd/system",     "/run/systemd/generator",
    "/usr/local/lib/systemd/system", "/usr/lib/systemd/system", "/lib/systemd/system",
    "/run/systemd/generator.late"};
constexpr std::size_t kLargest = 64 * 1024;

struct Name {
  std::string prefix;    // "shop-backend" of shop-backend@8082.service
  std::string instance;  // "8082", or empty
  std::string file;      // "shop-backend@.service", or the name itself
};

Name split(const std::string& unit) {
  const std::size_t at = unit.find('@');
  const std::size_t dot = unit.rfind('.');
  if (at == unit.npos || dot == unit.npos || dot < at) return {unit.substr(0, dot), "", unit};
  return {unit.substr(0, at), unit.substr(at + 1, dot - at - 1),
          unit.substr(0, at + 1) + unit.substr(dot)};
}

// %i, %I, %p, %n and %%; the other specifiers do not occur in names of other units.
std::string expanded(const std::string& word, const Name& name, const std::string& unit) {
  std::string out;
  for (std::size_t i = 0; i < word.size(); ++i) {
    if (word[i] != '%' || i + 1 == word.size()) {
      out += word[i];
      continue;
    }
    const char what = word[++i];
    if (what == 'i' || what == 'I')
      out += name.instance;
    else if (what == 'p')
      out += name.prefix;
    else if (what == 'n')
      out += unit;
    else
      out += what;
  }
  return out;
}

// Adds what a unit file says after Requires=, BindsTo= and PartOf=; an empty value forgets.
void read_needs(const std::string& text, const Name& name, const std::string& unit,
                std::set<std::string>& needs) {
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    const std::size_t equals = line.find('=');
    if (equals == line.npos) continue;
    const std::string key = line.substr(0, line.find_last_not_of(" \t", equals - 1) + 1);
    if (key != "Requires" && key != "BindsTo" && key != "PartOf") continue;
    std::istringstream words(line.substr(equals + 1));
    for (std::string word; words >> word;) needs.insert(expanded(word, name, unit));
  }
}

// The unit's own file, or else its template's.
std::string fragment_of(const os::Files& files, const std::string& unit, const Name& name) {
  for (const std::string& file : {unit, name.file}) {
    for (const std::string folder : kFolders) {
      const auto text = files.read(folder + "/" + file, kLargest);
      if (text.has_value()) return text.value();
    }
  }
  return "";
}

std::vector<std::string> listed(const os::Files& files, const std::string& folder) {
  const auto names = files.list(folder);
  return names.has_value() ? names.value() : std::vector<std::string>();
}

std::set<std::string> needs_of(const os::Files& files, const std::string& unit) {
  const Name name = split(unit);
  std::set<std::string> needs;
  read_needs(fragment_of(files, unit, name), name, unit, needs);
  for (const std::string folder : kFolders) {
    for (const std::string& file : std::set<std::string>{unit, name.file}) {
      const std::string path = folder + "/" + file;
      for (const std::string& drop_in : listed(files, path + ".d")) {
        const auto text = files.read(path + ".d/" + drop_in, kLargest);
        if (text.has_value()) read_needs(text.value(), name, unit, needs);
      }
      for (const std::string& link : listed(files, path + ".requires")) needs.insert(link);
    }
  }
  return needs;
}

std::set<std::string> running_services(const os::Host& host) {
  std::set<std::string> out;
  const auto processes = host.processes().list();
  if (processes.has_error()) return out;
  for (const model::ProcessInfo& process : processes.value()) {
    if (process.unit.ends_with(".service")) out.insert(process.unit);
  }
  return out;
}

}  // namespace

std::vector<std::string> stopped_together_with(const os::Host& host, const std::string& unit) {
  std::map<std::string, std::set<std::string>> needs;
  for (const std::string& service : running_services(host)) {
    if (service != unit) needs[service] = needs_of(host.files(), service);
  }
  std::vector<std::string> out;
  std::set<std::string> stopped = {unit};
  for (bool grew = true; grew;) {
    grew = false;
    for (const auto& [service, needed] : needs) {
      const bool falls = std::any_of(needed.begin(), needed.end(),
                                     [&](const auto& name) { return stopped.contains(name); });
      if (!falls || !stopped.insert(service).second) continue;
      out.push_back(service);
      grew = true;
    }
  }
  return out;
}

std::string socket_of(const os::Host& host, const std::string& unit) {
  const Name name = split(unit);
  const std::string socket =
      name.prefix + (name.file == unit ? "" : "@" + name.instance) + ".socket";
  const std::string file = split(socket).file;
  for (const std::string folder : kFolders) {
    if (host.files().exists(folder + "/" + file)) return socket;
  }
  return "";
}

}  // namespace ordeal::service
