// The companion's parts by themselves: settings, events, waiting, the wrapper's note.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <fstream>
#include <map>
#include <thread>

#include "companion/config.h"
#include "companion/waiter.h"
#include "companion/wrapper_note.h"
#include "lambda/event.h"
#include "tests/unit/recording_builder.h"

namespace lamprey {
namespace {

using companion::Config;
using lamprey::testing::RecordingBuilder;
using lamprey::testing::TemporaryDirectory;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

class ConfigTest : public ::testing::Test {
 protected:
  Config read() {
    complaints_.clear();
    return companion::read_config(lookup(), complaints_);
  }
  companion::Lookup lookup() {
    return [this](const char* name) -> const char* {
      const auto found = environment_.find(name);
      return found == environment_.end() ? nullptr : found->second.c_str();
    };
  }
  std::map<std::string, std::string> environment_;
  std::vector<std::string> complaints_;
};

TEST_F(ConfigTest, Defaults) {
  const Config config = read();
  EXPECT_EQ(config.detail, cloudwatch::Detail::kAuto);
  EXPECT_EQ(config.lines, companion::Lines::kAll);
  EXPECT_EQ(config.sample_bytes, 65536U);
  EXPECT_TRUE(config.metrics);
  EXPECT_EQ(config.metric_namespace, "Lamprey");
  EXPECT_FALSE(config.follow_children);
  EXPECT_TRUE(complaints_.empty());
  EXPECT_FALSE(companion::is_off(lookup()));
  EXPECT_FALSE(companion::is_batch(lookup()));
}

TEST_F(ConfigTest, LinesLeaveAtTheEndOrInBatches) {
  environment_ = {{"LAMPREY_FLUSH", "batch"}};
  read();
  EXPECT_TRUE(complaints_.empty());
  EXPECT_TRUE(companion::is_batch(lookup()));
  environment_ = {{"LAMPREY_FLUSH", "end"}};
  read();
  EXPECT_TRUE(complaints_.empty());
  EXPECT_FALSE(companion::is_batch(lookup()));
  environment_ = {{"LAMPREY_FLUSH", "Batch"}};
  read();
  EXPECT_FALSE(companion::is_batch(lookup()));
  EXPECT_THAT(
      complaints_,
      ElementsAre("lamprey: LAMPREY_FLUSH is \"Batch\": accepted are end, batch; using end"));
}

TEST_F(ConfigTest, AcceptedValues) {
  environment_ = {{"LAMPREY_DETAIL", "short"}, {"LAMPREY_SAMPLE_BYTES", "0"},
                  {"LAMPREY_METRICS", "off"},  {"LAMPREY_NAMESPACE", "My/App"},
                  {"LAMPREY_LOG", "debug"},    {"LAMPREY_FOLLOW_CHILDREN", "on"},
                  {"LAMPREY", "off"},          {"LAMPREY_LINES", "notable"}};
  const Config config = read();
  EXPECT_TRUE(complaints_.empty());
  EXPECT_EQ(config.detail, cloudwatch::Detail::kShort);
  EXPECT_EQ(config.lines, companion::Lines::kNotable);
  EXPECT_EQ(config.sample_bytes, 0U);
  EXPECT_FALSE(config.metrics);
  EXPECT_EQ(config.metric_namespace, "My/App");
  EXPECT_EQ(config.log, companion::LogLevel::kDebug);
  EXPECT_TRUE(config.follow_children);
  EXPECT_TRUE(companion::is_off(lookup()));
}

TEST_F(ConfigTest, BoundsAreAcceptedAndWhatIsBeyondIsNot) {
  environment_ = {{"LAMPREY_SAMPLE_BYTES", "1099511627776"},
                  {"LAMPREY_NAMESPACE", std::string(255, 'n')}};
  EXPECT_EQ(read().sample_bytes, companion::kMaxSampleBytes);
  EXPECT_TRUE(complaints_.empty());
  environment_ = {{"LAMPREY_SAMPLE_BYTES", "1099511627777"},
                  {"LAMPREY_NAMESPACE", std::string(256, 'n')}};
  EXPECT_EQ(read().metric_namespace, "Lamprey");
  EXPECT_EQ(read().sample_bytes, 65536U);
  EXPECT_EQ(complaints_.size(), 2U);
}

TEST_F(ConfigTest, OneLineForEachUnknownValueAndTheDefault) {
  environment_ = {{"LAMPREY_DETAIL", "x"}};
  EXPECT_EQ(read().detail, cloudwatch::Detail::kAuto);
  EXPECT_THAT(complaints_,
              ElementsAre("lamprey: LAMPREY_DETAIL is \"x\": accepted are auto, full, short; "
                          "using auto"));
  environment_ = {{"LAMPREY", "yes"},
                  {"LAMPREY_LINES", "none"},
                  {"LAMPREY_SAMPLE_BYTES", "-1"},
                  {"LAMPREY_METRICS", "On"},
                  {"LAMPREY_NAMESPACE", ":\"\n"},
                  {"LAMPREY_LOG", std::string(5000, 'x') + "\n"},
                  {"LAMPREY_FOLLOW_CHILDREN", "1"},
                  {"LAMPREY_TRACE_LANGUAGE", "python"},
                  {"OTHER_SECRET", "hunter2"}};
  const Config config = read();
  EXPECT_EQ(complaints_.size(), 8U);
  for (const std::string& complaint : complaints_) {
    EXPECT_EQ(complaint.find('\n'), std::string::npos);
    EXPECT_LT(complaint.size(), 300U);
    EXPECT_EQ(complaint.find("hunter2"), std::string::npos);
  }
  EXPECT_EQ(config.sample_bytes, 65536U);
  EXPECT_TRUE(config.metrics);
}

TEST(EventTest, Invoke) {
  const auto event = lambda::parse_event(
      R"({"eventType":"INVOKE","deadlineMs":17,"requestId":"r","tracing":{"type":"x"}})");
  ASSERT_TRUE(event);
  EXPECT_EQ(event->type, lambda::EventType::kInvoke);
  EXPECT_EQ(event->deadline_ms, 17U);
  EXPECT_EQ(event->request_id, "r");
}

TEST(EventTest, ReasonsInAnyCaseAndUnknownOnesAreFailures) {
  using lambda::ShutdownReason;
  EXPECT_EQ(lambda::parse_reason("SPINDOWN"), ShutdownReason::kSpindown);
  EXPECT_EQ(lambda::parse_reason("spindown"), ShutdownReason::kSpindown);
  EXPECT_EQ(lambda::parse_reason("SandboxTerminated"), ShutdownReason::kSpindown);
  EXPECT_EQ(lambda::parse_reason("Timeout"), ShutdownReason::kTimeout);
  EXPECT_EQ(lambda::parse_reason("FAILURE"), ShutdownReason::kFailure);
  EXPECT_EQ(lambda::parse_reason("ReleaseFail"), ShutdownReason::kFailure);
  EXPECT_EQ(lambda::parse_reason(""), ShutdownReason::kFailure);
}

TEST(EventTest, NonsenseIsNoEvent) {
  for (const char* text : {"", "{", "[]", "7", "{\"eventType\":7}", "{\"eventType\":\"RESTORE\"}",
                           "null", "\xFF\xFE"}) {
    EXPECT_FALSE(lambda::parse_event(text)) << text;
  }
  const auto odd = lambda::parse_event(R"({"eventType":"INVOKE","deadlineMs":-5,"requestId":[]})");
  ASSERT_TRUE(odd);
  EXPECT_EQ(odd->deadline_ms, 0U);
  EXPECT_EQ(lambda::parse_registration("x").function_name, "");
}

class WaiterTest : public ::testing::Test {
 protected:
  WaiterTest() : builder_(directory_.path() + "/1.rec") {
    recording::Failure failure;
    reader_ = recording::Reader::open(builder_.path(), failure);
  }
  TemporaryDirectory directory_;
  RecordingBuilder builder_;
  std::optional<recording::Reader> reader_;
};

TEST_F(WaiterTest, AMarkEndsTheSleep) {
  companion::Waiter waiter(*reader_);
  const std::uint32_t seen = *reader_->wake();
  std::thread marker([this] {
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
    builder_.end_init();
  });
  const auto begun = std::chrono::steady_clock::now();
  while (*reader_->wake() == seen) {
    waiter.wait(seen, std::chrono::seconds(5));
  }
  EXPECT_LT(std::chrono::steady_clock::now() - begun, std::chrono::seconds(1));
  EXPECT_FALSE(waiter.naps());
  marker.join();
  // A word that has changed already is no reason to sleep at all.
  const auto again = std::chrono::steady_clock::now();
  waiter.wait(seen, std::chrono::seconds(5));
  EXPECT_LT(std::chrono::steady_clock::now() - again, std::chrono::milliseconds(15));
}

TEST_F(WaiterTest, MarksWithoutWakeUpsTurnItToNaps) {
  companion::Waiter waiter(*reader_);
  builder_.end_init();
  for (int i = 0; i < 3; ++i) {
    builder_.start("request");
    const std::uint32_t seen = *reader_->wake();
    std::thread marker([this] {
      std::this_thread::sleep_for(std::chrono::milliseconds(3));
      builder_.writer().mark_end(0, 4711, RecordingBuilder::now());  // no futex wake
    });
    waiter.wait(seen, std::chrono::seconds(1));
    marker.join();
  }
  EXPECT_TRUE(waiter.naps());
}

// START and the answer wake nobody: taken for lost wake-ups, they had the companion look every
// millisecond for the rest of its life, in every function that once ran for longer than a slice.
TEST_F(WaiterTest, MarksThatWakeNobodyAreNoReasonToNap) {
  companion::Waiter waiter(*reader_);
  builder_.end_init();
  for (int i = 0; i < 4; ++i) {
    const std::string id = "req-" + std::to_string(i);
    for (const bool answer : {false, true}) {
      const std::uint32_t seen = *reader_->wake();
      std::thread marker([&] {
        std::this_thread::sleep_for(std::chrono::milliseconds(3));
        if (answer) {
          builder_.writer().mark_response(id.c_str(), false, RecordingBuilder::now());
        } else {
          builder_.start(id);
        }
      });
      waiter.wait(seen, std::chrono::seconds(1));
      marker.join();
    }
    builder_.end();
  }
  EXPECT_FALSE(waiter.naps());
}

TEST_F(WaiterTest, WakeUpsThatComeForgetAMissedOne) {
  companion::Waiter waiter(*reader_);
  for (int i = 0; i < 4; ++i) {
    for (const bool wakes : {false, true}) {
      const std::uint32_t seen = *reader_->wake();
      std::thread marker([&] {
        std::this_thread::sleep_for(std::chrono::milliseconds(3));
        if (wakes) {
          builder_.end_init();
        } else {
          builder_.writer().mark_init_end(RecordingBuilder::now());
        }
      });
      waiter.wait(seen, std::chrono::seconds(1));
      marker.join();
    }
  }
  EXPECT_FALSE(waiter.naps());
}

TEST_F(WaiterTest, ACutFileIsNoDanger) {
  companion::Waiter waiter(*reader_);
  ASSERT_EQ(truncate(builder_.path().c_str(), 0), 0);
  waiter.wait(0, std::chrono::milliseconds(10));
  EXPECT_TRUE(waiter.naps());
}

TEST(WrapperNoteTest, ReadsItsKeysAndSaysWhy) {
  const TemporaryDirectory directory;
  const std::string path = directory.path() + "/wrapper";
  EXPECT_FALSE(companion::read_wrapper_note(path));
  std::ofstream(path) << "environment=127.0.0.1:9001\npid=5\nstarted_ns=17\nlibrary=missing\n"
                         "handler=a=b\nnonsense\n";
  const auto note = companion::read_wrapper_note(path);
  ASSERT_TRUE(note);
  EXPECT_EQ(note->environment, "127.0.0.1:9001");
  EXPECT_EQ(note->started_ns, 17U);
  EXPECT_THAT(companion::why_unrecorded(note), HasSubstr("no liblamprey.so"));
  EXPECT_THAT(companion::why_unrecorded(std::nullopt), HasSubstr("AWS_LAMBDA_EXEC_WRAPPER"));
  std::ofstream(path) << std::string(100'000, 'x');
  EXPECT_FALSE(companion::read_wrapper_note(path));
}

}  // namespace
}  // namespace lamprey
