// The Invoke endpoint that --serve offers: HTTP in, invocations out.
#include "emulator/front/invoke_endpoint.h"

#include <fmt/format.h>

#include <boost/beast/core/detail/base64.hpp>
#include <nlohmann/json.hpp>
#include <string_view>

#include "emulator/apis/runtime_api.h"
#include "emulator/base/api_error.h"
#include "emulator/base/identifiers.h"

namespace lamprey::emulator {
namespace {

constexpr std::string_view kPrefix = "/2015-03-31/functions/";
constexpr std::string_view kSuffix = "/invocations";
constexpr const char* kVersion = "$LATEST";

bool is_invocation(const HttpRequest& request) {
  const std::string_view path = request.path;
  return request.method == boost::beast::http::verb::post && path.starts_with(kPrefix) &&
         path.ends_with(kSuffix) && path.size() > kPrefix.size() + kSuffix.size();
}

std::string decode_base64(const std::string& text) {
  namespace base64 = boost::beast::detail::base64;
  std::string result(base64::decoded_size(text.size()), '\0');
  result.resize(base64::decode(result.data(), text.data(), text.size()).first);
  return result;
}

HttpResponse to_response(const Answer& answer, const std::string& request_id) {
  HttpResponse response{200,
                        answer.body,
                        answer.content_type,
                        {{"X-Amzn-RequestId", request_id}, {"X-Amz-Executed-Version", kVersion}}};
  if (!answer.function_error.empty()) {
    response.headers.emplace_back("X-Amz-Function-Error", answer.function_error);
  }
  return response;
}

}  // namespace

InvokeEndpoint::InvokeEndpoint(boost::asio::io_context& io, std::uint16_t port, Fleet& fleet)
    : fleet_(fleet), server_(io, port, [this](const HttpRequest& request, const Respond& respond) {
        handle(request, respond);
      }) {}

void InvokeEndpoint::handle(const HttpRequest& request, const Respond& respond) {
  if (!is_invocation(request)) {
    respond(api_error(404, "ResourceNotFoundException",
                      "POST /2015-03-31/functions/function/invocations is all there is"));
    return;
  }
  const std::string type = request.header("X-Amz-Invocation-Type");
  if (!type.empty() && type != "RequestResponse" && type != "Event" && type != "DryRun") {
    respond(api_error(400, "InvalidParameterValueException",
                      "X-Amz-Invocation-Type must be RequestResponse, Event or DryRun"));
    return;
  }
  const std::size_t most = type == "Event" ? kLargestAsyncEvent : kLargestPayload;
  if (request.body.size() > most) {
    respond(api_error(
        413, "RequestTooLargeException",
        fmt::format("Request must be smaller than {} bytes for the InvokeFunction operation",
                    most)));
    return;
  }
  Invocation invocation;
  invocation.event = request.body.empty() ? "{}" : request.body;
  if (!nlohmann::json::accept(invocation.event)) {
    respond(
        api_error(400, "InvalidRequestContentException", "Could not parse request body into json"));
    return;
  }
  if (type == "DryRun") {
    respond({204, "", "application/json", {}});
    return;
  }
  const std::string trace = request.header("X-Amzn-Trace-Id");
  invocation.request_id = random_uuid();
  invocation.trace_id = trace.empty() ? random_trace_id() : trace;
  invocation.client_context = decode_base64(request.header("X-Amz-Client-Context"));
  invocation.finished = [](const Outcome&) {};
  if (type == "Event") {
    invocation.answered = [](const Answer&) {};
    respond({202, "", "application/json", {{"X-Amzn-RequestId", invocation.request_id}}});
  } else {
    invocation.answered = [respond, id = invocation.request_id](const Answer& answer) {
      respond(to_response(answer, id));
    };
  }
  fleet_.submit(std::move(invocation));
}

}  // namespace lamprey::emulator
