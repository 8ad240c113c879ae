// Reading /proc of a process that is late; see the header.
#include "report/procfs/closeup.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <map>
#include <optional>
#include <string_view>

#include "recording/asked.h"
#include "report/model/order.h"
#include "report/procfs/procfs_file.h"

namespace lamprey::report {
namespace {

constexpr std::size_t kMaxConnections = std::size_t{256} * 1024;  // bytes of text
constexpr unsigned kEstablished = 1;                              // include/net/tcp_states.h
constexpr unsigned kSynSent = 2;

// Calls `each(name)` for every entry of a directory that is a number.
template <class Each>
void for_each_number(const std::string& path, std::size_t most, Each each) {
  DIR* entries = opendir(path.c_str());
  if (entries == nullptr) {
    return;
  }
  while (const dirent* entry = readdir(entries)) {
    if (entry->d_name[0] >= '0' && entry->d_name[0] <= '9') {
      if (most-- == 0) {
        break;
      }
      each(std::atoi(entry->d_name));
    }
  }
  closedir(entries);
}

std::vector<std::string_view> words_of(std::string_view line) {
  std::vector<std::string_view> words;
  while (true) {
    const std::size_t start = line.find_first_not_of(" \t\n");
    if (start == std::string_view::npos) {
      return words;
    }
    line.remove_prefix(start);
    const std::size_t end = std::min(line.size(), line.find_first_of(" \t\n"));
    words.push_back(line.substr(0, end));
    line.remove_prefix(end);
  }
}

template <class Number>
Number number(std::string_view text, int base = 10) {
  Number value = 0;
  std::from_chars(text.data(), text.data() + text.size(), value, base);
  return value;
}

// "0100007F:1F90" of /proc/net/tcp, or 32 digits for IPv6: addresses are printed as words in the
// machine's byte order, ports as numbers.
std::string address_of(std::string_view text) {
  const std::size_t colon = text.find(':');
  if (colon != 8 && colon != 32) {
    return {};
  }
  std::uint32_t parts[4] = {};
  for (std::size_t i = 0; i * 8 < colon; ++i) {
    parts[i] = number<std::uint32_t>(text.substr(i * 8, 8), 16);
  }
  const auto port = number<std::uint16_t>(text.substr(colon + 1), 16);
  char out[INET6_ADDRSTRLEN] = {};
  const bool ip4 = colon == 8;
  const bool mapped = !ip4 && parts[0] == 0 && parts[1] == 0 && parts[2] == htonl(0xFFFF);
  inet_ntop(ip4 || mapped ? AF_INET : AF_INET6, mapped ? &parts[3] : &parts[0], out, sizeof(out));
  return ip4 || mapped ? fmt::format("{}:{}", out, port) : fmt::format("[{}]:{}", out, port);
}

// Inode → connection, for those that are being made or have nothing to read.
std::map<std::uint64_t, SocketLook> connections(std::int32_t pid, const std::string& except) {
  std::map<std::uint64_t, SocketLook> found;
  for (const char* table : {"tcp", "tcp6"}) {
    const std::string text =
        read_kernel_text(fmt::format("/proc/{}/net/{}", pid, table), kMaxConnections);
    std::string_view rest = text;
    while (!rest.empty()) {
      const std::string_view line = rest.substr(0, rest.find('\n'));
      rest.remove_prefix(std::min(rest.size(), line.size() + 1));
      const auto words = words_of(line);
      if (words.size() < 10) {
        continue;
      }
      const auto state = number<unsigned>(words[3], 16);
      const bool unread = !words[4].ends_with(":00000000");
      if (state != kSynSent && (state != kEstablished || unread)) {
        continue;
      }
      SocketLook socket;
      socket.connecting = state == kSynSent;
      socket.peer = address_of(words[2]);
      if (!socket.peer.empty() && socket.peer != except) {
        found.emplace(number<std::uint64_t>(words[9]), std::move(socket));
      }
    }
  }
  return found;
}

}  // namespace

std::optional<ThreadLook> look_at_thread(std::int32_t pid, std::int32_t tid) {
  const std::string text = read_kernel_text(fmt::format("/proc/{}/task/{}/stat", pid, tid));
  const std::size_t end = text.rfind(')');  // the name in brackets may hold anything
  if (end == std::string::npos) {
    return std::nullopt;
  }
  const auto words = words_of(std::string_view(text).substr(end + 1));
  if (words.size() < 13) {
    return std::nullopt;
  }
  ThreadLook look;
  look.tid = tid;
  const std::size_t name = text.find('(');
  look.name = name < end ? text.substr(name + 1, end - name - 1) : std::string();
  look.running = words[0] == "R";
  // To the nanosecond where the kernel keeps it, else to a tick.
  const std::string exact = read_kernel_text(fmt::format("/proc/{}/task/{}/schedstat", pid, tid));
  if (const auto figures = words_of(exact); figures.size() >= 2) {
    look.cpu_ns = number<std::uint64_t>(figures[0]);
    look.run_delay_ns = number<std::uint64_t>(figures[1]);
    return look;
  }
  look.cpu_ns = (number<std::uint64_t>(words[11]) + number<std::uint64_t>(words[12])) *
                static_cast<std::uint64_t>(1'000'000'000 / sysconf(_SC_CLK_TCK));
  return look;
}

std::vector<ThreadLook> look_at_threads(std::int32_t pid) {
  std::vector<ThreadLook> looks;
  for_each_number(fmt::format("/proc/{}/task", pid), kMaxThreads, [&](std::int32_t tid) {
    if (const auto look = look_at_thread(pid, tid)) {
      looks.push_back(*look);
    }
  });
  return looks;
}

std::vector<SocketLook> look_at_sockets(std::int32_t pid, const std::string& except) {
  const auto by_inode = connections(pid, except);
  std::vector<SocketLook> found;
  if (by_inode.empty()) {
    return found;
  }
  constexpr std::size_t kMaxDescriptors = 4096;
  for_each_number(fmt::format("/proc/{}/fd", pid), kMaxDescriptors, [&](std::int32_t descriptor) {
    char target[64] = {};
    const std::string link = fmt::format("/proc/{}/fd/{}", pid, descriptor);
    constexpr std::string_view kPrefix = "socket:[";
    if (readlink(link.c_str(), target, sizeof(target) - 1) <= 0 ||
        !std::string_view(target).starts_with(kPrefix)) {
      return;
    }
    const auto socket = by_inode.find(std::strtoull(target + kPrefix.size(), nullptr, 10));
    if (socket != by_inode.end()) {
      found.push_back(socket->second);
      found.back().descriptor = descriptor;
    }
  });
  put_in_order(
      found, [](const SocketLook& a, const SocketLook& b) { return a.connecting > b.connecting; });
  found.resize(std::min(found.size(), kMaxSockets));
  return found;
}

void ask_running(std::int32_t pid, std::uint64_t ask, const std::vector<ThreadLook>& threads) {
  if (ask == 0) {
    return;
  }
  for (const ThreadLook& thread : threads) {
    if (!thread.running) {
      continue;
    }
    siginfo_t info{};
    info.si_code = SI_QUEUE;
    info.si_pid = getpid();
    info.si_uid = getuid();
    info.si_value.sival_ptr = reinterpret_cast<void*>(ask);
    syscall(SYS_rt_tgsigqueueinfo, pid, thread.tid, recording::kAskSignal, &info);
  }
}

const ThreadLook* look_at(const Closeup& closeup, std::int32_t tid) {
  for (const ThreadLook& look : closeup.threads) {
    if (look.tid == tid) {
      return &look;
    }
  }
  return nullptr;
}

std::vector<Closeup::Busy> busy_between(const std::vector<ThreadLook>& first,
                                        const std::vector<ThreadLook>& second,
                                        std::uint64_t window_ns) {
  std::vector<Closeup::Busy> busy;
  for (const ThreadLook& now : second) {
    const auto before = std::find_if(
        first.begin(), first.end(), [&now](const ThreadLook& look) { return look.tid == now.tid; });
    const ThreadLook start = before != first.end() ? *before : ThreadLook{};
    const auto grown = [window_ns](std::uint64_t now_ns, std::uint64_t then_ns) {
      return std::min(window_ns, now_ns - std::min(now_ns, then_ns));
    };
    const std::uint64_t used = grown(now.cpu_ns, start.cpu_ns);
    const std::uint64_t wanted =
        std::min(window_ns, used + grown(now.run_delay_ns, start.run_delay_ns));
    if (now.running || (window_ns != 0 && wanted * 2 >= window_ns)) {
      busy.push_back({now.tid, used, wanted});
    }
  }
  put_in_order(busy,
               [](const Closeup::Busy& a, const Closeup::Busy& b) { return a.cpu_ns > b.cpu_ns; });
  return busy;
}

}  // namespace lamprey::report
