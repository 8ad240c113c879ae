// See the header. Apart from the rows, which hold a pointer each: all names one after the other,
// and the numbers in the same order, take a third of the bytes in the companion.
#include "recording/kernel_calls.h"

#include <cstring>

namespace lamprey::recording {
namespace {

#define KERNEL_CALL(name, x86_64, arm64, kind) #name "\0"
constexpr char kNames[] =
#include "recording/kernel_calls.def"
    ;
#undef KERNEL_CALL

#define KERNEL_CALL(name, x86_64, arm64, kind) {x86_64, arm64},
constexpr std::int16_t kNumbers[][2] = {
#include "recording/kernel_calls.def"
};
#undef KERNEL_CALL

}  // namespace

const char* kernel_call_name(bool arm64, std::uint32_t number) {
  const char* name = kNames;
  for (const std::int16_t(&numbers)[2] : kNumbers) {
    if (numbers[arm64 ? 1 : 0] == static_cast<std::int32_t>(number)) {
      return name;
    }
    name += std::strlen(name) + 1;
  }
  return "unknown";
}

}  // namespace lamprey::recording
