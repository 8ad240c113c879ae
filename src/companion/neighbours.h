// Other environments that share our directory: whether one is still there, and the journal that it
// left. Emulators on one machine may share it; on Lambda there is nobody else.
#pragma once

#include <string>

namespace lamprey::companion {

// Whether anybody takes connections at "127.0.0.1:9001", the address of an environment's API. Only
// loopback is asked; any other address is assumed to be in use.
bool somebody_listens(const std::string& address);

// A journal is named after its environment's API.
std::string journal_path(const std::string& directory, const std::string& environment);

// Removes the journals of environments that are gone: no companion will ask for them.
void remove_abandoned_journals(const std::string& directory);

}  // namespace lamprey::companion
