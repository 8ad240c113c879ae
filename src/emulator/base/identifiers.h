// Random identifiers in the shapes Lambda uses. Nothing else lives here.
#pragma once

#include <cstddef>
#include <string>

namespace lamprey::emulator {

std::string random_hex(std::size_t digits);
std::string random_uuid();
std::string random_trace_id();  // Root=1-<time>-<24 digits>;Parent=<16 digits>;Sampled=0

}  // namespace lamprey::emulator
