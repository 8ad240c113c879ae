// Beast's basic_parser alone: its messages, fields and streams are as much code again, and a list
// of all header fields is of no use here. See the header.
#include "lambda/http_answer.h"

// Only where nothing else uses Beast (the shipped companion, CMakeLists.txt): its table of 350
// names of header fields is 11 KB, and its parser acts on five of them.
#ifdef LAMPREY_FEW_FIELD_NAMES
#define BOOST_BEAST_HTTP_IMPL_FIELD_IPP  // Beast's own guard: the table is not included
#include <boost/beast/core/string.hpp>
#include <boost/beast/http/field.hpp>
namespace boost::beast::http {
inline field string_to_field(string_view name) {
  struct Known {
    string_view name;
    field value;
  };
  for (const Known& known :
       {Known{"connection", field::connection}, Known{"proxy-connection", field::proxy_connection},
        Known{"content-length", field::content_length},
        Known{"transfer-encoding", field::transfer_encoding}, Known{"upgrade", field::upgrade}}) {
    if (iequals(name, known.name)) {
      return known.value;
    }
  }
  return field::unknown;
}
}  // namespace boost::beast::http
#endif

#include <boost/asio/buffer.hpp>
#include <boost/beast/http/basic_parser.hpp>
#include <boost/beast/http/error.hpp>
#include <stdexcept>

namespace lamprey::lambda {
namespace {

namespace http = boost::beast::http;
using boost::beast::string_view;
using boost::system::error_code;

constexpr std::uint64_t kMaxBody = std::uint64_t{64} * 1024;  // events are a few hundred bytes

void check(const error_code& error) {
  if (error) {
    throw std::runtime_error(error.message());
  }
}

}  // namespace

class AnswerParser::Parser : public http::basic_parser<false> {
 public:
  Parser() {
    body_limit(kMaxBody);
    eager(true);
  }

  HttpAnswer answer;

 private:
  void on_request_impl(http::verb /*method*/, string_view /*name*/, string_view /*target*/,
                       int /*version*/, error_code& /*error*/) override {}
  void on_response_impl(int code, string_view /*reason*/, int /*version*/,
                        error_code& /*error*/) override {
    answer.status = static_cast<unsigned>(code);
  }
  void on_field_impl(http::field /*known*/, string_view name, string_view value,
                     error_code& /*error*/) override {
    // The first, as fields[name] would say.
    if (answer.identifier.empty() && boost::beast::iequals(name, "Lambda-Extension-Identifier")) {
      answer.identifier.assign(value.data(), value.size());
    }
  }
  void on_header_impl(error_code& /*error*/) override {}
  void on_body_init_impl(const boost::optional<std::uint64_t>& /*size*/,
                         error_code& /*error*/) override {}
  std::size_t on_body_impl(string_view piece, error_code& /*error*/) override {
    answer.body.append(piece.data(), piece.size());
    return piece.size();
  }
  void on_chunk_header_impl(std::uint64_t /*size*/, string_view /*extensions*/,
                            error_code& /*error*/) override {}
  std::size_t on_chunk_body_impl(std::uint64_t /*left*/, string_view piece,
                                 error_code& error) override {
    return on_body_impl(piece, error);
  }
  void on_finish_impl(error_code& /*error*/) override {}
};

AnswerParser::AnswerParser() : parser_(std::make_unique<Parser>()) {}

AnswerParser::~AnswerParser() = default;

bool AnswerParser::take(std::string& pending) {
  // Beast wants five bytes when it looks at a last chunk again (BOOST_ASSERT(n >= 5) in
  // basic_parser.ipp, 1.74). Chunks never end with these four.
  if (pending.size() == 4 && pending.starts_with("0\r\n") && parser_->is_header_done() &&
      parser_->chunked()) {
    return false;
  }
  error_code error;
  const std::size_t taken =
      parser_->put(boost::asio::const_buffer(pending.data(), pending.size()), error);
  pending.erase(0, taken);
  if (error == http::error::need_more) {
    return false;
  }
  check(error);
  return parser_->is_done();
}

bool AnswerParser::end() {
  error_code error;
  if (!parser_->got_some()) {
    error = http::error::end_of_stream;
  } else {
    parser_->put_eof(error);
  }
  check(error);
  return parser_->is_done();
}

HttpAnswer& AnswerParser::answer() {
  parser_->answer.keep_alive = parser_->keep_alive();
  return parser_->answer;
}

}  // namespace lamprey::lambda
