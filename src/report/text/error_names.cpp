// Names of error numbers; see the header. (glibc's strerrorname_np is not in the libc that the
// companion is linked with.)
#include "report/text/error_names.h"

#include <netdb.h>

#include <algorithm>
#include <cerrno>

namespace lamprey::report {
namespace {

const char* known_name(std::int32_t error) {
  switch (error) {
#define LAMPREY_NAME(name) \
  case name:               \
    return #name;
    LAMPREY_NAME(EPERM)
    LAMPREY_NAME(ENOENT)
    LAMPREY_NAME(ESRCH)
    LAMPREY_NAME(EINTR)
    LAMPREY_NAME(EIO)
    LAMPREY_NAME(ENXIO)
    LAMPREY_NAME(E2BIG)
    LAMPREY_NAME(ENOEXEC)
    LAMPREY_NAME(EBADF)
    LAMPREY_NAME(ECHILD)
    LAMPREY_NAME(EAGAIN)
    LAMPREY_NAME(ENOMEM)
    LAMPREY_NAME(EACCES)
    LAMPREY_NAME(EFAULT)
    LAMPREY_NAME(EBUSY)
    LAMPREY_NAME(EEXIST)
    LAMPREY_NAME(EXDEV)
    LAMPREY_NAME(ENODEV)
    LAMPREY_NAME(ENOTDIR)
    LAMPREY_NAME(EISDIR)
    LAMPREY_NAME(EINVAL)
    LAMPREY_NAME(ENFILE)
    LAMPREY_NAME(EMFILE)
    LAMPREY_NAME(ENOTTY)
    LAMPREY_NAME(ETXTBSY)
    LAMPREY_NAME(EFBIG)
    LAMPREY_NAME(ENOSPC)
    LAMPREY_NAME(ESPIPE)
    LAMPREY_NAME(EROFS)
    LAMPREY_NAME(EMLINK)
    LAMPREY_NAME(EPIPE)
    LAMPREY_NAME(EDOM)
    LAMPREY_NAME(ERANGE)
    LAMPREY_NAME(EDEADLK)
    LAMPREY_NAME(ENAMETOOLONG)
    LAMPREY_NAME(ENOLCK)
    LAMPREY_NAME(ENOSYS)
    LAMPREY_NAME(ENOTEMPTY)
    LAMPREY_NAME(ELOOP)
    LAMPREY_NAME(ENODATA)
    LAMPREY_NAME(EOVERFLOW)
    LAMPREY_NAME(ENOTSOCK)
    LAMPREY_NAME(EDESTADDRREQ)
    LAMPREY_NAME(EMSGSIZE)
    LAMPREY_NAME(EPROTOTYPE)
    LAMPREY_NAME(ENOPROTOOPT)
    LAMPREY_NAME(EPROTONOSUPPORT)
    LAMPREY_NAME(EOPNOTSUPP)
    LAMPREY_NAME(EAFNOSUPPORT)
    LAMPREY_NAME(EADDRINUSE)
    LAMPREY_NAME(EADDRNOTAVAIL)
    LAMPREY_NAME(ENETDOWN)
    LAMPREY_NAME(ENETUNREACH)
    LAMPREY_NAME(ECONNABORTED)
    LAMPREY_NAME(ECONNRESET)
    LAMPREY_NAME(ENOBUFS)
    LAMPREY_NAME(EISCONN)
    LAMPREY_NAME(ENOTCONN)
    LAMPREY_NAME(ETIMEDOUT)
    LAMPREY_NAME(ECONNREFUSED)
    LAMPREY_NAME(EHOSTUNREACH)
    LAMPREY_NAME(EALREADY)
    LAMPREY_NAME(EINPROGRESS)
    LAMPREY_NAME(ESTALE)
    LAMPREY_NAME(EDQUOT)
    LAMPREY_NAME(ECANCELED)
    LAMPREY_NAME(EAI_BADFLAGS)
    LAMPREY_NAME(EAI_NONAME)
    LAMPREY_NAME(EAI_AGAIN)
    LAMPREY_NAME(EAI_FAIL)
    LAMPREY_NAME(EAI_FAMILY)
    LAMPREY_NAME(EAI_SOCKTYPE)
    LAMPREY_NAME(EAI_SERVICE)
    LAMPREY_NAME(EAI_MEMORY)
    LAMPREY_NAME(EAI_SYSTEM)
    LAMPREY_NAME(EAI_OVERFLOW)
#undef LAMPREY_NAME
    default:
      return nullptr;
  }
}

}  // namespace

std::string error_name(std::int32_t error) {
  const char* name = known_name(error);
  return name != nullptr ? name : "error " + std::to_string(error);
}

std::string errors_text(const CallFigures& call) {
  constexpr std::size_t kMax = 3;
  std::string text;
  for (std::size_t i = 0; i < std::min(call.by_error.size(), kMax); ++i) {
    const auto& [error, count] = call.by_error[i];
    text.append(text.empty() ? "" : ", ").append(error_name(error));
    text.append(" ").append(std::to_string(count));
  }
  return text;
}

}  // namespace lamprey::report
