// SPDX-License-Identifier: MIT
// Verbs that are other verbs in a row.
#include "ops/ops.h"

#include "ops/packed_rows.h"

namespace hadal {

Pool Ops::make_row_pool(int64_t rows, const RowLayout& layout) {
  if (!packs(layout.format)) return {make_pool(rows, layout.width), layout};
  return {Tensor::zeros(DType::u8, {rows, PackedRow(layout).bytes}), layout};
}

void Ops::keep_rows(Pool& pool, const Tensor& ids_T, const Tensor& rows_TK) {
  CHECK(!pool.packed(), name(), " packs no rows");
  if (pool.layout.format == RowFormat::f32) return write_rows(pool.rows, ids_T, rows_TK);
  write_rows(pool.rows, ids_T, round_to(rows_TK, pool.layout.format, pool.layout.tail));
}

IndexChoice Ops::choose_entries(const IndexQuery& query, const Pool& keys) {
  IndexChoice choice;
  Tensor scores_TN =
      score(query.q_THK, query.w_TH, keys, query.first_T, query.count_T, query.scale);
  if (query.keep > 0)
    choice.kept_TB = candidates(scores_TN, query.count_T, query.block, query.keep);
  else if (query.kept_TB.defined())
    scores_TN = mask_scores(scores_TN, query.kept_TB, query.block);
  choice.ids_TN = pick(scores_TN, query.first_T, query.limit);
  return choice;
}

}  // namespace hadal
