// Reading /etc/hosts; see the header.
#include "lambda/hosts_file.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <array>

namespace lamprey::lambda {

std::string read_hosts_file() {
  std::array<char, 4096> text{};
  const int file = open("/etc/hosts", O_RDONLY | O_CLOEXEC);
  const ssize_t got = file < 0 ? 0 : read(file, text.data(), text.size());
  if (file >= 0) {
    close(file);
  }
  return {text.data(), static_cast<std::size_t>(std::max<ssize_t>(got, 0))};
}

std::optional<std::string> address_in(std::string_view hosts, std::string_view name) {
  constexpr std::string_view kBlank = " \t\r";
  while (!hosts.empty()) {
    std::string_view line = hosts.substr(0, hosts.find('\n'));
    hosts.remove_prefix(std::min(hosts.size(), line.size() + 1));
    line = line.substr(0, line.find('#'));
    std::string_view address;
    while (!line.empty()) {
      const std::size_t begin = std::min(line.find_first_not_of(kBlank), line.size());
      line.remove_prefix(begin);
      const std::string_view word = line.substr(0, line.find_first_of(kBlank));
      line.remove_prefix(word.size());
      if (address.empty()) {
        address = word;
      } else if (word == name) {
        return std::string(address);
      }
    }
  }
  return std::nullopt;
}

}  // namespace lamprey::lambda
