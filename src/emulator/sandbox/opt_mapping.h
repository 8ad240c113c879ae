// How the layer directory becomes /opt for the children, without touching the machine's own /opt.
// The decision and the mounts; no process of the function is started here.
#pragma once

#include <string>

namespace lamprey::emulator {

struct OptMapping {
  enum class Kind {
    kNone,     // no layer
    kBind,     // the layer is bind-mounted on /opt in a private mount namespace
    kOverlay,  // the same, with the machine's /opt below it (the command itself lives in /opt)
    kRewrite,  // not possible here: /opt/ in paths is replaced by the layer's directory
  };
  Kind kind = Kind::kNone;
  std::string layer;    // absolute path, empty with kNone
  std::string overlay;  // mount options of kOverlay
  std::string uid_map;  // "uid uid 1\n"; empty when no user namespace is needed
  std::string gid_map;
  std::string hosts;  // a file mounted on /etc/hosts, or empty

  // The path as a child has to use it: unchanged, or below the layer with kRewrite.
  std::string path(const std::string& opt_path) const;
};

// Tries out in a short-lived child what this machine allows.
OptMapping choose_mapping(const std::string& layer, const std::string& program);

// Writes a copy of /etc/hosts that knows sandbox and sandbox.localdomain, the names below which
// subscribers of the Telemetry API listen. Returns its path, to be removed by the caller, or
// nothing when it could not be written.
std::string write_hosts_file();

// Between fork and exec: only async-signal-safe calls, no allocation. Returns 0 or an errno.
int enter_mapping(const OptMapping& mapping);

}  // namespace lamprey::emulator
