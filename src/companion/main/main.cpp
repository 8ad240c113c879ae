// /opt/extensions/lamprey: starts the companion with its real surroundings. Nothing else may live
// here.
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "companion/companion.h"
#include "recording/layout.h"
#include "recording/place.h"
#include "recording/reader.h"

int main(int argc, char** argv) {
  lamprey::companion::Surroundings here;
  here.started_real_ns = lamprey::recording::realtime_ns();
  // A closed standard output must not end us: that would end the environment.
  std::signal(SIGPIPE, SIG_IGN);
  const char* api = std::getenv("AWS_LAMBDA_RUNTIME_API");
  if (api == nullptr || *api == '\0') {
    std::fprintf(stderr,
                 "lamprey: AWS_LAMBDA_RUNTIME_API is not set: this program is a Lambda "
                 "extension and started by Lambda\n");
    return 2;
  }
  const char* path = argc > 0 ? argv[0] : "lamprey";
  const char* slash = std::strrchr(path, '/');
  here.api = api;
  here.name = slash == nullptr ? path : slash + 1;
  const char* directory = std::getenv(lamprey::recording::kDirectoryVariable);
  here.directory = directory != nullptr ? directory : lamprey::recording::kDirectory;
  here.lookup = [](const char* name) -> const char* { return std::getenv(name); };
  return lamprey::companion::Companion(std::move(here)).run();
}
