#include "engine/os/linux/linux_host.hpp"

namespace ordeal::os {

LinuxHost::LinuxHost(asio::any_io_executor executor, std::string executor_path)
    : clock_(executor), cgroups_(clock_),
      processes_(executor, clock_, cgroups_, std::move(executor_path)), files_(executor, clock_),
      host_(clock_, random_, processes_, links_, qdiscs_, nftables_, sockets_, cgroups_, files_,
            machine_) {}

}  // namespace ordeal::os
