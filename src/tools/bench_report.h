// SPDX-License-Identifier: MIT
// The figures of `hadal bench` as a table, as JSON, as a plot, and beside those of an older run.
//
//   out.write(bench_table(figures, old ? &*old : nullptr));
//
// The JSON is read again by read_bench(), which trusts nothing in it.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "base/result.h"
#include "tools/bench_measure.h"

namespace hadal {

// What the machine can do, in one line without its end.
std::string peaks_text(const Peaks& peaks);
// With `old`: every rate's factor against the same line of that run.
std::string bench_table(const BenchFigures& figures, const BenchFigures* old);
std::string bench_json(const BenchFigures& figures);
std::string bench_svg(const BenchFigures& figures);

// One series over a logarithmic axis of tokens, or of streams, from 0 upwards.
struct Curve {
  std::string title;
  std::vector<std::pair<double, double>> points;  // tokens, and what is measured
};
// Side by side, as one SVG.
std::string curves_svg(const std::vector<Curve>& curves);

Result<BenchFigures> read_bench(const std::string& path);

}  // namespace hadal
