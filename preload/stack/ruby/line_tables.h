// Which line an instruction of Ruby's belongs to.
#pragma once

#include <cstdint>

namespace lamprey::preload::stack::ruby {

// `lines`: an iseq_insn_info that can be read. 0: it does not say.
std::uint32_t line_in(std::uintptr_t lines, std::uint32_t position);

}  // namespace lamprey::preload::stack::ruby
