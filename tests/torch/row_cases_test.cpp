// SPDX-License-Identifier: MIT
// Cases of the verbs over pools of rows.
#include "cases.h"

#include <algorithm>

namespace hadal {
namespace {

using Inputs = std::vector<Tensor>;

void add_write_cases(std::vector<Case>& cases, Numbers& numbers) {
  const Tensor early = Tensor::of_ints({4}, {5, -1, 0, 2}), late = Tensor::of_ints({2}, {2, 3});
  const Tensor all = Tensor::of_ints({6}, {0, 1, 2, 3, 4, 5});
  cases.push_back({"write_rows twice",
                   {numbers.floats({4, 5}), numbers.floats({2, 5})},
                   [=](Ops& ops, const Inputs& in) {
                     Tensor pool = ops.make_pool(6, 5);
                     ops.write_rows(pool, early, in[0]);
                     const Tensor before = ops.take_rows(pool, all);
                     ops.write_rows(pool, late, in[1]);
                     return Inputs{before, ops.take_rows(pool, all)};
                   }});
  cases.push_back(
      {"write_rows of nothing", {numbers.floats({0, 5})}, [=](Ops& ops, const Inputs& in) {
         Tensor pool = ops.make_pool(6, 5);
         ops.write_rows(pool, Tensor::of_ints({0}, {}), in[0]);
         return Inputs{ops.take_rows(pool, all)};
       }});
  cases.push_back({"views of rows", {numbers.floats({6, 4})}, [](Ops& ops, const Inputs& in) {
                     const Tensor view = ops.add(in[0], in[0]).rows(1, 4).reshaped({2, 8});
                     return Inputs{ops.rms_norm(view.rows(1, 1), {}, 1e-6f)};
                   }});
}

void add_blend_cases(std::vector<Case>& cases, Numbers& numbers) {
  for (int64_t groups : {0, 1, 5})
    for (int64_t width : {1, 5, 32})
      for (int64_t overlap : {1, 2})
        for (int64_t members : {2, 8}) {
          const Tensor ids = numbers.ids({groups, members}, 11, -2);
          for (int64_t i = 0; i < ids.count(); ++i)
            ids.data<int64_t>()[i] = std::max<int64_t>(ids.data<int64_t>()[i], -1);
          if (groups > 1) std::fill_n(ids.data<int64_t>(), members, -1);  // a group of nobody
          cases.push_back(
              {"blend " + std::to_string(groups) + "x" + std::to_string(members) + "x" +
                   std::to_string(width) + (overlap == 2 ? " overlap" : ""),
               {numbers.floats({11, overlap * width}), numbers.floats({11, overlap * width}, 2)},
               [=](Ops& ops, const Inputs& in) {
                 return Inputs{ops.blend(in[0], in[1], ids, width)};
               }});
        }
}

// Three sequences in one batch: queries of each see a growing part of its own keys.
void add_index_cases(std::vector<Case>& cases, Numbers& numbers) {
  const Tensor first = Tensor::of_ints({7}, {0, 0, 0, 4, 4, 9, 0});
  const Tensor count = Tensor::of_ints({7}, {0, 2, 4, 1, 5, 3, 4});
  const auto score = [=](Ops& ops, const Inputs& in) {
    return ops.score(in[0], in[1], in[2], first, count, 0.25f);
  };
  const Inputs inputs = {numbers.floats({7, 3, 8}), numbers.floats({7, 3}),
                         numbers.floats({12, 8})};
  cases.push_back(
      {"score", inputs, [=](Ops& ops, const Inputs& in) { return Inputs{score(ops, in)}; }});
  cases.push_back({"score of nothing",
                   {numbers.floats({2, 3, 8}), numbers.floats({2, 3}), numbers.floats({0, 8})},
                   [](Ops& ops, const Inputs& in) {
                     const Tensor zero = Tensor::of_ints({2}, {0, 0});
                     return Inputs{ops.score(in[0], in[1], in[2], zero, zero, 1.0f)};
                   }});
  cases.push_back({"score of no query",
                   {numbers.floats({0, 3, 8}), numbers.floats({0, 3}), numbers.floats({4, 8})},
                   [](Ops& ops, const Inputs& in) {
                     const Tensor none = Tensor::of_ints({0}, {});
                     return Inputs{ops.score(in[0], in[1], in[2], none, none, 1.0f)};
                   }});
  for (int64_t block : {1, 2, 8})
    for (int64_t keep : {1, 2, 100}) {
      cases.push_back({"candidates and mask_scores " + std::to_string(block), inputs,
                       [=](Ops& ops, const Inputs& in) {
                         const Tensor scores = score(ops, in);
                         const Tensor kept = ops.candidates(scores, count, block, keep);
                         return Inputs{ops.mask_scores(scores, kept, block), kept};
                       }});
      cases.push_back({"pick " + std::to_string(keep), inputs,
                       [=](Ops& ops, const Inputs& in) {
                         const Tensor scores = score(ops, in);
                         const Tensor kept = ops.candidates(scores, count, block, 2);
                         return Inputs{ops.pick(scores, first, keep),
                                       ops.pick(ops.mask_scores(scores, kept, block), first, keep)};
                       },
                       false});
    }
}

void add_attend_cases(std::vector<Case>& cases, Numbers& numbers) {
  for (int64_t tokens : {0, 1, 3, 300})
    for (auto [heads, width] :
         std::vector<std::pair<int64_t, int64_t>>{{1, 1}, {3, 5}, {4, 16}, {2, 64}}) {
      const std::string shape =
          std::to_string(tokens) + "x" + std::to_string(heads) + "x" + std::to_string(width);
      const Tensor window = numbers.ids({tokens, 9}, 13, -1);
      const Tensor far = numbers.ids({tokens, 17}, 6, -5);
      for (int64_t i = 0; i < far.count(); ++i)
        far.data<int64_t>()[i] = std::max<int64_t>(far.data<int64_t>()[i], -1);
      if (tokens > 1) {  // a query that sees nothing
        std::fill_n(window.data<int64_t>(), 9, -1);
        std::fill_n(far.data<int64_t>(), 17, -1);
      }
      const Inputs inputs = {numbers.floats({tokens, heads, width}), numbers.floats({13, width}),
                             numbers.floats({6, width}), numbers.floats({heads})};
      cases.push_back(
          {"attend both " + shape, inputs, [=](Ops& ops, const Inputs& in) {
             return Inputs{ops.attend(in[0], {in[1], window}, {in[2], far}, in[3], 0.5f)};
           }});
      cases.push_back({"attend window " + shape,
                       {inputs[0], inputs[1], inputs[3]},
                       [=](Ops& ops, const Inputs& in) {
                         return Inputs{ops.attend(in[0], {in[1], window}, {}, in[2], 0.5f)};
                       }});
      cases.push_back(
          {"attend one pool twice " + shape,
           {inputs[0], inputs[1], inputs[3]},
           [=](Ops& ops, const Inputs& in) {
             return Inputs{ops.attend(in[0], {in[1], window}, {in[1], far}, in[2], 0.5f)};
           }});
    }
}

}  // namespace

std::vector<Case> row_cases() {
  std::vector<Case> cases;
  Numbers numbers(2);
  add_write_cases(cases, numbers);
  add_blend_cases(cases, numbers);
  add_index_cases(cases, numbers);
  add_attend_cases(cases, numbers);
  return cases;
}

}  // namespace hadal
