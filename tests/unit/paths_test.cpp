// Paths in one form, and the directory that stands for many.
#include "preload/io/paths.h"

#include <gtest/gtest.h>

#include <string>

namespace lamprey::preload::io::paths {
namespace {

std::string made(const char* base, const char* path) {
  Path into;
  return make(into, base, path) ? std::string(into.text) : std::string("none");
}

std::string top(const char* path) {
  Path into;
  return make(into, nullptr, path) ? std::string(into.text, into.directory_bytes)
                                   : std::string("none");
}

TEST(PathsTest, AreAbsoluteAndPlain) {
  EXPECT_EQ(made(nullptr, "/a/b"), "/a/b");
  EXPECT_EQ(made(nullptr, "//a/.//b/"), "/a/b");
  EXPECT_EQ(made(nullptr, "/a/x/../b"), "/a/b");
  EXPECT_EQ(made(nullptr, "/../../a"), "/a");
  EXPECT_EQ(made(nullptr, "/"), "/");
  EXPECT_EQ(made("/var/task", "lib/../app.py"), "/var/task/app.py");
  EXPECT_EQ(made("/var/task", "../x"), "/var/x");
  EXPECT_EQ(made("/var/task", ".."), "/var");
  EXPECT_EQ(made(nullptr, "/...a/..b"), "/...a/..b");
}

TEST(PathsTest, WithoutABaseOrANameThereIsNone) {
  EXPECT_EQ(made(nullptr, "relative"), "none");
  EXPECT_EQ(made("/", ""), "none");
  EXPECT_EQ(made("/", nullptr), "none");
}

TEST(PathsTest, LongOnesAreCutAndStayInside) {
  const std::string name(200, 'n');
  const std::string longest = "/" + name + "/" + name + "/" + name;
  const std::string cut = made(nullptr, longest.c_str());
  EXPECT_LT(cut.size(), kBytes);
  EXPECT_EQ(longest.compare(0, cut.size(), cut), 0);
  const std::string deep(4000, '/');
  EXPECT_EQ(made(nullptr, (deep + "a").c_str()), "/a");
  std::string many;
  for (int i = 0; i < 500; ++i) {
    many += "/a";
  }
  EXPECT_LT(made(nullptr, many.c_str()).size(), kBytes);
}

TEST(PathsTest, TopDirectories) {
  EXPECT_EQ(top("/var/task/node_modules/aws-sdk/lib/core.js"), "/var/task/node_modules/aws-sdk");
  EXPECT_EQ(top("/var/task/node_modules/@aws/client/a/b.js"), "/var/task/node_modules/@aws/client");
  EXPECT_EQ(top("/var/task/node_modules/one.js"), "/var/task/node_modules");
  EXPECT_EQ(top("/var/lang/lib/python3.11/site-packages/requests/x.py"),
            "/var/lang/lib/python3.11/site-packages/requests");
  EXPECT_EQ(top("/usr/lib/python3.11/json/decoder.py"), "/usr/lib/python3.11");
  EXPECT_EQ(top("/var/task/app.py"), "/var/task");
  EXPECT_EQ(top("/etc/hosts"), "/etc");
  EXPECT_EQ(top("/file"), "/");
  EXPECT_EQ(top("/"), "/");
}

TEST(PathsTest, BelowTheRootItIsTheFirstName) {
  const auto set_root = [](const char* text) {
    Path root;
    ASSERT_TRUE(make(root, nullptr, text));
    root_is(root);
  };
  EXPECT_FALSE(is_below_root("/home/me/orders/src/app.py"));
  set_root("/home/me/orders/src/");
  EXPECT_TRUE(is_below_root("/home/me/orders/src/app.py"));
  EXPECT_FALSE(is_below_root("/home/me/orders/src"));
  EXPECT_TRUE(is_root("/home/me/orders/src"));
  EXPECT_FALSE(is_root("/home/me/orders"));
  EXPECT_FALSE(is_below_root("/home/me/orders/src2/app.py"));
  EXPECT_EQ(top("/home/me/orders/src/app.py"), "/home/me/orders/src");
  EXPECT_EQ(top("/home/me/orders/src/billing/deep/a.py"), "/home/me/orders/src/billing");
  EXPECT_EQ(top("/home/me/orders/src/node_modules/x/y/z.js"), "/home/me/orders/src/node_modules/x");
  EXPECT_EQ(top("/home/me/orders/src2/a.py"), "/home/me/orders");
  set_root("/var/task");
  EXPECT_EQ(top("/var/task/billing/deep/a.py"), "/var/task/billing");
  set_root("/");
  EXPECT_FALSE(is_below_root("/app.py"));
  EXPECT_EQ(top("/home/me/orders/src/app.py"), "/home/me/orders");
}

TEST(PathsTest, Packages) {
  EXPECT_TRUE(is_in_packages("/opt/nodejs/node_modules/axios/index.js"));
  EXPECT_TRUE(is_in_packages("/var/lang/lib/python3.12/site-packages"));
  EXPECT_TRUE(is_in_packages("/usr/lib/python3/dist-packages/yaml"));
  EXPECT_FALSE(is_in_packages("/srv/my-site-packages/yaml"));
  EXPECT_FALSE(is_in_packages("/usr/lib/python3.11/json"));
  EXPECT_FALSE(is_in_packages("/"));
  EXPECT_FALSE(is_in_packages(""));
}

TEST(PathsTest, HashesTellApart) {
  EXPECT_EQ(hash_of("/a/b", 4), hash_of("/a/b", 4));
  EXPECT_NE(hash_of("/a/b", 4), hash_of("/a/c", 4));
  EXPECT_NE(hash_of("/a", 2), hash_of("/a\0", 3));
  EXPECT_NE(hash_of("", 0), 0U);
}

}  // namespace
}  // namespace lamprey::preload::io::paths
