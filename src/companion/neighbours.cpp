// Whether neighbours are there, asked of the network and the directory; see the header.
#include "companion/neighbours.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cctype>
#include <cerrno>
#include <chrono>
#include <cstdlib>
#include <string_view>
#include <vector>

#include "descriptors/ready.h"
#include "recording/reader_directory.h"

namespace lamprey::companion {
namespace {

constexpr std::string_view kJournal = "journal-";
constexpr std::size_t kMaxJournals = 256;  // looked at in one start

// What became of a connect: 0 or an errno. On loopback the answer comes at once, but not always
// before connect(2) returns.
int outcome_of(int connecting) {
  constexpr std::chrono::milliseconds kPatience{20};
  int error = 0;
  socklen_t size = sizeof(error);
  if (!descriptors::wait_writable(connecting, kPatience) ||
      getsockopt(connecting, SOL_SOCKET, SO_ERROR, &error, &size) != 0) {
    return EINPROGRESS;
  }
  return error;
}

// The address that a journal is named after: "journal-127.0.0.1-9001".
std::string address_of(std::string_view name) {
  std::string address(name.substr(kJournal.size()));
  const std::size_t dash = address.rfind('-');
  if (dash != std::string::npos) {
    address[dash] = ':';
  }
  return address;
}

std::vector<std::string> journals_in(const std::string& directory) {
  std::vector<std::string> names;
  if (DIR* entries = opendir(directory.c_str())) {
    while (const dirent* entry = readdir(entries)) {
      if (std::string_view(entry->d_name).starts_with(kJournal) && names.size() < kMaxJournals) {
        names.emplace_back(entry->d_name);
      }
    }
    closedir(entries);
  }
  return names;
}

}  // namespace

bool somebody_listens(const std::string& address) {
  const std::size_t colon = address.rfind(':');
  sockaddr_in to{};
  to.sin_family = AF_INET;
  if (colon == std::string::npos ||
      inet_pton(AF_INET, address.substr(0, colon).c_str(), &to.sin_addr) != 1 ||
      (ntohl(to.sin_addr.s_addr) >> 24U) != 127) {
    return true;
  }
  to.sin_port = htons(static_cast<std::uint16_t>(std::atoi(address.c_str() + colon + 1)));
  const int probe = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  int error = EINPROGRESS;
  if (probe >= 0 && connect(probe, reinterpret_cast<sockaddr*>(&to), sizeof(to)) != 0) {
    error = errno == EINPROGRESS ? outcome_of(probe) : errno;
  }
  const bool refused = error == ECONNREFUSED;
  if (probe >= 0) {
    close(probe);
  }
  return !refused;
}

std::string journal_path(const std::string& directory, const std::string& environment) {
  std::string path = directory + "/" + std::string(kJournal);
  for (const char c : environment.substr(0, 96)) {
    path += std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '.' ? c : '-';
  }
  return path;
}

void remove_abandoned_journals(const std::string& directory) {
  for (const std::string& name : journals_in(directory)) {
    const std::string path = directory + "/" + name;
    struct stat status {};
    if (lstat(path.c_str(), &status) == 0 && S_ISREG(status.st_mode) &&
        status.st_uid == geteuid() && !somebody_listens(address_of(name))) {
      recording::remove_file(path, status.st_ino);
    }
  }
}

}  // namespace lamprey::companion
