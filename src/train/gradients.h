// SPDX-License-Identifier: MIT
// Gradients of several workers over the same weights: summed, held against infinity, clipped.
#pragma once

#include <cstdint>
#include <vector>

#include "base/result.h"
#include "train/parameters.h"

namespace hadal {

// Moves the workers' gradients into `parameters`, summed in the order of the workers.
void gather_gradients(Parameters& parameters, const std::vector<Parameters*>& workers);

// One norm over all gradients, scaled down to `limit` where it is larger (0: no limit); gives the
// norm before.  A gradient that is not finite ends the run with its name, before anything moves.
Result<double> clip_gradients(Parameters& parameters, double limit, int64_t step);

}  // namespace hadal
