// What the rows of a report are sorted with: the one sort of the whole companion. No rule of its
// own may live here.
#pragma once

#include "recording/order.h"

namespace lamprey::report {

using recording::put_first;
using recording::put_in_order;

}  // namespace lamprey::report
