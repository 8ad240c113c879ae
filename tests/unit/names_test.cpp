// Which name a connect gets, where several lookups gave one address.
#include "preload/io/names.h"

#include <gtest/gtest.h>

#include <string>
#include <thread>

#include "preload/base/ticks.h"
#include "preload/process/thread.h"
#include "tests/unit/recording_fixture.h"

namespace lamprey::preload::io::names {
namespace {

class NamesTest : public ::testing::Test {
 protected:
  NamesTest() {
    choose_clock();
    g_writer.bind(memory_.base());
    g_wiped.recording = 1;
    forget_thread();
    forget_all();
  }
  ~NamesTest() override {
    g_wiped.recording = 0;
    forget_thread();
    g_writer.unbind();
  }

  static Address address(std::uint8_t last) { return {recording::kAddressIp4, {10, 0, 0, last}}; }
  static void look_up(const char* host, std::uint8_t last, std::uint16_t port = 0) {
    Answer answer = begin_answer(host);
    add(answer, address(last), port);
    end_answer(answer);
  }
  static void look_up_elsewhere(const char* host, std::uint8_t last) {
    std::thread([host, last] {
      look_up(host, last);
      g_writer.give_back(*t_thread.slot);
    }).join();
  }
  static std::string connect(std::uint8_t last, std::uint16_t port = 443) {
    char name[64];
    name_of(address(last), port, For::kConnect, name, sizeof(name));
    return name;
  }

  test::RecordingMemory memory_;
};

TEST_F(NamesTest, TheLastLookupOfTheThreadItself) {
  EXPECT_EQ(connect(1), "");
  look_up("orders", 1);
  EXPECT_EQ(connect(1), "orders");
  look_up("payments", 1);
  EXPECT_EQ(connect(1), "payments");
  look_up("orders", 1);
  EXPECT_EQ(connect(1), "orders");
  EXPECT_EQ(connect(1), "orders");  // from a client's own cache
  EXPECT_EQ(connect(2), "");
}

TEST_F(NamesTest, ALookupForOnePortIsOfThatPort) {
  look_up("orders", 1, 18128);
  look_up("payments", 1, 18129);
  EXPECT_EQ(connect(1, 18128), "orders");
  EXPECT_EQ(connect(1, 18129), "payments");
  EXPECT_EQ(connect(1, 18128), "orders");
  EXPECT_EQ(connect(1, 443), "");
}

TEST_F(NamesTest, LookupsOfOtherThreadsAreUsedInTheirOrder) {
  look_up_elsewhere("orders", 1);
  look_up_elsewhere("payments", 1);
  EXPECT_EQ(connect(1), "orders");
  EXPECT_EQ(connect(1), "payments");
  EXPECT_EQ(connect(1), "payments");
}

TEST_F(NamesTest, AnAddressInNumbersHasNone) {
  look_up("localhost", 1);
  EXPECT_EQ(connect(1), "localhost");
  look_up("", 1);
  EXPECT_EQ(connect(1), "");
  look_up("localhost", 1);
  EXPECT_EQ(connect(1), "localhost");
}

TEST_F(NamesTest, AnAddressThatMovedLosesItsOldName) {
  look_up("orders", 1);
  EXPECT_EQ(connect(1), "orders");
  std::this_thread::sleep_for(std::chrono::milliseconds(1100));
  look_up("orders", 2);
  EXPECT_EQ(connect(2), "orders");
  EXPECT_EQ(connect(1), "");
}

TEST_F(NamesTest, LookingUsesNothingUp) {
  look_up_elsewhere("orders", 1);
  look_up_elsewhere("payments", 1);
  char name[64];
  name_of(address(1), 443, For::kLook, name, sizeof(name));
  EXPECT_STREQ(name, "orders");
  EXPECT_EQ(connect(1), "orders");
}

TEST_F(NamesTest, MoreNamesThanThereIsRoomFor) {
  for (int i = 0; i < 200; ++i) {
    look_up(("host" + std::to_string(i)).c_str(), static_cast<std::uint8_t>(i));
  }
  EXPECT_EQ(connect(199), "host199");
  EXPECT_EQ(connect(0), "");
}

}  // namespace
}  // namespace lamprey::preload::io::names
