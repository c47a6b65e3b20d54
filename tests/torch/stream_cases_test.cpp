// SPDX-License-Identifier: MIT
// Cases of the residual streams and of the Engram gate.
#include "cases.h"

namespace hadal {
namespace {

using Inputs = std::vector<Tensor>;

void add_stream_cases(std::vector<Case>& cases, Numbers& numbers, int64_t tokens, int64_t streams,
                      int64_t width) {
  const std::string shape =
      std::to_string(tokens) + "x" + std::to_string(streams) + "x" + std::to_string(width);
  const Tensor x = numbers.floats({tokens, streams, width}), y = numbers.floats({tokens, width});
  const int64_t outputs = (2 + streams) * streams;
  const Inputs mixing = {x, numbers.floats({outputs, streams * width}, 0.3f),
                         numbers.floats({outputs}), numbers.floats({3})};
  cases.push_back({"spread " + shape, {y}, [=](Ops& ops, const Inputs& in) {
                     return Inputs{ops.spread(in[0], streams)};
                   }});
  for (int64_t rounds : {1, 20})
    cases.push_back({"mix " + shape + " rounds " + std::to_string(rounds), mixing,
                     [=](Ops& ops, const Inputs& in) {
                       const Mix mix =
                           ops.mix(in[0], {in[1], in[2], in[3]},
                                   {.rounds = rounds, .norm_epsilon = 1e-6f, .epsilon = 1e-6f});
                       return Inputs{mix.pre_TS, mix.post_TS, mix.comb_TSS};
                     }});
  cases.push_back({"mix_head " + shape,
                   {x, numbers.floats({streams, streams * width}), numbers.floats({streams}),
                    numbers.floats({1})},
                   [=](Ops& ops, const Inputs& in) {
                     return Inputs{ops.mix_head(in[0], {in[1], in[2], in[3]}, {})};
                   }});
  cases.push_back({"narrow " + shape,
                   {x, numbers.floats({tokens, streams})},
                   [=](Ops& ops, const Inputs& in) { return Inputs{ops.narrow(in[0], in[1])}; }});
  cases.push_back(
      {"widen " + shape,
       {y, x, numbers.floats({tokens, streams}), numbers.floats({tokens, streams, streams})},
       [=](Ops& ops, const Inputs& in) { return Inputs{ops.widen(in[0], in[1], in[2], in[3])}; }});
  const Inputs memory = {x, numbers.floats({tokens, (streams + 1) * width}),
                         numbers.floats({streams, width}), numbers.floats({streams, width})};
  const Tensor dead = numbers.ids({tokens}, 2);
  for (bool images : {false, true})
    cases.push_back(
        {"engram " + shape + (images ? " with images" : ""), memory,
         [=](Ops& ops, const Inputs& in) {
           return Inputs{ops.engram(in[0], in[1], in[2], in[3], images ? dead : Tensor(), 1e-20f)};
         }});
}

}  // namespace

std::vector<Case> stream_cases() {
  std::vector<Case> cases;
  Numbers numbers(4);
  for (int64_t tokens : {0, 1, 9, 33})
    for (auto [streams, width] :
         std::vector<std::pair<int64_t, int64_t>>{{4, 1}, {4, 16}, {4, 37}, {2, 5}, {3, 8}})
      add_stream_cases(cases, numbers, tokens, streams, width);
  add_stream_cases(cases, numbers, 300, 4, 37);  // several chunks, and work for several threads
  return cases;
}

}  // namespace hadal
