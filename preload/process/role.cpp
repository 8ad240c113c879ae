// The decision of role.h.
#include "preload/process/role.h"

#include "preload/base/text.h"
#include "preload/libc/environment.h"
#include "preload/process/launched.h"

namespace lamprey::preload {
inline namespace process {
namespace {

const char* base_name(const char* path) {
  const char* base = path;
  for (const char* c = path; *c != '\0'; ++c) {
    base = *c == '/' ? c + 1 : base;
  }
  return base;
}

bool contains(const char* text, const char* part) {
  for (; *text != '\0'; ++text) {
    if (starts_with(text, part)) {
      return true;
    }
  }
  return false;
}

bool is_on(const char* name) {
  const char* value = environment_value(name);
  return value != nullptr && equal(value, "on");
}

bool is_text(const char* name, const char* expected) {
  const char* value = environment_value(name);
  return value != nullptr && equal(value, expected);
}

}  // namespace

bool is_shell(const char* executable) {
  static constexpr const char* kShells[] = {"bash", "sh",  "dash", "ash",    "ksh",
                                            "zsh",  "env", "nice", "busybox"};
  const char* name = base_name(executable);
  for (const char* shell : kShells) {
    if (equal(name, shell)) {
      return true;
    }
  }
  return false;
}

Decision decide_role(const char* executable, int pid) {
  using recording::Role;
  // Workers that a Managed Instances runtime forks are the runtime.
  const bool concurrent = is_text("AWS_LAMBDA_INITIALIZATION_TYPE", "lambda-managed-instances");
  const bool follow = is_on("LAMPREY_FOLLOW_CHILDREN") || concurrent;
  Decision decision = {false, Role::kRuntime, follow, concurrent, 0};
  if (is_text("LAMPREY", "off")) {
    return decision;
  }
  const char* target = environment_value(kTargetVariable);
  if (target == nullptr) {
    const bool hidden_from_extensions = environment_value("_HANDLER") != nullptr ||
                                        environment_value("AWS_LAMBDA_LOG_GROUP_NAME") != nullptr;
    decision.record = environment_value("AWS_LAMBDA_RUNTIME_API") != nullptr &&
                      hidden_from_extensions && !is_shell(executable) &&
                      !contains(executable, "/extensions/");
    return decision;
  }
  if (to_number(target) != static_cast<std::uint64_t>(pid)) {
    if (!is_shell(executable) && launched::is_candidate()) {
      decision.launched_by = static_cast<std::int32_t>(to_number(target));
      decision.record = true;
      return decision;
    }
    decision.role = Role::kChild;
    decision.record = is_on("LAMPREY_FOLLOW_CHILDREN") && !is_shell(executable);
    return decision;
  }
  const bool run = is_text(kRoleVariable, "run");
  decision.role = run ? Role::kRun : Role::kRuntime;
  decision.record = run || !is_shell(executable);
  return decision;
}

}  // namespace process
}  // namespace lamprey::preload
