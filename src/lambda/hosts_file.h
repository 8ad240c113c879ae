// Addresses of the platform's own names, from /etc/hosts. No name server is ever asked: an answer
// might take seconds, and the client for it is 17 KB of the companion. One thread; nothing is
// thrown.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace lamprey::lambda {

// The first 4,096 bytes of /etc/hosts; empty when it cannot be read.
std::string read_hosts_file();

// The first address that the text of a hosts file gives to `name`.
std::optional<std::string> address_in(std::string_view hosts, std::string_view name);

}  // namespace lamprey::lambda
