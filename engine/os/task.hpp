// Coroutines that run alike on Asio's io_context and on the simulator's executor.
//
// GCC 12 destroys some temporaries of a co_await expression twice. So: no aggregate temporary, no
// capturing lambda and no braced list inside such an expression. Name the object, then move it in.
#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/this_coro.hpp>

#include "engine/base/result.hpp"

namespace ordeal {

namespace asio = boost::asio;

template <class T = void>
using Task = asio::awaitable<T, asio::any_io_executor>;

}  // namespace ordeal
