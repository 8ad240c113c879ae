// Names as their authors wrote them: C++, Rust's two forms, and what is none of them.
#include <gtest/gtest.h>

#include "symbols/demangle.h"

namespace lamprey::symbols {
namespace {

TEST(DemangleTest, Cpp) {
  EXPECT_EQ(demangle("malloc"), "malloc");
  EXPECT_EQ(demangle("_ZNSt6vectorIiSaIiEE9push_backERKi"),
            "std::vector<int, std::allocator<int> >::push_back");
  EXPECT_EQ(demangle("_Znwm"), "operator new");
  EXPECT_EQ(demangle("_ZN1AclEv"), "A::operator()");
  EXPECT_EQ(demangle("_ZNK1AclEi"), "A::operator()");
  EXPECT_EQ(demangle("_ZN12_GLOBAL__N_14loadEPKc"), "(anonymous namespace)::load");
  EXPECT_EQ(demangle("_Z4loadv.constprop.0"), "load");
  EXPECT_EQ(demangle("_Z4load"), "load");
  EXPECT_EQ(demangle("_Znonsense"), "_Znonsense");
  EXPECT_EQ(demangle("_Z" + std::string(5000, 'x')), "_Z" + std::string(5000, 'x'));
}

TEST(DemangleTest, Arguments) {
  EXPECT_EQ(without_arguments("a::f<int>(int, void (*)(char)) const"), "a::f<int>");
  EXPECT_EQ(without_arguments("f()::{lambda(int)#1}::operator()(int) const"),
            "f()::{lambda(int)#1}::operator()");
  EXPECT_EQ(without_arguments("operator()"), "operator()");
  EXPECT_EQ(without_arguments("(anonymous)"), "(anonymous)");
  EXPECT_EQ(without_arguments("f)"), "f)");
  EXPECT_EQ(without_arguments(" const"), " const");
  EXPECT_EQ(without_arguments(""), "");
}

TEST(DemangleTest, RustLegacy) {
  EXPECT_EQ(demangle("_ZN5alloc7raw_vec11finish_grow17h5e7a6f2b1c9d8e40E"),
            "alloc::raw_vec::finish_grow");
  EXPECT_EQ(demangle("_ZN58_$LT$alloc..string..String$u20$as$u20$core..fmt..Write$GT$9write_str"
                     "17h0123456789abcdefE"),
            "<alloc::string::String as core::fmt::Write>::write_str");
  EXPECT_EQ(demangle("_ZN4core3ptr13drop_in_place17h0123456789abcdefE.llvm.9"),
            "core::ptr::drop_in_place");
  // C++ whose last part is no hash.
  EXPECT_EQ(demangle("_ZN1a17h0123456789abcdegEv"), "a::h0123456789abcdeg");
  EXPECT_FALSE(demangle_rust_legacy("_ZN4core"));
  EXPECT_FALSE(demangle_rust_legacy("_ZN99999999999999999999a17h0123456789abcdefE"));
  EXPECT_FALSE(demangle_rust_legacy("_ZN4$u2017h0123456789abcdefE"));
}

// From rustc 1.95 and the RFC.
TEST(DemangleTest, RustV0) {
  EXPECT_EQ(demangle("_RNvCs6xxl1lAjzDf_1a4main"), "a::main");
  EXPECT_EQ(demangle("_RINvCs6xxl1lAjzDf_1a5applyNCNvB2_4main0EB2_"),
            "a::apply<a::main::{closure#0}>");
  EXPECT_EQ(demangle("_RINvMs_Cs6xxl1lAjzDf_1aINtB5_3DoghE8inherentKj3_EB5_"),
            "<a::Dog<u8>>::inherent<3>");
  EXPECT_EQ(demangle("_RINvMNtCsgEmfK2I1SDS_4core3stre18trim_start_matchesReECsgY6Mt91CT9J_14rustc_"
                     "demangle"),
            "<str>::trim_start_matches<&str>");
  EXPECT_EQ(demangle("_RNvXCs6xxl1lAjzDf_1aINtB2_3DoghENtB2_5Speak5speak"),
            "<a::Dog<u8> as a::Speak>::speak");
  EXPECT_EQ(demangle("_RNvNtCs1_1a2gr5tuple.llvm.7"), "a::gr::tuple");
  EXPECT_EQ(demangle("_RNvNCNKNvNtCs1_3std9panicking1f0s_011FIRST_PANIC"),
            "std::panicking::f::{K#0}::{closure#1}::FIRST_PANIC");
  EXPECT_EQ(demangle("_RINvC1a1fFlbEdE"), "a::f<fn(i32, bool) -> f64>");
  EXPECT_EQ(demangle("_RINvC1a1fDNtC1b5SpeakEL_RShQTaPyEE"),
            "a::f<dyn b::Speak, &[u8], &mut (i8, *const u64)>");
}

TEST(DemangleTest, HostileRustV0) {
  EXPECT_EQ(demangle("_R"), "_R");
  EXPECT_EQ(demangle("_RNvB_3abc"), "_RNvB_3abc");  // refers to itself
  EXPECT_EQ(demangle("_RNvC999999999999999999999a1b"), "_RNvC999999999999999999999a1b");
  EXPECT_EQ(demangle("_RIC1aKh"), "_RIC1aKh");
  const std::string deep = "_RINvC1a1f" + std::string(500, 'S') + "hE";
  EXPECT_EQ(demangle(deep), deep);
  // Every back reference doubles what the one before it gave.
  std::string bomb = "_RINvC1a1fTllE";
  std::size_t before = 8;
  for (int i = 0; i < 60; ++i) {
    const std::size_t at = bomb.size() - 2;
    const auto digit = [](std::size_t value) {
      static const char digits[] = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
      std::string text;
      for (value -= 1; text.empty() || value > 0; value /= 62) {
        text.insert(text.begin(), digits[value % 62]);
      }
      return "B" + text + "_";
    };
    bomb += "T" + digit(before) + digit(before) + "E";
    before = at;
  }
  EXPECT_LE(demangle(bomb + "E").size(), 4096U);
}

}  // namespace
}  // namespace lamprey::symbols
