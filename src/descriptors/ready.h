// Waiting until a descriptor is ready. Nothing is read or written here.
#pragma once

#include <chrono>
#include <optional>

namespace lamprey::descriptors {

// Whether the descriptor can be read (written), or has an error to tell, before the time is up.
// Without a time it waits as long as it takes. A signal that is handled meanwhile changes nothing.
// `also` (-1: none) ends the wait early when it can be read.
bool wait_readable(int descriptor, std::optional<std::chrono::milliseconds> most, int also = -1);
bool wait_writable(int descriptor, std::optional<std::chrono::milliseconds> most);

}  // namespace lamprey::descriptors
