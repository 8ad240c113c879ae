// Connections of the companion: where a host is looked for, and what is said of one that is
// nowhere.
#include "lambda/tcp.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <stdexcept>
#include <string>

#include "lambda/hosts_file.h"

namespace lamprey::lambda {
namespace {

// In the words of the exception; empty where there was none.
std::string refusal(const std::string& api) {
  try {
    connect_to(api);
  } catch (const std::runtime_error& error) {
    return error.what();
  }
  return "";
}

TEST(TcpTest, ANumericAddressAndANameInTheHostsFileAreReached) {
  const Socket listener = listen_at("127.0.0.1");
  const std::string port = ":" + std::to_string(port_of(listener));
  EXPECT_TRUE(connect_to("127.0.0.1" + port).is_open());
  if (address_in(read_hosts_file(), "localhost") != "127.0.0.1") {
    GTEST_SKIP() << "localhost is not 127.0.0.1 in this /etc/hosts";
  }
  EXPECT_TRUE(connect_to("localhost" + port).is_open());
}

TEST(TcpTest, AnAddressOfVersion6StandsInBrackets) {
  try {
    const Socket listener = listen_at("::1");
    EXPECT_TRUE(connect_to("[::1]:" + std::to_string(port_of(listener))).is_open());
  } catch (const std::runtime_error& error) {
    GTEST_SKIP() << "no loopback of version 6 here: " << error.what();
  }
}

TEST(TcpTest, WhatIsNoAddressIsNamed) {
  EXPECT_EQ(refusal("nowhere.invalid:9001"),
            "nowhere.invalid is neither an address nor a name in /etc/hosts");
  EXPECT_EQ(refusal("127.0.0.1:port"), "port is no port");
  EXPECT_EQ(refusal("127.0.0.1:65536"), "65536 is no port");
  EXPECT_EQ(refusal("127.0.0.1:"), " is no port");
  EXPECT_EQ(refusal(""), " is neither an address nor a name in /etc/hosts");
}

}  // namespace
}  // namespace lamprey::lambda
