// Result<T>: a value or an Error, and the two macros that pass errors on.
//
//   TRY(auto link, links.find(name));         in a function that returns Result
//   CO_TRY(auto step, co_await prepare(x));   in a coroutine that returns Task<Result>
//   CHECK_OK(f());  CO_CHECK_OK(co_await f());  for Result<void>
//
// boost::outcome is named only here: one place to change when std::expected arrives.
#pragma once

#include <boost/outcome/basic_result.hpp>
#include <boost/outcome/coroutine_support.hpp>
#include <boost/outcome/policy/terminate.hpp>
#include <boost/outcome/try.hpp>
#include <utility>

#include "engine/base/error.hpp"

namespace ordeal {

namespace outcome = boost::outcome_v2;

template <class T>
using Result = outcome::basic_result<T, Error, outcome::policy::terminate>;

inline auto ok() { return outcome::success(); }

// Says in the code that a result is dropped on purpose, and why.
template <class T>
void ignore(T&& result, const char* why) {
  (void)result;
  (void)why;
}

// Adds what was being done to the error of a failed result.
template <class T>
Result<T> within(std::string_view what, Result<T> result) {
  if (result.has_error()) return std::move(result.error()).within(what);
  return result;
}

}  // namespace ordeal

#define TRY BOOST_OUTCOME_TRY
#define CO_TRY BOOST_OUTCOME_CO_TRY
#define CHECK_OK(expression) BOOST_OUTCOME_TRYV(expression)
#define CO_CHECK_OK(expression) BOOST_OUTCOME_CO_TRYV(expression)
