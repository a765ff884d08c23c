#include "faults/catalogue.hpp"

#include <array>

namespace ordeal {

namespace process {
fault::Fault kill();
fault::Fault pause();
}  // namespace process
namespace network {
fault::Fault delay();
fault::Fault loss();
fault::Fault partition();
}  // namespace network
namespace cpu {
fault::Fault load();
}
namespace memory {
fault::Fault load();
}
namespace disk {
fault::Fault fill();
}
namespace service {
fault::Fault stop();
}

fault::Catalogue catalogue() {
  static const std::array<fault::Fault, 9> kAll = {
      process::kill(), process::pause(), network::delay(), network::loss(), network::partition(),
      cpu::load(),     memory::load(),   disk::fill(),     service::stop(),
  };
  return kAll;
}

}  // namespace ordeal
