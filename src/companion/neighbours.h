// Other environments that share our directory, as those of one machine's emulators may: whether one
// is still there, and what it left for its companions. On Lambda there are none.
#pragma once

#include <string>

namespace lamprey::companion {

// Whether anybody takes connections at "127.0.0.1:9001", the address of an environment's API. Asked
// of loopback only; of any other place it is supposed.
bool somebody_listens(const std::string& address);

// A journal is named after its environment's API.
std::string journal_path(const std::string& directory, const std::string& environment);

// Removes the journals of environments that are gone: no companion will ask for them.
void remove_abandoned_journals(const std::string& directory);

}  // namespace lamprey::companion
