// Every key of an inventory file, and what people write instead.
#include "engine/spec/inventory.hpp"

namespace ordeal::spec {

const std::vector<Table>& inventory_tables() {
  static const std::vector<Table> kTables = {
      {"inventory_file",
       "an inventory file",
       {
           {"version", Shape::version, true, "Of the file format: 1."},
           {"ssh", Shape::table, false, "How OpenSSH is started.", "inventory_ssh"},
           {"hosts", Shape::table_map, true, "Names, each with an address.", "inventory_host"},
       }},
      {"inventory_ssh",
       "`ssh`",
       {{"config", Shape::text, true,
         "OpenSSH configuration instead of your own, relative to this file."}}},
      {"inventory_host",
       "a host",
       {
           {"address", Shape::text, true, "local, or ssh://user@host:port."},
           {"labels", Shape::text_map, false, "Names and values, for choosing hosts."},
           {"sudo", Shape::boolean, false,
            "Start the executor with sudo: true if a user is given who is not root."},
           {"ip", Shape::one_or_more_texts, false,
            "Its addresses on the wire; default: the address, if it is one."},
       }},
  };
  return kTables;
}

const Table& inventory_table(std::string_view name) { return table_in(inventory_tables(), name); }

const std::vector<Hint>& inventory_hints() {
  static const std::string_view in_config =
      "keys, bastions and known hosts stand in your OpenSSH configuration";
  static const std::string_view in_address = "write it into the address: ssh://user@host:port";
  static const std::string_view no_groups =
      "there are no groups; give hosts `labels`, and choose them with `labels: { ... }`";
  static const std::vector<Hint> kHints = {
      {"inventory_file", "all", "hosts",
       "write `hosts: { NAME: { address: ... } }`; `all` is Ansible's"},
      {"inventory_file", "groups", "", no_groups},
      {"inventory_file", "ssh_config", "ssh", "write `ssh: { config: PATH }`"},
      {"inventory_file", "host", "hosts", ""},
      {"inventory_ssh", "file", "config", ""},
      {"inventory_ssh", "config_file", "config", ""},
      {"inventory_ssh", "identity_file", "", in_config},
      {"inventory_ssh", "key", "", in_config},
      {"inventory_ssh", "options", "", in_config},
      {"inventory_ssh", "proxy_jump", "", in_config},
      {"inventory_ssh", "known_hosts", "", in_config},
      {"inventory_host", "host", "address", ""},
      {"inventory_host", "hostname", "address", ""},
      {"inventory_host", "ansible_host", "address", ""},
      {"inventory_host", "connection", "address", "write `address: local` or `address: ssh://...`"},
      {"inventory_host", "user", "", in_address},
      {"inventory_host", "port", "", in_address},
      {"inventory_host", "ansible_user", "", in_address},
      {"inventory_host", "ansible_port", "", in_address},
      {"inventory_host", "password", "", "passwords are never in a file; ssh logs in with keys"},
      {"inventory_host", "key", "", in_config},
      {"inventory_host", "identity_file", "", in_config},
      {"inventory_host", "proxy_jump", "", in_config},
      {"inventory_host", "become", "sudo", ""},
      {"inventory_host", "group", "labels", no_groups},
      {"inventory_host", "groups", "labels", no_groups},
      {"inventory_host", "tags", "labels", "`tags` are called `labels` here, and have values"},
      {"inventory_host", "label", "labels", ""},
      {"inventory_host", "ips", "ip", ""},
  };
  return kHints;
}

}  // namespace ordeal::spec
