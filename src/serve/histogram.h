// SPDX-License-Identifier: MIT
// How often values fell between borders, as Prometheus reads it.
//
//   Histogram seconds({0.1, 1, 10});
//   seconds.add(0.3);
//   seconds.write(text, "hadal:queue_seconds", "{model_name=\"nano\"}");
//
// One thread at a time.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace hadal {

class Histogram {
 public:
  explicit Histogram(std::vector<double> bounds)
      : bounds_(std::move(bounds)), counts_(bounds_.size() + 1) {}
  void add(double value);
  void write(std::string& text, const std::string& name, const std::string& labels) const;
  int64_t count() const;

 private:
  std::vector<double> bounds_;  // upper ones, inclusive, rising
  std::vector<int64_t> counts_;
  double sum_ = 0;
};

std::string metric_number(double value);
// "{a="1"}" and "b="2"" to "{a="1",b="2"}".
std::string join_labels(const std::string& labels, const std::string& more);

}  // namespace hadal
