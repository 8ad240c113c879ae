// How the layer directory becomes /opt for the children. No process of the function starts here.
#include "emulator/sandbox/opt_mapping.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sched.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string_view>

namespace lamprey::emulator {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kOpt = "/opt/";

// Async-signal-safe.
int write_file(const char* path, const char* text, std::size_t size) {
  const int file = open(path, O_WRONLY | O_CLOEXEC);
  if (file < 0) {
    return errno;
  }
  const ssize_t written = write(file, text, size);
  const int failure = written < 0 ? errno : 0;
  close(file);
  return failure;
}

bool works(const OptMapping& mapping) {
  const pid_t child = fork();
  if (child < 0) {
    return false;
  }
  if (child == 0) {
    _exit(enter_mapping(mapping) == 0 ? 0 : 1);
  }
  int status = 1;
  while (waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

// Would `program`, or what its links lead to, vanish under a layer mounted on /opt?
bool lives_in_opt(const std::string& program) {
  std::error_code error;
  const std::string target = fs::canonical(program, error).string();
  return program.starts_with(kOpt) || target.starts_with(kOpt);
}

}  // namespace

std::string OptMapping::path(const std::string& opt_path) const {
  if (kind == Kind::kRewrite && opt_path.starts_with(kOpt)) {
    return layer + opt_path.substr(kOpt.size() - 1);
  }
  return opt_path;
}

int enter_mapping(const OptMapping& mapping) {
  if (mapping.kind == OptMapping::Kind::kNone || mapping.kind == OptMapping::Kind::kRewrite) {
    return 0;
  }
  const bool user_namespace = !mapping.uid_map.empty();
  if (unshare(CLONE_NEWNS | (user_namespace ? CLONE_NEWUSER : 0)) != 0) {
    return errno;
  }
  if (user_namespace) {
    // user_namespaces(7): setgroups must be denied before an unprivileged gid_map.
    write_file("/proc/self/setgroups", "deny", 4);
    int failure = write_file("/proc/self/uid_map", mapping.uid_map.c_str(), mapping.uid_map.size());
    if (failure == 0) {
      failure = write_file("/proc/self/gid_map", mapping.gid_map.c_str(), mapping.gid_map.size());
    }
    if (failure != 0) {
      return failure;
    }
  }
  if (mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0) {
    return errno;
  }
  const int result = mapping.kind == OptMapping::Kind::kBind
                         ? mount(mapping.layer.c_str(), "/opt", nullptr, MS_BIND | MS_REC, nullptr)
                         : mount("overlay", "/opt", "overlay", MS_RDONLY, mapping.overlay.c_str());
  if (result != 0) {
    return errno;
  }
  if (!mapping.hosts.empty()) {
    // Best effort: an extension may as well listen on 127.0.0.1.
    mount(mapping.hosts.c_str(), "/etc/hosts", nullptr, MS_BIND, nullptr);
  }
  return 0;
}

std::string write_hosts_file() {
  std::error_code error;
  std::string path = fs::temp_directory_path(error) / "lamprey-hosts-XXXXXX";
  const int file = error ? -1 : mkostemp(path.data(), O_CLOEXEC);
  if (file < 0) {
    return {};
  }
  std::ifstream hosts("/etc/hosts");
  std::string text{std::istreambuf_iterator<char>(hosts), {}};
  text += "\n127.0.0.1 sandbox.localdomain sandbox\n";
  const bool good = write(file, text.data(), text.size()) == static_cast<ssize_t>(text.size()) &&
                    fchmod(file, 0644) == 0;
  close(file);
  if (!good) {
    unlink(path.c_str());
  }
  return good ? path : std::string();
}

OptMapping choose_mapping(const std::string& layer, const std::string& program) {
  OptMapping mapping;
  if (layer.empty()) {
    return mapping;
  }
  mapping.layer = layer;
  mapping.kind = lives_in_opt(program) ? OptMapping::Kind::kOverlay : OptMapping::Kind::kBind;
  // A colon or comma in the path would be read as a separator of the mount options.
  const bool speakable = layer.find_first_of(":,\\") == std::string::npos;
  if (mapping.kind == OptMapping::Kind::kBind || speakable) {
    mapping.overlay = fmt::format("lowerdir={}:/opt", layer);
    if (geteuid() != 0) {
      mapping.uid_map = fmt::format("{0} {0} 1\n", geteuid());
      mapping.gid_map = fmt::format("{0} {0} 1\n", getegid());
    }
    if (works(mapping)) {
      return mapping;
    }
  }
  mapping.kind = OptMapping::Kind::kRewrite;
  return mapping;
}

}  // namespace lamprey::emulator
