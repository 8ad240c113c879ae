// The recognition of Runtime API traffic: bytes in and out of descriptors become marks. The
// descriptors here are numbers only, except where the kernel is asked what they are.
#include "preload/lambda/runtime_api.h"

#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <csignal>
#include <cstring>
#include <functional>
#include <string>
#include <thread>

#include "preload/base/raw_syscall.h"
#include "preload/base/ticks.h"
#include "preload/lambda/conversations.h"
#include "preload/process/thread.h"
#include "tests/unit/recording_fixture.h"

namespace lamprey::preload::lambda::runtime_api {
namespace {

using recording::InvocationState;

const std::string kNext =
    "GET /2018-06-01/runtime/invocation/next HTTP/1.1\r\nHost: 127.0.0.1:9001\r\n\r\n";

std::string work(const std::string& id) {
  return "HTTP/1.1 200 OK\r\nlambda-runtime-aws-request-id: " + id +
         "\r\nLambda-Runtime-Deadline-Ms: 1700000000123\r\nLambda-Runtime-Trace-Id: Root=1-a-b\r\n"
         "Lambda-Runtime-Invoked-Function-Arn: arn:aws:lambda:f\r\nContent-Length: 2\r\n\r\n{}";
}

std::string answer(const std::string& id, const std::string& body, const char* what = "response") {
  return "POST /2018-06-01/runtime/invocation/" + id + "/" + what +
         " HTTP/1.1\r\nContent-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body;
}

const std::string kAccepted = "HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n";

class RuntimeApiTest : public ::testing::Test {
 protected:
  RuntimeApiTest() {
    choose_clock();
    g_writer.bind(memory_.base());
    const_cast<recording::Header&>(memory_.header()).pid = static_cast<std::int32_t>(::getpid());
    g_wiped.recording = 1;
    forget_thread();
  }
  ~RuntimeApiTest() override {
    forget_all();
    for (int fd = 0; fd < 200; ++fd) {
      g_descriptor[fd] = kPlain;
    }
    g_wiped.recording = 0;
    forget_thread();
    g_writer.unbind();
    g_patience_ns = before_;
  }

  static void send(int fd, const std::string& bytes, std::size_t piece = 1 << 20) {
    for (std::size_t at = 0; at < bytes.size(); at += piece) {
      const std::size_t n = std::min(piece, bytes.size() - at);
      sending(fd, bytes.data() + at, n);
      sent(fd, bytes.data() + at, n);
    }
  }
  static void receive(int fd, const std::string& bytes, std::size_t piece = 1 << 20) {
    for (std::size_t at = 0; at < bytes.size(); at += piece) {
      received(fd, bytes.data() + at, std::min(piece, bytes.size() - at));
    }
  }
  std::uint64_t started() { return memory_.header().started; }
  std::uint64_t ended() { return memory_.header().ended; }

  test::RecordingMemory memory_;
  const std::uint64_t before_ = g_patience_ns;
};

TEST_F(RuntimeApiTest, KeepAliveConnectionInPiecesOfAnySize) {
  for (const std::size_t piece : {std::size_t{1}, std::size_t{7}, std::size_t{100000}}) {
    const std::uint64_t before = ended();
    connected(50);
    send(50, kNext, piece);
    EXPECT_TRUE(g_writer.init_ended());
    for (int i = 0; i < 3; ++i) {
      const std::string id = "id-" + std::to_string(piece) + "-" + std::to_string(i);
      receive(50, work(id), piece);
      EXPECT_STREQ(memory_.invocation(started()).request_id, id.c_str());
      EXPECT_EQ(memory_.invocation(started()).deadline_ms, 1700000000123U);
      EXPECT_STREQ(memory_.invocation(started()).trace_id, "Root=1-a-b");
      send(50, answer(id, "{\"ok\":1}"), piece);
      EXPECT_EQ(memory_.invocation(started()).state, InvocationState::kResponded);
      receive(50, kAccepted, piece);
      send(50, kNext, piece);
      EXPECT_EQ(memory_.invocation(started()).state, InvocationState::kEnded);
    }
    EXPECT_EQ(ended(), before + 3);
  }
}

// AWS's clients for Node.js and Java name the error in a header, that for Python in the body alone.
TEST_F(RuntimeApiTest, AnErrorHasTheRuntimesWord) {
  const auto& notes =
      *reinterpret_cast<recording::Notes*>(memory_.base() + recording::kNotesOffset);
  const std::string body = R"({"errorMessage":"x","errorType":"KeyError"})";
  for (const std::size_t piece : {std::size_t{1}, std::size_t{100000}}) {
    const std::string id = "id" + std::to_string(piece);
    connected(50);
    send(50, kNext, piece);
    receive(50, work(id), piece);
    send(50, answer(id, body, "error"), piece);
    const recording::ErrorText& text = notes.errors[(started() + 1) % recording::kErrorTexts];
    EXPECT_EQ(text.key, started() + 1);
    EXPECT_STREQ(text.type, "KeyError");
    EXPECT_EQ(memory_.invocation(started()).response_bytes, 0U);
    receive(50, kAccepted, piece);
  }
  std::string typed = answer("id", body, "error");
  typed.insert(typed.find("Content-Length"),
               "Lambda-Runtime-Function-Error-Type: Runtime." + std::string(10'000, 'x') + "\r\n");
  send(50, kNext);
  receive(50, work("id"));
  send(50, typed, 1000);
  const std::string told = notes.errors[(started() + 1) % recording::kErrorTexts].type;
  EXPECT_EQ(told, "Runtime." + std::string(111, 'x'));
}

// AWS's client for Java has the same header for every error of the function.
TEST_F(RuntimeApiTest, TheBodysWordIsBetterThanAHeaderThatIsAlwaysTheSame) {
  const auto& notes =
      *reinterpret_cast<recording::Notes*>(memory_.base() + recording::kNotesOffset);
  const std::string header = "Lambda-Runtime-Function-Error-Type: Runtime.UserException\r\n";
  connected(50);
  for (const auto& [body, type] :
       {std::pair<const char*, const char*>{R"({"errorType":"java.lang.OutOfMemoryError"})",
                                            "java.lang.OutOfMemoryError"},
        {"{}", "Runtime.UserException"}}) {
    send(50, kNext);
    receive(50, work(type));
    std::string typed = answer(type, body, "error");
    typed.insert(typed.find("Content-Length"), header);
    send(50, typed);
    EXPECT_STREQ(notes.errors[(started() + 1) % recording::kErrorTexts].type, type);
    receive(50, kAccepted);
  }
}

TEST_F(RuntimeApiTest, AnErrorOfInitHasItsWordToo) {
  connected(50);
  send(50,
       "POST /2018-06-01/runtime/init/error HTTP/1.1\r\nLambda-Runtime-Function-Error-Type: "
       "Runtime.ImportModuleError\r\nContent-Length: 2\r\n\r\n{}");
  const auto& notes =
      *reinterpret_cast<recording::Notes*>(memory_.base() + recording::kNotesOffset);
  EXPECT_EQ(notes.errors[1].key, 1U);
  EXPECT_STREQ(notes.errors[1].type, "Runtime.ImportModuleError");
}

TEST_F(RuntimeApiTest, AnAnswerHasItsSizeAndWhatWasSaidOfIt) {
  connected(50);
  send(50, kNext);
  receive(50, work("a"));
  send(50, answer("a", std::string(7000, '.')), 900);
  EXPECT_EQ(memory_.invocation(1).response_bytes, 7000U);
  receive(50, "HTTP/1.1 413 Too large\r\nContent-Length: 0\r\n\r\n");
  EXPECT_EQ(memory_.invocation(1).response_status, 413U);
  EXPECT_NE(memory_.invocation(1).flags & recording::kInvocationError, 0U);
  send(50, kNext);
  receive(50, work("b"));
  send(50,
       "POST /2018-06-01/runtime/invocation/b/response HTTP/1.1\r\nTransfer-Encoding: "
       "chunked\r\n\r\n5\r\nhello\r\n3\r\n...\r\n0\r\n\r\n");
  receive(50, kAccepted);
  EXPECT_EQ(memory_.invocation(2).response_bytes, 8U);
  EXPECT_EQ(memory_.invocation(2).response_status, 202U);
  EXPECT_EQ(memory_.invocation(2).flags & recording::kInvocationError, 0U);
}

TEST_F(RuntimeApiTest, EndIsMarkedBeforeTheRequestLeaves) {
  connected(50);
  send(50, kNext);
  receive(50, work("a"));
  send(50, answer("a", "x"));
  sending(50, kNext.data(), kNext.size());  // the real send has not happened yet
  EXPECT_EQ(ended(), 1U);
  sent(50, kNext.data(), kNext.size());
  EXPECT_EQ(ended(), 1U);
}

TEST_F(RuntimeApiTest, TwoConnectionsEndOnlyTheirOwnInvocations) {
  connected(50);
  connected(51);
  send(50, kNext);
  send(51, kNext);
  receive(50, work("a"));
  receive(51, work("b"));
  send(50, answer("a", "x") + kNext);
  EXPECT_EQ(memory_.invocation(1).state, InvocationState::kEnded);
  EXPECT_EQ(memory_.invocation(2).state, InvocationState::kStarted);
}

// aws-lambda-ric for Node asks for work on pool threads in turn, each with a connection of its own.
TEST_F(RuntimeApiTest, WorkIsAskedForOnAnotherOpenConnection) {
  connected(50);
  send(50, kNext);
  receive(50, work("a"));
  connected(51);
  send(51, answer("a", "x"));
  connected(52);
  send(52, kNext);
  EXPECT_EQ(ended(), 1U);
}

// aws-lambda-ric for Node on Managed Instances: it asks for more before it answers.
TEST_F(RuntimeApiTest, ConcurrentInvocationsEndWithTheirAnswers) {
  const_cast<recording::Header&>(memory_.header()).flags |= recording::kFlagConcurrent;
  connected(50);
  send(50, kNext);
  receive(50, work("a"));
  send(50, kNext);
  receive(50, work("b"));
  send(50, kNext);
  EXPECT_EQ(ended(), 0U);
  EXPECT_EQ(memory_.invocation(1).flags, recording::kInvocationHandedOn);
  connected(51);
  const std::string whole = answer("b", "a long body");
  send(51, whole.substr(0, whole.size() - 1));
  EXPECT_EQ(ended(), 0U);
  send(51, whole.substr(whole.size() - 1));
  EXPECT_EQ(memory_.invocation(2).state, InvocationState::kEnded);
  EXPECT_EQ(memory_.invocation(1).state, InvocationState::kStarted);
  receive(51, kAccepted);
  send(51, answer("a", "x", "error"));
  EXPECT_EQ(ended(), 2U);
}

TEST_F(RuntimeApiTest, WorkersThatAnswerFirstAreNotSaidToHandOn) {
  const_cast<recording::Header&>(memory_.header()).flags |= recording::kFlagConcurrent;
  connected(50);
  for (int i = 0; i < 3; ++i) {
    send(50, kNext);
    receive(50, work("r" + std::to_string(i)));
    send(50, answer("r" + std::to_string(i), "x"));
    receive(50, kAccepted);
  }
  EXPECT_EQ(ended(), 3U);
  EXPECT_EQ(memory_.invocation(3).flags, 0U);
}

TEST_F(RuntimeApiTest, ConnectionPerCall) {
  for (int i = 0; i < 5; ++i) {
    connected(60);
    send(60, kNext);
    receive(60, work("r" + std::to_string(i)));
    forget(60);
    connected(61);
    send(61, answer("r" + std::to_string(i), "body", i == 3 ? "error" : "response"));
    receive(61, kAccepted);
    forget(61);
  }
  connected(60);
  send(60, kNext);
  EXPECT_EQ(started(), 5U);
  EXPECT_EQ(ended(), 5U);
  EXPECT_EQ(memory_.invocation(4).flags & recording::kInvocationError, recording::kInvocationError);
  EXPECT_EQ(memory_.invocation(5).flags, 0U);
}

TEST_F(RuntimeApiTest, PipelinedRequestsAndAnswersInOneRead) {
  connected(50);
  send(50, kNext);
  receive(50, work("a"));
  send(50, answer("a", "x") + kNext);
  EXPECT_EQ(ended(), 1U);
  receive(50, kAccepted + work("b"));
  EXPECT_EQ(started(), 2U);
  EXPECT_STREQ(memory_.invocation(2).request_id, "b");
}

TEST_F(RuntimeApiTest, BodyThatLooksLikeARequestIsABody) {
  connected(50);
  send(50, kNext);
  receive(50, work("a"));
  std::string body;
  while (body.size() < 5'000'000) {
    body += kNext;
  }
  send(50, answer("a", body), kNext.size());  // pieces that begin exactly with "GET /2018..."
  EXPECT_EQ(ended(), 0U);
  send(50, kNext);
  EXPECT_EQ(ended(), 1U);
}

TEST_F(RuntimeApiTest, ChunkedStreamingAndContinue) {
  connected(50);
  send(50, kNext);
  receive(50, work("a"));
  send(50,
       "POST /2018-06-01/runtime/invocation/a/response HTTP/1.1\r\n"
       "Transfer-Encoding: chunked\r\nExpect: 100-continue\r\n\r\n");
  receive(50, "HTTP/1.1 100 Continue\r\n\r\n");
  send(50, "5\r\nhello\r\n");
  send(50, "0\r\n\r\n");
  receive(50, kAccepted);
  EXPECT_EQ(ended(), 0U);
  send(50, kNext);
  receive(50, work("b"));
  EXPECT_EQ(ended(), 1U);
  EXPECT_EQ(started(), 2U);
}

TEST_F(RuntimeApiTest, OtherTrafficLeavesNoMark) {
  connected(50);
  send(50, "GET /2018/other HTTP/1.1\r\n\r\n");
  receive(50, work("not-ours"));
  EXPECT_EQ(g_descriptor[50], kPlain);
  connected(51);
  send(51, "\x16\x03\x01 TLS");
  EXPECT_EQ(g_descriptor[51], kPlain);
  EXPECT_FALSE(g_writer.init_ended());
  EXPECT_EQ(started(), 0U);
}

TEST_F(RuntimeApiTest, InheritedSocketIsRecognisedAndAFileIsNot) {
  int pair[2];
  ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
  send(pair[0], kNext);
  EXPECT_TRUE(g_writer.init_ended());
  receive(pair[0], work("a"));
  EXPECT_EQ(started(), 1U);
  FILE* log = std::tmpfile();
  send(::fileno(log), kNext);  // an access log that quotes a request
  EXPECT_EQ(ended(), 0U);
  std::fclose(log);
  ::close(pair[0]);
  ::close(pair[1]);
}

TEST_F(RuntimeApiTest, ErrorsAndNonsenseFromTheServer) {
  connected(50);
  send(50, kNext);
  receive(50, "HTTP/1.1 500 Oops\r\nContent-Length: 3\r\n\r\nbad");
  EXPECT_EQ(started(), 0U);
  send(50, kNext);
  receive(50, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}");  // no request id
  EXPECT_EQ(started(), 0U);
  send(50, kNext);
  receive(50, "\x01\x02 nonsense\r\nmore nonsense\r\n\r\n");
  EXPECT_EQ(started(), 0U);
  EXPECT_GT(memory_.header().traffic_dropped, 0U);
  forget(50);  // the client gives up and connects anew
  connected(50);
  send(50, kNext);
  receive(50, work("a"));
  EXPECT_EQ(started(), 1U);
}

TEST_F(RuntimeApiTest, ResponseCutMidHeaderThenNewConnection) {
  connected(50);
  send(50, kNext);
  receive(50, work("a").substr(0, 60));
  EXPECT_EQ(started(), 0U);
  forget(50);
  connected(50);
  send(50, kNext);
  receive(50, work("b"));
  EXPECT_EQ(started(), 1U);
  EXPECT_STREQ(memory_.invocation(1).request_id, "b");
}

TEST_F(RuntimeApiTest, RestoreIsMarked) {
  connected(50);
  send(50, "GET /2018-06-01/runtime/restore/next HTTP/1.1\r\n\r\n");
  EXPECT_EQ(memory_.header().restored.ticks, 0U);
  receive(50, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
  EXPECT_NE(memory_.header().restored.ticks, 0U);
  EXPECT_TRUE(g_writer.init_ended());  // the snapshot is no part of it
  const std::uint64_t init_end = memory_.header().init_end.ticks;
  send(50, kNext);  // what the first request after a restore ends was never started
  receive(50, work("a"));
  EXPECT_EQ(started(), 1U);
  EXPECT_EQ(memory_.header().init_end.ticks, init_end);
}

// Memory whose first read runs something: how another thread gets in between two instructions of
// whoever reads it. `text` stands across the border to a page that may not be read at first.
class Interruption {
 public:
  // `before`: so many of its bytes can be read without that; 0: all but the last.
  Interruption(const std::string& text, std::function<void()> what, std::size_t before = 0) {
    pages_ = static_cast<char*>(
        ::mmap(nullptr, 2 * kPage, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    data_ = pages_ + kPage - (before != 0 ? before : text.size() - 1);
    std::memcpy(data_, text.data(), text.size());
    s_border = pages_ + kPage;
    s_what = std::move(what);
    struct sigaction action = {};
    action.sa_handler = interrupt;
    ::sigaction(SIGSEGV, &action, &before_);
    ::mprotect(s_border, kPage, PROT_NONE);
  }
  ~Interruption() {
    ::sigaction(SIGSEGV, &before_, nullptr);
    ::munmap(pages_, 2 * kPage);
  }
  Interruption(const Interruption&) = delete;
  Interruption& operator=(const Interruption&) = delete;
  const char* data() const { return data_; }

 private:
  static constexpr std::size_t kPage = 4096;
  static void interrupt(int) {
    ::mprotect(s_border, kPage, PROT_READ);
    s_what();
  }
  static inline char* s_border = nullptr;
  static inline std::function<void()> s_what;
  char* pages_ = nullptr;
  char* data_ = nullptr;
  struct sigaction before_ = {};
};

constexpr int kMoreThanThereIsRoomFor = 100;

// A runtime gives up on a connection (a timeout, a failed send elsewhere) while another thread's
// request on it is being looked at.
TEST_F(RuntimeApiTest, ConnectionsClosedWhileASendIsReadTakeNothingWithThem) {
  for (int i = 0; i < kMoreThanThereIsRoomFor; ++i) {
    connected(70);
    const Interruption closed(kNext, [] { forget(70); });
    sent(70, closed.data(), kNext.size());
    ASSERT_EQ(memory_.header().traffic_dropped, 0U) << i;
    ASSERT_EQ(g_descriptor[70], kPlain);
  }
  connected(71);
  send(71, kNext);
  receive(71, work("a"));
  EXPECT_EQ(started(), 1U);
}

TEST_F(RuntimeApiTest, ConnectionsClosedWhileAnAnswerIsReadTakeNothingWithThem) {
  const std::string answered = work("a");
  for (int i = 0; i < kMoreThanThereIsRoomFor; ++i) {
    connected(70);
    send(70, kNext);
    const Interruption closed(
        answered, [] { forget(70); }, 40);
    received(70, closed.data(), answered.size());
    ASSERT_EQ(memory_.header().traffic_dropped, 0U) << i;
    ASSERT_EQ(g_descriptor[70], kPlain);
  }
  const std::uint64_t before = started();
  connected(71);
  send(71, kNext);
  receive(71, work("b"));
  EXPECT_EQ(started(), before + 1);
}

// The number is given out anew in the same instant, and the new connection's first bytes are sent.
TEST_F(RuntimeApiTest, ANumberGivenOutAnewWhileASendIsReadIsTheNewConnections) {
  connected(70);
  send(70, kNext);
  receive(70, work("a"));
  const std::string nonsense = "nonsense\nthat no client says\n";
  const Interruption anew(nonsense, [] {
    forget(70);
    connected(70);
    send(70, kNext);
  });
  sent(70, anew.data(), nonsense.size());
  receive(70, work("b"));
  EXPECT_EQ(started(), 2U);
}

// The first sends of two threads on one connection: one is followed, and no place is lost.
TEST_F(RuntimeApiTest, TwoFirstSendsAtOnceTakeOnePlace) {
  for (int i = 0; i < kMoreThanThereIsRoomFor; ++i) {
    connected(70);
    const Interruption other(
        kNext, [] { sent(70, kNext.data(), kNext.size()); }, 10);
    sent(70, other.data(), kNext.size());
    forget(70);
  }
  for (int fd = 71; fd < 81; ++fd) {
    connected(fd);
    send(fd, kNext);
    receive(fd, work("a"));
  }
  EXPECT_EQ(started(), 10U);
}

// .NET's clients: another thread has received the answer before the sender's hook looks at the
// request.
TEST_F(RuntimeApiTest, AnAnswerWaitsForTheHookOfItsRequest) {
  g_patience_ns = 30'000'000'000;  // the machine may be busy
  const auto later = [](const std::string& request) {
    return std::thread([&request] {
      std::this_thread::sleep_for(std::chrono::milliseconds(3));
      sent(72, request.data(), request.size());
      forget_thread();
    });
  };
  const auto ask = [&](const std::string& request, const std::string& answered) {
    sending(72, request.data(), request.size());
    std::thread sender = later(request);
    receive(72, answered);
    sender.join();
  };
  connected(72);
  const std::string post = answer("none", "{}");  // a connection may begin with an answer
  ask(post, kAccepted);
  for (std::uint64_t i = 1; i <= 3; ++i) {
    ask(kNext, work("a"));
    EXPECT_EQ(started(), i);
    const std::string mine = answer("a", "{}");
    ask(mine, kAccepted);
  }
  EXPECT_EQ(memory_.header().traffic_dropped, 0U);
}

// Whoever asks in the instant in which another gives it back has it next. New threads, whose ids
// nobody has asked for yet, are no exception.
TEST_F(RuntimeApiTest, TwoThreadsHaveAConversationInTurn) {
  constexpr int kRounds = 200'000;
  g_patience_ns = 30'000'000'000;
  connected(75);
  send(75, kNext);
  std::atomic<int> missed = 0;
  const auto have_it = [&missed] {
    for (int i = 0; i < kRounds; ++i) {
      Conversation* c = hold(75);
      if (c == nullptr) {
        ++missed;
      } else {
        release(*c);
      }
    }
    forget_thread();
  };
  std::thread first(have_it);
  std::thread second(have_it);
  first.join();
  second.join();
  EXPECT_EQ(missed, 0);
  EXPECT_EQ(memory_.header().traffic_dropped, 0U);
}

// A handler that interrupts its own thread while that has hold of the connection: waiting would be
// for ever.
TEST_F(RuntimeApiTest, AHandlerDoesNotWaitForItsOwnThread) {
  connected(73);
  g_patience_ns = 30'000'000'000;
  const auto begin = std::chrono::steady_clock::now();
  const Interruption other(
      kNext, [] { sent(73, kNext.data(), kNext.size()); }, 10);
  sending(73, kNext.data(), kNext.size());
  sent(73, other.data(), kNext.size());
  EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(10));
  EXPECT_EQ(memory_.header().traffic_dropped, 1U);
}

// The sender's thread has lost the CPU for longer than anybody waits: what comes after is seen.
TEST_F(RuntimeApiTest, AnAnswerThatIsReadTooEarlyPutsNothingOutOfOrder) {
  g_patience_ns = 1'000'000;
  connected(74);
  const auto ask = [](const std::string& request, const std::string& answered) {
    sending(74, request.data(), request.size());
    receive(74, answered);
    sent(74, request.data(), request.size());
  };
  for (std::uint64_t i = 1; i <= 3; ++i) {
    ask(answer("a", "{}"), kAccepted);
    ask(kNext, work("a"));
    EXPECT_EQ(started(), i);
    EXPECT_EQ(ended(), i - 1);
  }
  send(74, answer("a", "{}"));
  receive(74, kAccepted);
  send(74, kNext);
  receive(74, work("b"));
  EXPECT_EQ(started(), 4U);
  EXPECT_EQ(memory_.header().traffic_dropped, 0U);
}

TEST_F(RuntimeApiTest, MoreConversationsThanFitAreCountedNotFollowed) {
  for (int fd = 20; fd < 120; ++fd) {
    connected(fd);
    send(fd, kNext.substr(0, 10));
  }
  EXPECT_GT(memory_.header().traffic_dropped, 0U);
}

}  // namespace
}  // namespace lamprey::preload::lambda::runtime_api
