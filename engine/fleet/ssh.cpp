#include "engine/fleet/ssh.hpp"

#include <algorithm>

#include "engine/base/text.hpp"
#include "engine/wire/message.hpp"

namespace ordeal::fleet {
namespace {

constexpr std::string_view kMark = "ordeal-ssh ";

// The first value that ssh finds for an option counts, and the command line comes first.
constexpr std::string_view kOptions[] = {
    "BatchMode=yes",      // no question about passwords or host keys
    "ConnectTimeout=10",  // until the key exchange is done
    "ConnectionAttempts=1",
    "ServerAliveInterval=3",  // times CountMax: a silent link is dead
    "ServerAliveCountMax=3",
    "ControlMaster=no",  // a shared connection dies with somebody else's session,
    "ControlPath=none",  // and a master outlives the cut that should tell us
    "ClearAllForwardings=yes", "ForwardAgent=no",    "ForwardX11=no", "Tunnel=no",
    "PermitLocalCommand=no",   "RemoteCommand=none", "RequestTTY=no", "EscapeChar=none",
    "LogLevel=ERROR",
};

// Runs on the host, in a POSIX shell. sshd gives every command to the login shell of the user in
// any case, which may be of another kind: so this has no quote ', no backslash, no exclamation mark
// and no line break, and is handed over as one word to sh. Its arguments are ours: a hash, numbers,
// fixed words.
constexpr std::string_view kFarSide =
    // arguments: hash, size, machine, protocols, sudo, then those of the executor
    "cd /; umask 077; LC_ALL=C; export LC_ALL; "
    "hash=$1 size=$2 machine=$3 low=$4 high=$5 sudo=$6; shift 6; "
    "say() { echo \"ordeal-ssh $*\"; }; "
    "refuse() { say refused \"$@\"; exit 0; }; "
    "become() { exec env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin LANG=C $up \"$@\"; }; "
    "mode() { set -- $(ls -ldn \"$1\" 2>/dev/null); echo \"$1:$3\"; }; "
    "speaks() { set -- $($up \"$1\" --protocol); "
    "[ \"$1\" = protocol ] && [ \"$2\" -le $high ] && [ \"$3\" -ge $low ]; }; "
    "good() { set -- $(sha256sum \"$1\" 2>/dev/null); [ \"$1\" = $hash ]; }; "
    "uid=$(id -u); up=; case $uid:$sudo in 0:*) ;; *:sudo) up=\"sudo -n --\" ;; esac; "
    "[ \"$(uname -s) $(uname -m)\" = \"Linux $machine\" ] || "
    "refuse machine \"$(uname -s) $(uname -m)\"; "
    // Installed: nobody but root can have changed it. [-] because of trigraphs.
    "d=/usr/lib/ordeal; f=$d/ordeal-executor; "
    "case \"$(mode $d) $(mode $f)\" in d????[-]??[-]*:0\" \"-????[-]??[-]*:0) "
    "case \"$(mode $d)$(mode $f)\" in *+:*) ;; *) "
    "if speaks $f; then say ready installed $f; become $f \"$@\"; fi ;; esac ;; esac; "
    "command -v sha256sum >/dev/null || refuse tool sha256sum; "
    // A folder of the user alone, where programs may run: an empty file is a program that does
    // nothing, by the rules of POSIX. Its names are by mktemp: hosts may share a home and have the
    // same pids.
    "mkdir -p \"$HOME/.cache\" 2>/dev/null; f=; why=; "
    "for b in \"$HOME/.cache\" /run/user/$uid; do d=$b/ordeal; "
    "[ -d \"$b\" ] || { why=\"$why$b is not there; \"; continue; }; "
    "mkdir -p \"$d\" 2>/dev/null; "
    "case \"$(mode \"$d\")\" in drwx------:$uid|drwx------.:$uid) ;; "
    "*) why=\"$why$d is not a folder of yours alone; \"; continue ;; esac; "
    "t=$(mktemp \"$d/try.XXXXXX\" 2>/dev/null) && chmod 700 \"$t\" && \"$t\" 2>/dev/null; code=$?; "
    "rm -f \"$t\"; [ $code = 0 ] || { why=\"$why$d: programs cannot run there; \"; continue; }; "
    "f=$d/ordeal-executor-$hash; break; done; "
    "[ -n \"$f\" ] || refuse place \"$why\"; "
    "how=found; good \"$f\" || { how=copied; t=$(mktemp \"$f.XXXXXX\"); say need; "
    "head -c $size >\"$t\"; good \"$t\" || { rm -f \"$t\"; refuse damaged \"$d\"; }; "
    "chmod 700 \"$t\" && mv -f \"$t\" \"$f\"; }; "
    "touch \"$f\"; "
    "find \"$d\" -type f -name \"ordeal-executor-*\" -mtime +6 -exec rm -f {} +; "
    "speaks \"$f\" || { [ -z \"$up\" ] || refuse sudo \"$(id -un)\"; refuse run \"$f\"; }; "
    "say ready $how \"$f\"; become \"$f\" \"$@\"";

bool all_of(std::string_view text, std::string_view extra) {
  return std::all_of(text.begin(), text.end(), [extra](unsigned char letter) {
    return (letter >= 'a' && letter <= 'z') || (letter >= 'A' && letter <= 'Z') ||
           (letter >= '0' && letter <= '9') || extra.find(static_cast<char>(letter)) != extra.npos;
  });
}

// ssh puts user and host into the user's own ProxyCommand, which a shell runs.
Result<void> check_address(const model::SshAddress& address) {
  const bool host =
      !address.host.empty() && address.host.front() != '-' && all_of(address.host, "._-:%");
  if (!host) {
    return Error(Code::invalid, "\"" + printable(address.host) + "\" is no host name or address");
  }
  if (address.user.starts_with('-') || !all_of(address.user, "._-@+$")) {
    return Error(Code::invalid, "\"" + printable(address.user) + "\" is no user name");
  }
  return ok();
}

// As a person would type it to try.
std::string by_hand(const model::InventoryHost& host, const std::string& ssh_config) {
  std::string out = "ssh";
  if (!ssh_config.empty()) out += " -F " + ssh_config;
  if (host.ssh->port) out += fmt::format(" -p {}", *host.ssh->port);
  if (!host.ssh->user.empty()) out += " -l " + host.ssh->user;
  return printable(out + " " + host.ssh->host);
}

struct Hint {
  std::string_view words;  // of ssh
  std::string_view text;
};

constexpr Hint kHints[] = {
    {"IDENTIFICATION HAS CHANGED",
     "its host key is not the one in known_hosts: find out why before you go on"},
    {"Host key verification failed",
     "its host key is not known: compare it, and accept it once by hand"},
    {"Permission denied",
     "no key that ssh offered is accepted there; under sudo your agent is out of reach"},
    {"Could not resolve", "the inventory's address is no name that is known here"},
    {"Connection refused", "no ssh server answers there"},
    {"timed out", "the host is down, or something on the way drops the packets"},
    {"No route to host", "the host is down, or something on the way drops the packets"},
};

// The last lines that say something, at most two.
std::string last_words(std::string_view errors) {
  std::vector<std::string> lines;
  while (!errors.empty()) {
    const std::size_t end = std::min(errors.find('\n'), errors.size());
    std::string_view line = errors.substr(0, end);
    while (!line.empty() && (line.back() == '\r' || line.back() == ' ')) line.remove_suffix(1);
    if (!line.empty()) lines.push_back(printable(line, 200));
    errors.remove_prefix(std::min(end + 1, errors.size()));
  }
  const std::size_t kept = std::min<std::size_t>(lines.size(), 2);
  return join(std::span(lines).last(kept), "; ");
}

}  // namespace

Result<std::vector<std::string>> ssh_argv(const model::InventoryHost& host,
                                          const std::string& ssh_config,
                                          const std::string& command) {
  if (!host.ssh) return Error(Code::invalid, host.name + " is this machine");
  CHECK_OK(check_address(*host.ssh));
  std::vector<std::string> out = {"ssh", "-T"};
  for (const std::string_view option : kOptions) {
    out.emplace_back("-o");
    out.emplace_back(option);
  }
  if (!ssh_config.empty()) {
    out.emplace_back("-F");
    out.push_back(ssh_config);
  }
  if (host.ssh->port) {
    out.emplace_back("-p");
    out.push_back(std::to_string(*host.ssh->port));
  }
  if (!host.ssh->user.empty()) {
    out.emplace_back("-l");
    out.push_back(host.ssh->user);
  }
  out.emplace_back("--");
  out.push_back(host.ssh->host);
  out.push_back(command);
  return out;
}

std::string far_command(const ExecutorFile& file, bool sudo,
                        const std::vector<std::string>& arguments) {
  return fmt::format("exec sh -c '{}' ordeal {} {} {} {} {} {} {}", kFarSide, file.sha256,
                     file.bytes.size(), file.machine, wire::kProtocolMin, wire::kProtocolMax,
                     sudo ? "sudo" : "plain", join(arguments, " "));
}

FarWord far_word(std::string_view line) {
  FarWord out;
  if (!line.starts_with(kMark)) return out;
  line.remove_prefix(kMark.size());
  const auto next = [&line] {
    const std::string word(line.substr(0, line.find(' ')));
    line.remove_prefix(std::min(word.size() + 1, line.size()));
    return word;
  };
  const std::string kind = next();
  if (kind == "need") out.kind = FarWord::Kind::need;
  if (kind == "ready") out.kind = FarWord::Kind::ready;
  if (kind == "refused") out.kind = FarWord::Kind::refused;
  if (out.kind == FarWord::Kind::other) return out;
  out.what = printable(next(), 40);
  out.text = printable(line);
  return out;
}

std::string refusal_text(const FarWord& refused) {
  const std::string& text = refused.text;
  if (refused.what == "machine") {
    return fmt::format(
        "it is {}, and the executor that ordeal would copy does not run there: "
        "install the package ordeal on it",
        text);
  }
  if (refused.what == "tool") return text + " is missing there; install coreutils";
  if (refused.what == "place") {
    return fmt::format("there is no place for ordeal-executor: {}install the package ordeal on it",
                       text);
  }
  if (refused.what == "damaged") {
    return fmt::format("ordeal-executor did not arrive in {} as it was sent: is the disk full?",
                       text);
  }
  if (refused.what == "sudo") {
    return fmt::format(
        "{} may not start ordeal-executor there through sudo without a password: "
        "give sudo to that user, or install the package ordeal and allow "
        "/usr/lib/ordeal/ordeal-executor in sudoers",
        text);
  }
  if (refused.what == "run") return text + " does not run there";
  return refused.what + " " + text;
}

std::string ssh_failure(const model::InventoryHost& host, const std::string& ssh_config,
                        std::string_view errors) {
  std::string said = last_words(errors);
  if (said.empty()) said = "it ended without a word";
  if (said.starts_with("ssh: ")) said.erase(0, 5);  // it is in front already
  std::string hint = "try it by hand";
  for (const Hint& one : kHints) {
    if (errors.find(one.words) == errors.npos) continue;
    hint = one.text;
    break;
  }
  return fmt::format("ssh: {} ({}: {})", said, hint, by_hand(host, ssh_config));
}

}  // namespace ordeal::fleet
