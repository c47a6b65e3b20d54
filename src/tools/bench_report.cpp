// SPDX-License-Identifier: MIT
// Text of figures.
#include "tools/bench_report.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>
#include <nlohmann/json.hpp>

#include "base/file.h"
#include "tools/machine.h"

namespace hadal {
namespace {

using OrderedJson = nlohmann::ordered_json;

constexpr int64_t kReportLimit = 1 << 20;  // bytes

template <typename... Arguments>
std::string line(const char* format, Arguments... arguments) {
  std::array<char, 256> text{};
  std::snprintf(text.data(), text.size(), format, arguments...);
  return text.data();
}

std::string factor(double now, double before) {
  return before > 0 ? line("   x %.2f", now / before) : "";
}

double old_prefill(const BenchFigures* old, int64_t tokens) {
  if (old != nullptr)
    for (const PrefillFigures& p : old->prefill)
      if (p.tokens == tokens) return p.rate;
  return 0;
}
double old_decode(const BenchFigures* old, int64_t context) {
  if (old != nullptr)
    for (const DecodeFigures& d : old->decode)
      if (d.context == context) return d.rate;
  return 0;
}

constexpr double kWide = 420, kHigh = 260, kBorder = 50;

std::string curve_svg(const Curve& curve, double left) {
  double most = 0, last = 1;
  double first = 64;  // of the axis, as powers of two
  for (const auto& [tokens, rate] : curve.points) {
    most = std::max(most, rate);
    first = std::min(first, std::log2(tokens + 1));
    last = std::max(last, std::log2(tokens + 1));
  }
  if (curve.points.size() < 2 || last <= first) first = 0;
  if (most <= 0) return "";
  std::string svg = line("<g transform=\"translate(%.0f 0)\">\n", left) +
                    line("<text x=\"%.0f\" y=\"20\">%s</text>\n", kBorder, curve.title.c_str()) +
                    line("<path d=\"M%.0f 30V%.0fH%.0f\" fill=\"none\" stroke=\"gray\"/>\n",
                         kBorder, kHigh - kBorder, kWide - 10);
  std::string path;
  for (const auto& [tokens, rate] : curve.points) {
    const double x =
        kBorder + (kWide - kBorder - 40) * (std::log2(tokens + 1) - first) / (last - first);
    const double y = kHigh - kBorder - (kHigh - kBorder - 40) * rate / most;
    path += line(path.empty() ? "M%.1f %.1f" : "L%.1f %.1f", x, y);
    svg += line("<circle cx=\"%.1f\" cy=\"%.1f\" r=\"3\"/>\n", x, y) +
           line("<text x=\"%.1f\" y=\"%.1f\">%.4g</text>\n", x - 10, y - 8, rate) +
           line("<text x=\"%.1f\" y=\"%.1f\">%.0f</text>\n", x - 10, kHigh - kBorder + 18, tokens);
  }
  return svg + "<path d=\"" + path + "\" fill=\"none\" stroke=\"steelblue\"/>\n</g>\n";
}

double number(const nlohmann::json& object, const char* key) {
  const auto found = object.find(key);
  return found != object.end() && found->is_number() ? found->get<double>() : 0;
}

}  // namespace

std::string peaks_text(const Peaks& peaks) {
  std::string text =
      line("%.1f GB/s read, %.0f GFLOP/s f32, %.0f GOP/s int8", peaks.read_bytes / 1e9,
           peaks.float_operations / 1e9, peaks.int8_operations / 1e9);
  if (peaks.tile_int8_operations > 0)
    text += line("; tiles: %.0f GFLOP/s bf16, %.0f GOP/s int8", peaks.tile_bf16_operations / 1e9,
                 peaks.tile_int8_operations / 1e9);
  return text;
}

std::string bench_table(const BenchFigures& f, const BenchFigures* old) {
  std::string text =
      "model       " + f.model + ", back end " + f.backend + "\n" +
      line("machine     %s, %lld threads: ", f.processor.c_str(),
           static_cast<long long>(f.threads)) +
      peaks_text(f.peaks) + "\n" +
      line("loaded      %.2f s%s, %s resident\n", f.load_seconds,
           f.move_seconds > 0 ? line(", in memory after %.1f s", f.move_seconds).c_str() : "",
           bytes_text(f.resident_bytes).c_str()) +
      line("a token     %s of weights and %.2f GOP of products; its cache %.0f B\n",
           bytes_text(f.active_bytes).c_str(), f.operations / 1e9, f.cache_bytes_per_token);
  for (const PrefillFigures& p : f.prefill) {
    text += line("prefill     %7lld  %9.1f tokens/s  %5.1f %% of the %s peak",
                 static_cast<long long>(p.tokens), p.rate, 100 * p.share,
                 f.peaks.int8_operations > 0 ? "int8" : "f32");
    if (p.shortcut_rate > 0) text += line("  shortcut %.1f", p.shortcut_rate);
    text += factor(p.rate, old_prefill(old, p.tokens)) + "\n";
  }
  for (const DecodeFigures& d : f.decode)
    text += line("decode at   %7lld  %9.1f tokens/s  %5.1f %% of the memory bound (%.1f)",
                 static_cast<long long>(d.context), d.rate, 100 * d.share,
                 d.share > 0 ? d.rate / d.share : 0.0) +
            factor(d.rate, old_decode(old, d.context)) + "\n";
  return text;
}

std::string bench_json(const BenchFigures& f) {
  OrderedJson prefill = OrderedJson::array(), decode = OrderedJson::array();
  for (const PrefillFigures& p : f.prefill)
    prefill.push_back({{"tokens", p.tokens},
                       {"tokens_per_second", p.rate},
                       {"shortcut_tokens_per_second", p.shortcut_rate},
                       {"share_of_peak", p.share}});
  for (const DecodeFigures& d : f.decode)
    decode.push_back({{"context", d.context},
                      {"tokens_per_second", d.rate},
                      {"cache_bytes_read", d.cache_bytes},
                      {"share_of_bandwidth", d.share}});
  const OrderedJson object = {{"model", f.model},
                              {"backend", f.backend},
                              {"processor", f.processor},
                              {"threads", f.threads},
                              {"read_bytes_per_second", f.peaks.read_bytes},
                              {"float_operations_per_second", f.peaks.float_operations},
                              {"int8_operations_per_second", f.peaks.int8_operations},
                              {"tile_bf16_operations_per_second", f.peaks.tile_bf16_operations},
                              {"tile_int8_operations_per_second", f.peaks.tile_int8_operations},
                              {"load_seconds", f.load_seconds},
                              {"move_seconds", f.move_seconds},
                              {"resident_bytes", f.resident_bytes},
                              {"active_bytes", f.active_bytes},
                              {"operations_per_token", f.operations},
                              {"cache_bytes_per_token", f.cache_bytes_per_token},
                              {"prefill", prefill},
                              {"decode", decode}};
  return object.dump(1, ' ', false, OrderedJson::error_handler_t::replace) + "\n";
}

std::string bench_svg(const BenchFigures& f) {
  Curve prefill{"prefill, tokens/s by length", {}}, decode{"decode, tokens/s by context", {}};
  for (const PrefillFigures& p : f.prefill)
    prefill.points.emplace_back(static_cast<double>(p.tokens), p.rate);
  for (const DecodeFigures& d : f.decode)
    decode.points.emplace_back(static_cast<double>(d.context), d.rate);
  return curves_svg({prefill, decode});
}

std::string curves_svg(const std::vector<Curve>& curves) {
  std::string svg = line(
      "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%.0f\" height=\"%.0f\" "
      "font-family=\"sans-serif\" font-size=\"11\">\n",
      kWide * static_cast<double>(curves.size()), kHigh);
  svg += "<rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n";  // for readers on dark pages
  double left = 0;
  for (const Curve& curve : curves) svg += curve_svg(curve, std::exchange(left, left + kWide));
  return svg + "</svg>\n";
}

Result<BenchFigures> read_bench(const std::string& path) {
  TRY(const std::string text, read_file(path, kReportLimit));
  const nlohmann::json object = nlohmann::json::parse(text, nullptr, false);
  if (!object.is_object() || !object.contains("prefill") || !object.contains("decode") ||
      !object["prefill"].is_array() || !object["decode"].is_array())
    return fail(path, ": not a report of hadal bench");
  BenchFigures figures;
  for (const nlohmann::json& p : object["prefill"])
    if (p.is_object())
      figures.prefill.push_back({static_cast<int64_t>(number(p, "tokens")),
                                 number(p, "tokens_per_second"), 0, number(p, "share_of_peak")});
  for (const nlohmann::json& d : object["decode"])
    if (d.is_object())
      figures.decode.push_back({static_cast<int64_t>(number(d, "context")),
                                number(d, "tokens_per_second"), 0,
                                number(d, "share_of_bandwidth")});
  return figures;
}

}  // namespace hadal
