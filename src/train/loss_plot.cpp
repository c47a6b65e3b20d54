// SPDX-License-Identifier: MIT
// Axes, curves and legend of the picture.
#include "train/loss_plot.h"

#include <algorithm>
#include <cmath>
#include <cstdio>

#include "base/file.h"

namespace hadal {

namespace {

constexpr double kWidth = 860, kHeight = 460;  // of the picture, in its own units
constexpr double kLeft = 60, kRight = 20, kTop = 44, kBottom = 46;

struct Point {
  double step, loss;
};

// Data to picture.
class Frame {
 public:
  Frame(double steps, double low, double high) : steps_(steps), low_(low), high_(high) {}

  double x(double step) const { return kLeft + (kWidth - kLeft - kRight) * step / steps_; }
  double y(double loss) const {
    double share = (std::clamp(loss, low_, high_) - low_) / (high_ - low_);
    return kHeight - kBottom - (kHeight - kTop - kBottom) * share;
  }
  double steps() const { return steps_; }
  double low() const { return low_; }
  double high() const { return high_; }

 private:
  double steps_, low_, high_;
};

template <typename... Numbers>
std::string print(const char* format, Numbers... numbers) {
  char text[512];
  std::snprintf(text, sizeof text, format, numbers...);
  return text;
}

// 1, 2 or 5 times a power of ten, so that about `count` marks fit.
double mark_distance(double range, double count) {
  double rough = range / count;
  double power = std::pow(10, std::floor(std::log10(rough)));
  for (double factor : {1.0, 2.0, 5.0})
    if (power * factor >= rough) return power * factor;
  return power * 10;
}

std::string escaped(const std::string& text) {
  std::string out;
  for (char c : text) {
    if (c == '<')
      out += "&lt;";
    else if (c == '&')
      out += "&amp;";
    else
      out += c;
  }
  return out;
}

std::string axes(const Frame& frame, const std::string& unit) {
  std::string svg;
  double across = mark_distance(frame.steps(), 8);
  for (double step = 0; step <= frame.steps() + 1e-9; step += across)
    svg += print(
        "<line class='grid' x1='%.1f' y1='%.1f' x2='%.1f' y2='%.1f'/>"
        "<text x='%.1f' y='%.1f' text-anchor='middle'>%g</text>\n",
        frame.x(step), kTop, frame.x(step), kHeight - kBottom, frame.x(step),
        kHeight - kBottom + 18, step);
  double up = mark_distance(frame.high() - frame.low(), 7);
  for (double loss = std::ceil(frame.low() / up) * up; loss <= frame.high() + 1e-9; loss += up)
    svg += print(
        "<line class='grid' x1='%.1f' y1='%.1f' x2='%.1f' y2='%.1f'/>"
        "<text x='%.1f' y='%.1f' text-anchor='end'>%g</text>\n",
        kLeft, frame.y(loss), kWidth - kRight, frame.y(loss), kLeft - 8, frame.y(loss) + 4, loss);
  svg +=
      print("<text x='%.1f' y='%.1f' text-anchor='middle'>step</text>\n", kWidth / 2, kHeight - 8);
  svg += print("<text x='16' y='%.1f' text-anchor='middle' transform='rotate(-90 16 %.1f)'>",
               kHeight / 2, kHeight / 2);
  return svg + escaped(unit) + "</text>\n";
}

std::string curve(const Frame& frame, const std::vector<Point>& points, const char* style) {
  if (points.empty()) return "";
  std::string svg = print("<polyline class='%s' points='", style);
  // More points than the picture has columns would only make it large.
  size_t stride = std::max<size_t>(1, points.size() / 1600);
  for (size_t i = 0; i < points.size(); i += stride)
    svg += print("%.1f,%.1f ", frame.x(points[i].step), frame.y(points[i].loss));
  return svg + "'/>\n";
}

// Exponential mean with the memory of a fiftieth of the run.
std::vector<Point> smoothed(const std::vector<Point>& points) {
  double keep = 1 - 1 / std::max(1.0, static_cast<double>(points.size()) / 50);
  std::vector<Point> out;
  double mean = 0;
  for (const Point& point : points) {
    mean = out.empty() ? point.loss : keep * mean + (1 - keep) * point.loss;
    out.push_back({point.step, mean});
  }
  return out;
}

std::string legend(const std::string& title, const std::vector<Point>& train,
                   const std::vector<Point>& valid) {
  std::string svg = "<text class='title' x='60' y='26'>" + escaped(title) + "</text>\n";
  std::string said = print("training %.3f", train.empty() ? 0.0 : smoothed(train).back().loss);
  if (!valid.empty()) said += print(" · held-out %.3f", valid.back().loss);
  return svg + print("<text x='%.1f' y='26' text-anchor='end'>", kWidth - kRight) + said +
         "</text>\n";
}

}  // namespace

std::string loss_plot(const std::string& title, const std::vector<LogLine>& lines,
                      const std::string& unit) {
  std::vector<Point> train, valid;
  double low = INFINITY, high = -INFINITY;
  for (const LogLine& line : lines) {
    double step = static_cast<double>(line.step);
    train.push_back({step, line.loss});
    if (line.valid) valid.push_back({step, *line.valid});
    low = std::min({low, line.loss, line.valid.value_or(line.loss)});
    high = std::max(high, line.loss);
  }
  if (train.empty()) low = 0, high = 1;
  if (high - low < 1e-6) high = low + 1;
  Frame frame(train.empty() ? 1 : train.back().step, std::floor(low * 2) / 2, high);
  std::string svg =
      print("<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 %g %g'>\n", kWidth, kHeight);
  svg +=
      "<style>text{font:12px sans-serif;fill:#444}.title{font-size:15px;fill:#111}"
      "polyline{fill:none}.grid{stroke:#e4e4e4}.faint{stroke:#9ec5e8;stroke-width:.8}"
      ".train{stroke:#1f6fb4;stroke-width:2}.valid{stroke:#c8502d;stroke-width:2}</style>\n"
      "<rect width='100%' height='100%' fill='#fff'/>\n";
  svg += axes(frame, unit) + curve(frame, train, "faint") + curve(frame, smoothed(train), "train") +
         curve(frame, valid, "valid") + legend(title, train, valid);
  return svg + "</svg>\n";
}

Status write_loss_plot(const std::string& path, const std::string& title,
                       const std::vector<LogLine>& lines, const std::string& unit) {
  return write_file(path, loss_plot(title, lines, unit));
}

}  // namespace hadal
