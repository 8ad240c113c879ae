// How a process ended, in words; see the header.
#include "report/text/end_description.h"

#include <fmt/format.h>

#include <array>
#include <csignal>
#include <string_view>

namespace lamprey::report {
namespace {

using recording::DeathKind;
using recording::DeathState;

struct Name {
  int number;
  const char* text;
};
constexpr std::array kNames = {
    Name{SIGHUP, "SIGHUP"},   Name{SIGINT, "SIGINT"},   Name{SIGQUIT, "SIGQUIT"},
    Name{SIGILL, "SIGILL"},   Name{SIGTRAP, "SIGTRAP"}, Name{SIGABRT, "SIGABRT"},
    Name{SIGBUS, "SIGBUS"},   Name{SIGFPE, "SIGFPE"},   Name{SIGKILL, "SIGKILL"},
    Name{SIGUSR1, "SIGUSR1"}, Name{SIGSEGV, "SIGSEGV"}, Name{SIGUSR2, "SIGUSR2"},
    Name{SIGPIPE, "SIGPIPE"}, Name{SIGALRM, "SIGALRM"}, Name{SIGTERM, "SIGTERM"},
    Name{SIGXCPU, "SIGXCPU"}, Name{SIGXFSZ, "SIGXFSZ"}, Name{SIGVTALRM, "SIGVTALRM"},
    Name{SIGPROF, "SIGPROF"}, Name{SIGIO, "SIGIO"},     Name{SIGPWR, "SIGPWR"},
    Name{SIGSYS, "SIGSYS"}};

// si_code of a fault, sigaction(2).
struct Code {
  int signal;
  int code;
  const char* text;
};
constexpr std::array kCodes = {
    Code{SIGSEGV, SEGV_MAPERR, "address not mapped"},
    Code{SIGSEGV, SEGV_ACCERR, "access not allowed"},
    Code{SIGSEGV, 0x80, "address not canonical, or a privileged instruction"},
    Code{SIGBUS, BUS_ADRALN, "misaligned address"},
    Code{SIGBUS, BUS_ADRERR, "beyond the end of a mapped file, or no room for it"},
    Code{SIGBUS, BUS_OBJERR, "hardware error"},
    Code{SIGFPE, FPE_INTDIV, "integer division by zero"},
    Code{SIGFPE, FPE_INTOVF, "integer overflow"},
    Code{SIGFPE, FPE_FLTDIV, "division by zero"},
    Code{SIGILL, ILL_ILLOPC, "illegal instruction"},
    Code{SIGILL, ILL_ILLOPN, "illegal instruction"},
    Code{SIGILL, ILL_PRVOPC, "privileged instruction"}};

// The kernel grows a stack up to its limit, and keeps a gap of 1 MB below it. A fault there, near
// the stack pointer, is a stack overflow.
constexpr std::uint64_t kNearStack = std::uint64_t{1} << 20U;

// The fault that ended it, or whose handler did.
struct Fault {
  int signal = 0;  // 0: none
  int code = 0;
};
Fault fault_of(const recording::Death& death) {
  if (death.first_signal != 0) {
    return {death.first_signal, death.first_code};
  }
  return death.kind == DeathKind::kSignal && death.code > 0 ? Fault{death.signal, death.code}
                                                            : Fault{};
}

bool is_stack_overflow(const recording::Death& death) {
  return fault_of(death).signal == SIGSEGV && death.address != 0 &&
         death.address + kNearStack > death.stack_pointer &&
         death.address < death.stack_pointer + kNearStack;
}

std::string place_of(const recording::Death& death) {
  const std::string_view module = death.module;
  if (module.empty()) {
    return {};
  }
  return fmt::format(" in {}+0x{:x}", module.substr(module.rfind('/') + 1), death.offset);
}

// libc's words, without the newline it prints with them.
std::string message_of(const recording::Death& death) {
  std::string text = death.message;
  while (!text.empty() && (text.back() == '\n' || text.back() == ' ')) {
    text.pop_back();
  }
  return text;
}

std::string fault_text(const recording::Death& death, Fault fault) {
  std::string text = signal_name(fault.signal);
  if (is_stack_overflow(death)) {
    text += ": stack overflow";
  } else {
    for (const Code& code : kCodes) {
      if (code.signal == fault.signal && code.code == fault.code) {
        text += fmt::format(": {}", code.text);
        break;
      }
    }
  }
  return text + place_of(death);
}

std::string abort_text(const recording::Death& death) {
  const std::string message = message_of(death);
  // A mangled type name begins with its length, or with N, St, S, P ...; libc's messages contain
  // blanks.
  if (death.kind == DeathKind::kAbort && !message.empty() &&
      message.find(' ') == std::string::npos) {
    return fmt::format("abort(): uncaught C++ exception of type {}", message);
  }
  return message.empty() ? "abort()" + place_of(death) : "abort(): " + message;
}

std::string signal_text(const recording::Death& death, std::int32_t pid) {
  // The runtime's own handler told of the fault, and ended the process then.
  if (const Fault fault = fault_of(death); death.first_signal != 0) {
    const std::string text = fault_text(death, fault);
    return death.signal == fault.signal ? text : text + " (its handler called abort())";
  }
  // abort() uses tgkill(2), so a plain kill(2) of oneself has another cause.
  const bool by_kill =
      death.kind == DeathKind::kSignal && death.code == SI_USER && death.message[0] == '\0';
  if (death.signal == SIGABRT && (death.sender == 0 || death.sender == pid) && !by_kill) {
    return abort_text(death);
  }
  if (const Fault fault = fault_of(death); fault.signal != 0) {
    return fault_text(death, fault);
  }
  if (death.signal == SIGPIPE) {
    return "SIGPIPE: a write to a connection whose other end is closed";
  }
  if (death.sender == pid) {
    return fmt::format("{}, sent by the process itself", signal_name(death.signal));
  }
  return death.sender > 0
             ? fmt::format("{} from process {}", signal_name(death.signal), death.sender)
             : fmt::format("{} from outside the process", signal_name(death.signal));
}

std::string exit_text(const recording::Death& death) {
  switch (death.kind) {
    case DeathKind::kQuickExit:
      return fmt::format("quick_exit({})", death.exit_code);
    case DeathKind::kImmediateExit:
      return fmt::format("_exit({})", death.exit_code);
    default:
      return death.pc == 0 ? fmt::format("the main function returned {}", death.exit_code)
                           : fmt::format("exit({})", death.exit_code);
  }
}

SelfReport to_account(const recording::Death& death, std::int32_t pid) {
  SelfReport account;
  account.mono_ns = death.at.mono_ns;
  account.death.stack_id = death.stack;
  account.death.pc = death.kind == DeathKind::kSignal || death.first_signal != 0 ? death.pc : 0;
  account.death.tid = death.tid;
  if (death.signal == 0) {
    account.status = Status::kExit;
    account.death.exit_code = death.exit_code;
    account.death.reason = exit_text(death);
    return account;
  }
  account.status = Status::kCrash;
  account.signal = death.signal;
  account.death.signal = signal_name(death.signal);
  account.death.reason = signal_text(death, pid);
  if (fault_of(death).signal != 0) {
    account.death.address = death.address;
    account.death.stack_overflow = is_stack_overflow(death);
  }
  return account;
}

// The process may survive a call of abort() or raise() whose signal does not arrive.
bool is_believable(const recording::Death& death, std::uint64_t last_mark_ns) {
  return death.state == DeathState::kWritten && death.at.mono_ns >= last_mark_ns;
}

}  // namespace

std::optional<SelfReport> self_report_of(const recording::Header& header,
                                         std::uint64_t last_mark_ns) {
  const recording::Death* last = nullptr;
  for (const recording::Death& death : header.deaths) {
    if (is_believable(death, last_mark_ns) &&
        (last == nullptr || death.at.mono_ns > last->at.mono_ns)) {
      last = &death;
    }
  }
  return last == nullptr ? std::nullopt : std::optional(to_account(*last, header.pid));
}

std::string signal_name(int number) {
  for (const Name& name : kNames) {
    if (name.number == number) {
      return name.text;
    }
  }
  return fmt::format("signal {}", number);
}

bool is_fault(int number) {
  constexpr std::array kFaults = {SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGABRT, SIGTRAP, SIGSYS};
  for (const int fault : kFaults) {
    if (fault == number) {
      return true;
    }
  }
  return false;
}

}  // namespace lamprey::report
