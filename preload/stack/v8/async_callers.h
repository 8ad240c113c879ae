// The functions that wait, by `await`, for what is running: they are not on the stack, but V8 keeps
// who waits for whom. An async function that was resumed has its generator in the context of the
// builtin that resumed it; its promise names who waits for it; and so on outwards.
//
// Method and order are Error.stack's (V8's Isolate::CaptureAsyncStackTrace). Left out: async
// generators, whose requests stand in a queue.
#pragma once

#include "preload/stack/reading/frames.h"
#include "preload/stack/v8/shared_functions.h"

namespace lamprey::preload::stack::v8 {

// The generator in that context; 0: it has none.
Word generator_in(const Layout& v8, Word context);

// Appends those that wait for the function of that generator, innermost first.
void append_async_callers(Reading& reading, Word generator, Words& words);

}  // namespace lamprey::preload::stack::v8
