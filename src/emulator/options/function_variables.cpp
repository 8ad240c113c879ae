// The environment variables of the function and of its extensions. Only names and values: no
// process is started here.
#include "emulator/options/function_variables.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <charconv>
#include <filesystem>
#include <string_view>

#include "emulator/base/identifiers.h"
#include "emulator/base/time_text.h"
#include "recording/place.h"

namespace lamprey::emulator {
namespace {

constexpr const char* kAccount = "123456789012";

bool only_lambda_sets(std::string_view name) {
  return name.starts_with("AWS_LAMBDA_") || name.starts_with("LAMBDA_") ||
         name == "AWS_EXECUTION_ENV" || name == "_HANDLER" || name == "_X_AMZN_TRACE_ID" ||
         name.starts_with("_LAMBDA_") || name.starts_with("_LAMPREY_") || name == "LD_PRELOAD";
}

bool hidden_from_extensions(std::string_view name) {
  constexpr std::array<std::string_view, 7> kHidden = {
      "AWS_EXECUTION_ENV",        "AWS_LAMBDA_LOG_GROUP_NAME", "AWS_LAMBDA_LOG_STREAM_NAME",
      "AWS_XRAY_CONTEXT_MISSING", "AWS_XRAY_DAEMON_ADDRESS",   "LAMBDA_RUNTIME_DIR",
      "LAMBDA_TASK_ROOT"};
  if (name.starts_with("_")) {  // _HANDLER and everything else that is reserved
    return true;
  }
  for (const std::string_view hidden : kHidden) {
    if (name == hidden) {
      return true;
    }
  }
  return false;
}

bool is_word(char c) {
  return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_' || c == '-';
}

// "module.function", "folder/module.function": the usual last word of a runtime's start command.
bool looks_like_handler(std::string_view word) {
  const auto dot = word.rfind('.');
  if (dot == std::string_view::npos || dot == 0 || dot + 1 == word.size()) {
    return false;
  }
  for (const char c : word) {
    if (!is_word(c) && c != '.' && c != '/') {
      return false;
    }
  }
  return is_word(word[dot - 1]) && is_word(word[dot + 1]);
}

std::string log_stream_name(const std::string& version) {
  return fmt::format("{}/[{}]{}", log_stream_date(std::chrono::system_clock::now()), version,
                     random_hex(32));
}

std::string value_or(const Variables& variables, const char* name, const char* otherwise) {
  const auto found = variables.find(name);
  return found == variables.end() ? otherwise : found->second;
}

}  // namespace

Variables caller_variables() {
  Variables variables;
  for (char** entry = environ; entry != nullptr && *entry != nullptr; ++entry) {
    const std::string_view text = *entry;
    const auto equals = text.find('=');
    if (equals != std::string_view::npos && equals > 0) {
      variables.emplace(text.substr(0, equals), text.substr(equals + 1));
    }
  }
  return variables;
}

Variables function_variables(const Options& options, std::uint16_t api_port,
                             const Variables& caller) {
  Variables result;
  for (const auto& [name, value] : caller) {
    if (!only_lambda_sets(name)) {
      result[name] = value;
    }
  }
  std::error_code error;
  const std::string here = std::filesystem::current_path(error).string();
  const std::string name = value_or(options.environment, "AWS_LAMBDA_FUNCTION_NAME", "function");
  const std::string version =
      value_or(options.environment, "AWS_LAMBDA_FUNCTION_VERSION", "$LATEST");
  const std::string region = value_or(options.environment, "AWS_REGION",
                                      value_or(caller, "AWS_REGION", "us-east-1").c_str());
  const std::string& last = options.command.back();
  result["_HANDLER"] = looks_like_handler(last) ? last : "handler";
  result["AWS_LAMBDA_RUNTIME_API"] = fmt::format("127.0.0.1:{}", api_port);
  result["AWS_LAMBDA_FUNCTION_NAME"] = name;
  result["AWS_LAMBDA_FUNCTION_VERSION"] = version;
  result["AWS_LAMBDA_FUNCTION_MEMORY_SIZE"] = std::to_string(options.memory_mb);
  result["AWS_LAMBDA_LOG_GROUP_NAME"] = "/aws/lambda/" + name;
  result["AWS_LAMBDA_LOG_STREAM_NAME"] = log_stream_name(version);
  result["AWS_LAMBDA_INITIALIZATION_TYPE"] = "on-demand";
  result["AWS_EXECUTION_ENV"] = "AWS_Lambda_local";
  result["AWS_REGION"] = region;
  result["AWS_DEFAULT_REGION"] = region;
  result["LAMBDA_TASK_ROOT"] = here;
  result["LAMBDA_RUNTIME_DIR"] = "/var/runtime";
  result["TZ"] = ":UTC";
  result["PWD"] = here;
  if (!options.layer.empty() && access((options.layer + "/lamprey").c_str(), X_OK) == 0) {
    result["AWS_LAMBDA_EXEC_WRAPPER"] = "/opt/lamprey";
  }
  for (const auto& [key, value] : options.environment) {
    result[key] = value;
  }
  if (is_managed_instances(result)) {
    result["AWS_LAMBDA_LOG_FORMAT"] = "JSON";  // the only one there
  }
  // The address is a fact of this run, whatever --env says: nothing could start otherwise.
  result["AWS_LAMBDA_RUNTIME_API"] = fmt::format("127.0.0.1:{}", api_port);
  if (value_or(result, "AWS_LAMBDA_EXEC_WRAPPER", "").empty()) {
    result.erase("AWS_LAMBDA_EXEC_WRAPPER");
  }
  return result;
}

Variables extension_variables(const Variables& function) {
  Variables result;
  for (const auto& [name, value] : function) {
    if (!hidden_from_extensions(name) || name == recording::kDirectoryVariable) {
      result[name] = value;
    }
  }
  return result;
}

bool is_managed_instances(const Variables& function) {
  return value_or(function, "AWS_LAMBDA_INITIALIZATION_TYPE", "") == "lambda-managed-instances";
}

std::size_t requests_at_once(const Variables& function) {
  std::size_t most = 1;
  if (is_managed_instances(function)) {
    const std::string text = value_or(function, "AWS_LAMBDA_MAX_CONCURRENCY", "");
    std::from_chars(text.data(), text.data() + text.size(), most);
  }
  return std::max<std::size_t>(most, 1);
}

bool logs_json(const Variables& function) {
  return value_or(function, "AWS_LAMBDA_LOG_FORMAT", "") == "JSON";
}

FunctionIdentity identify(const Variables& function) {
  FunctionIdentity identity;
  identity.name = value_or(function, "AWS_LAMBDA_FUNCTION_NAME", "function");
  identity.version = value_or(function, "AWS_LAMBDA_FUNCTION_VERSION", "$LATEST");
  identity.handler = value_or(function, "_HANDLER", "handler");
  identity.account_id = kAccount;
  identity.arn =
      fmt::format("arn:aws:lambda:{}:{}:function:{}", value_or(function, "AWS_REGION", "us-east-1"),
                  kAccount, identity.name);
  return identity;
}

}  // namespace lamprey::emulator
