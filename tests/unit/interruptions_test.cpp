// A handled signal ends a blocking call early, with EINTR. What waits goes on waiting.
#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <pthread.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <csignal>
#include <thread>

#include "lambda/extensions_client.h"
#include "lambda/tcp.h"

namespace lamprey {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

// A handler for SIGUSR2, installed without SA_RESTART, for as long as this lives.
class Handler {
 public:
  Handler() {
    struct sigaction action {};
    action.sa_handler = [](int) {};
    sigaction(SIGUSR2, &action, &before_);
  }
  ~Handler() { sigaction(SIGUSR2, &before_, nullptr); }
  Handler(const Handler&) = delete;
  Handler& operator=(const Handler&) = delete;

 private:
  struct sigaction before_ {};
};

template <typename Condition>
bool soon(const Condition& condition) {
  const auto until = steady_clock::now() + std::chrono::seconds(5);
  while (!condition() && steady_clock::now() < until) {
    std::this_thread::sleep_for(milliseconds(1));
  }
  return condition();
}

// Listens on loopback, and takes nobody until it is told to.
class Listener {
 public:
  Listener() {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof(address);
    auto* raw = reinterpret_cast<sockaddr*>(&address);
    EXPECT_EQ(bind(descriptor_, raw, size), 0);
    EXPECT_EQ(listen(descriptor_, 0), 0);
    EXPECT_EQ(getsockname(descriptor_, raw, &size), 0);
    address_ = "127.0.0.1:" + std::to_string(ntohs(address.sin_port));
  }
  ~Listener() { close(descriptor_); }
  Listener(const Listener&) = delete;
  Listener& operator=(const Listener&) = delete;
  const std::string& address() const { return address_; }
  lambda::Socket take() const { return lambda::Socket(accept(descriptor_, nullptr, nullptr)); }

 private:
  int descriptor_ = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  std::string address_;
};

TEST(InterruptionsTest, TheClientIdlesOn) {
  const Handler handler;
  const Listener listener;
  lambda::ExtensionsClient client({listener.address(), "lamprey", {}});
  std::atomic<int> idled = 0;
  std::atomic<bool> over = false;
  std::thread waiter([&] {
    client.next([&] {
      ++idled;
      return milliseconds(5);
    });
    over = true;
  });
  const lambda::Socket taken = listener.take();
  EXPECT_TRUE(soon([&] { return idled > 3; }));
  for (int i = 0; i < 20; ++i) {
    pthread_kill(waiter.native_handle(), SIGUSR2);
    std::this_thread::sleep_for(milliseconds(1));
  }
  const int before = idled;
  EXPECT_TRUE(soon([&] { return idled > before + 3; }));
  EXPECT_FALSE(over);
  const std::string event = R"({"eventType":"SHUTDOWN","shutdownReason":"spindown"})";
  lambda::send_all(taken, "HTTP/1.1 200 OK\r\nContent-Length: " + std::to_string(event.size()) +
                              "\r\n\r\n" + event);
  waiter.join();
}

TEST(InterruptionsTest, AConnectThatBlocksGoesOn) {
  const Handler handler;
  const Listener listener;
  const lambda::Socket first = lambda::connect_to(listener.address());  // fills its queue
  std::atomic<bool> connected = false;
  std::string trouble;
  std::thread connecting([&] {
    try {
      connected = lambda::connect_to(listener.address()).is_open();
    } catch (const std::exception& error) {
      trouble = error.what();
    }
  });
  std::this_thread::sleep_for(milliseconds(50));
  EXPECT_FALSE(connected) << "the queue is longer than it was thought to be";
  for (int i = 0; i < 5; ++i) {
    pthread_kill(connecting.native_handle(), SIGUSR2);
    std::this_thread::sleep_for(milliseconds(5));
  }
  const lambda::Socket taken = listener.take();  // room again: the next SYN gets through
  connecting.join();
  EXPECT_EQ(trouble, "");
  EXPECT_TRUE(connected);
}

}  // namespace
}  // namespace lamprey
