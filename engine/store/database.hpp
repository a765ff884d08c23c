#pragma once

#include <memory>

struct sqlite3;

namespace ordeal::store {

struct CloseDatabase {
  void operator()(sqlite3* database) const;
};
using Database = std::unique_ptr<sqlite3, CloseDatabase>;

}  // namespace ordeal::store
