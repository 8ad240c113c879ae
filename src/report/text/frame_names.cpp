// See frame_names.h. Whose code something is, is told by its path or package: by where Lambda and
// the languages' own tools put things.
#include "report/text/frame_names.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <string_view>

namespace lamprey::report {
namespace {

using recording::Language;
using recording::SourceFunction;

template <std::size_t N>
bool starts_with_any(std::string_view text, const std::array<std::string_view, N>& prefixes) {
  return std::any_of(prefixes.begin(), prefixes.end(),
                     [text](std::string_view prefix) { return text.starts_with(prefix); });
}

template <std::size_t N>
bool holds_any(std::string_view text, const std::array<std::string_view, N>& parts) {
  return std::any_of(parts.begin(), parts.end(), [text](std::string_view part) {
    return text.find(part) != std::string_view::npos;
  });
}

Origin of_python(std::string_view file) {
  constexpr std::array<std::string_view, 3> kClient = {"/awslambdaric/", "/var/runtime/",
                                                       "/runtime/bootstrap.py"};
  constexpr std::array<std::string_view, 3> kPackages = {"/site-packages/", "/dist-packages/",
                                                         "/opt/python/"};
  if (file.starts_with("<frozen importlib") || file == "<frozen runpy>" ||
      file.ends_with("/runpy.py")) {
    return Origin::kHidden;
  }
  if (holds_any(file, kClient)) {
    return Origin::kClient;
  }
  if (holds_any(file, kPackages)) {
    return Origin::kDependency;
  }
  const bool library =
      file.find("/lib/python3") != std::string_view::npos || file.starts_with("<frozen");
  return library ? Origin::kRuntime : Origin::kOwn;
}

Origin of_javascript(const SourceFunction& function) {
  constexpr std::array<std::string_view, 3> kClient = {"/aws-lambda-ric/", "/var/runtime/",
                                                       "/UserFunction.js"};
  const std::string_view file = function.file;
  if (file.starts_with("node:") || (file.empty() && function.name.empty())) {
    return Origin::kHidden;
  }
  if (holds_any(file, kClient)) {
    return Origin::kClient;
  }
  return file.find("/node_modules/") != std::string_view::npos || file.starts_with("/opt/nodejs/")
             ? Origin::kDependency
             : Origin::kOwn;
}

Origin of_java(std::string_view name) {
  constexpr std::array<std::string_view, 6> kHidden = {
      "java.lang.invoke.", "java.lang.reflect.", "jdk.internal.reflect.",
      "sun.reflect.",      "jdk.internal.vm.",   "jdk.internal.misc."};
  constexpr std::array<std::string_view, 3> kClient = {"com.amazonaws.services.lambda.runtime.api.",
                                                       "lambdainternal.",
                                                       "com.amazonaws.services.lambda.crac."};
  constexpr std::array<std::string_view, 7> kLibrary = {
      "java.", "javax.", "jdk.", "sun.", "com.sun.", "jakarta.", "org.graalvm."};
  constexpr std::array<std::string_view, 22> kPackages = {"org.springframework.",
                                                          "org.apache.",
                                                          "org.hibernate.",
                                                          "org.postgresql.",
                                                          "org.eclipse.",
                                                          "org.slf4j.",
                                                          "org.jboss.",
                                                          "com.fasterxml.",
                                                          "com.google.",
                                                          "com.zaxxer.",
                                                          "com.mysql.",
                                                          "com.amazonaws.",
                                                          "software.amazon.",
                                                          "io.netty.",
                                                          "io.micronaut.",
                                                          "io.quarkus.",
                                                          "io.opentelemetry.",
                                                          "reactor.",
                                                          "kotlin.",
                                                          "kotlinx.",
                                                          "scala.",
                                                          "ch.qos.logback."};
  if (starts_with_any(name, kHidden) || name.find("$$Lambda") != std::string_view::npos) {
    return Origin::kHidden;
  }
  if (starts_with_any(name, kClient)) {
    return Origin::kClient;
  }
  if (starts_with_any(name, kLibrary)) {
    return Origin::kRuntime;
  }
  return starts_with_any(name, kPackages) ? Origin::kDependency : Origin::kOwn;
}

Origin of_ruby(std::string_view file) {
  constexpr std::array<std::string_view, 2> kClient = {"/aws_lambda_ric", "/var/runtime/"};
  constexpr std::array<std::string_view, 3> kLibrary = {"<internal:", "/lib/ruby/3", "/ruby/3"};
  if (holds_any(file, kClient)) {
    return Origin::kClient;
  }
  if (file.find("/gems/") != std::string_view::npos) {
    return Origin::kDependency;
  }
  return holds_any(file, kLibrary) ? Origin::kRuntime : Origin::kOwn;
}

// Machine code that stands in nearly every stack of a runtime and says nothing of the program.
bool is_of_the_runtime(std::string_view module) {
  constexpr std::array<std::string_view, 22>
      kFiles = {"libc.so",   "libc-2",     "ld-linux",  "libpthread", "libpython",
                "python3",   "linux-vdso", "libjvm.so", "libjava.so", "libjli.so",
                "libnio.so", "libnet.so",  "libjimage", "libruby",    "libstdc++",
                "libgcc_s",  "libcoreclr", "libclrjit", "libhostfxr", "libhostpolicy",
                "System.",   "libSystem."};  // .NET's native parts are named so
  const std::string_view file = module.substr(module.rfind('/') + 1);
  return file == "node" || file == "java" || file == "python" || file == "ruby" ||
         file == "dotnet" || file.starts_with("[vdso") || starts_with_any(file, kFiles);
}

}  // namespace

Origin origin_of(const Frame& frame) {
  if (frame.label != nullptr) {
    return Origin::kOwn;
  }
  if (!frame.function) {
    return frame.module_path().empty() || is_of_the_runtime(frame.module_path())
               ? Origin::kHidden
               : Origin::kExtension;
  }
  const SourceFunction& function = *frame.function;
  switch (function.language) {
    case Language::kPython:
      return of_python(function.file);
    case Language::kJavaScript:
      return of_javascript(function);
    case Language::kJava:
      return of_java(function.name);
    case Language::kRuby:
      return of_ruby(function.file);
    case Language::kNone:
      break;
  }
  return Origin::kRuntime;
}

bool has_functions(const Stack& stack) {
  return std::any_of(stack.begin(), stack.end(),
                     [](const Frame& frame) { return frame.function != nullptr; });
}

bool is_of_program(const Stack& stack) {
  const Origin least = has_functions(stack) ? Origin::kDependency : Origin::kExtension;
  return std::any_of(stack.begin(), stack.end(),
                     [least](const Frame& frame) { return origin_of(frame) <= least; });
}

std::string function_text(const Frame& frame) {
  const SourceFunction& function = *frame.function;
  std::string text = frame.async ? "async " : "";
  text += function.name.empty() ? "(anonymous)" : function.name;
  if (function.file.empty()) {
    return text;
  }
  text += " (" + function.file;
  if (frame.line != 0) {
    text += fmt::format(":{}", frame.line);
  }
  return text + ")";
}

}  // namespace lamprey::report
