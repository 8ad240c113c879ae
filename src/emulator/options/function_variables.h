// The environment variables of the function and of its extensions. Only names and values: no
// process is started here.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>

#include "emulator/options/options.h"

namespace lamprey::emulator {

using Variables = std::map<std::string, std::string>;

// The function as its own environment describes it.
struct FunctionIdentity {
  std::string name;
  std::string version;
  std::string handler;
  std::string arn;
  std::string account_id;
};

// What the runtime process sees: the caller's variables without LD_PRELOAD and without what only
// Lambda may set, then Lambda's own, then --env. `api_port` is the port of the Runtime API.
Variables function_variables(const Options& options, std::uint16_t api_port,
                             const Variables& caller);

// What an extension sees: the same without the names that Lambda hides from extensions
// (AWS, "Lambda Extensions API": environment variables).
Variables extension_variables(const Variables& function);

// Whether AWS_LAMBDA_INITIALIZATION_TYPE says that this is a Managed Instance.
bool is_managed_instances(const Variables& function);

// How many invocations one environment takes at the same time: AWS_LAMBDA_MAX_CONCURRENCY on
// Managed Instances, else one.
std::size_t requests_at_once(const Variables& function);

// Whether AWS_LAMBDA_LOG_FORMAT asks for JSON, as Managed Instances always do.
bool logs_json(const Variables& function);

FunctionIdentity identify(const Variables& function);

// This process's own variables.
Variables caller_variables();

}  // namespace lamprey::emulator
