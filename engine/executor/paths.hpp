// Where an executor keeps its own things, below the state directory.
#pragma once

#include <string>

namespace ordeal::executor {

inline std::string journal_directory(const std::string& state) { return state + "/journal"; }
inline std::string journal_path(const std::string& state, const std::string& token) {
  return state + "/journal/" + token;
}
inline std::string claims_lock(const std::string& state) { return state + "/claims.lock"; }
inline std::string halt_file(const std::string& state) { return state + "/halt"; }
// Journals of other machines (a cloned disk): kept for people, never run.
inline std::string quarantine_path(const std::string& state, const std::string& token) {
  return state + "/quarantine/" + token;
}

}  // namespace ordeal::executor
