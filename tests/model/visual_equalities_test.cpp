// SPDX-License-Identifier: MIT
// What holds for sequences with pictures and clips, bit for bit on the CPU: chunks = one piece, a
// batch = alone, resumed = fresh, a refined block leaves no trace; and that a frame larger than
// the window still sees where it came from.
#include <map>

#include "backends/cpu/cpu_ops.h"
#include "visual_model.h"

namespace hadal {
namespace {

constexpr SpanSize kClip{6, 5, 3, 8};  // 31 positions a frame, the window has 16

class VisualEqualities : public testing::Test {
 protected:
  Cache cache(int64_t slots = 1) const {
    return {config_, *ops_, {.slots = slots, .max_positions = 256, .max_chunk = 160}};
  }

  // Head inputs of every position of ids[from…], in chunks of `chunk`.
  std::vector<float> read(Cache& cache, const std::vector<int64_t>& ids, size_t from, size_t chunk,
                          int64_t slot = 0) {
    std::vector<float> all;
    for (; from < ids.size(); from += chunk) {
      const size_t end = std::min(ids.size(), from + chunk);
      Batch batch;
      batch.append(slot, static_cast<int64_t>(from),
                   {ids.begin() + static_cast<long>(from), ids.begin() + static_cast<long>(end)});
      for (int64_t row = 0; row < batch.rows(); ++row) batch.wanted.push_back(row);
      const Tensor states = model_->states(batch, cache);
      all.insert(all.end(), states.data<float>(), states.data<float>() + states.count());
    }
    return all;
  }

  // What a row at `position` sees through its window, as positions.
  std::vector<int64_t> window_of(const std::vector<int64_t>& ids, int64_t position) {
    Cache own = cache();
    Batch batch;
    batch.append(0, 0, ids);
    own.note(batch);
    const Plan plan = own.plan(batch);
    std::vector<int64_t> seen;
    for (int64_t i = 0; i < plan.window_ids_TW.size(1); ++i) {
      const int64_t id =
          plan.window_ids_TW.data<int64_t>()[position * plan.window_ids_TW.size(1) + i];
      if (id >= 0)
        seen.push_back(id);  // the ring is longer than the sequence: a row is its position
    }
    return seen;
  }

  ModelConfig config_ = visual_config();
  std::unique_ptr<Ops> ops_ = make_cpu_ops({});
  std::unique_ptr<Model> model_ = visual_model(config_, *ops_);
};

TEST_F(VisualEqualities, AnyChunksGiveTheSameBits) {
  const std::vector<int64_t> ids = sequence_with_clip(config_, kClip);
  Cache whole = cache();
  const std::vector<float> expected = read(whole, ids, 0, ids.size());
  for (size_t chunk : {1, 7, 31, 64}) {
    Cache own = cache();
    EXPECT_EQ(read(own, ids, 0, chunk), expected) << chunk;
  }
}

TEST_F(VisualEqualities, TheCodesOfACellMatter) {
  std::vector<int64_t> ids = sequence_with_clip(config_, kClip);
  Cache first = cache(), second = cache();
  const std::vector<float> before = read(first, ids, 0, ids.size());
  ids[20] += 20 * 20;  // the last code of an early cell
  if (!CellIds(config_).is_known(ids[20])) ids[20] -= 2 * 20 * 20;
  EXPECT_NE(read(second, ids, 0, ids.size()), before);
}

TEST_F(VisualEqualities, InABatchAsAlone) {
  const std::vector<int64_t> clip = sequence_with_clip(config_, kClip, 4);
  const std::vector<int64_t> other = sequence_with_clip(config_, {3, 3, 1, 0}, 5);
  Cache alone = cache(), both = cache(2);
  const std::vector<float> expected = read(alone, clip, 0, clip.size());
  Batch batch;
  batch.append(1, 0, other);
  batch.append(0, 0, clip);
  for (int64_t row = static_cast<int64_t>(other.size()); row < batch.rows(); ++row)
    batch.wanted.push_back(row);
  const Tensor states = model_->states(batch, both);
  EXPECT_EQ(std::vector<float>(states.data<float>(), states.data<float>() + states.count()),
            expected);
}

TEST_F(VisualEqualities, ResumedFromASavedCacheAsFresh) {
  const std::vector<int64_t> ids = sequence_with_clip(config_, kClip);
  const size_t cut = 70;
  Cache fresh = cache(), resumed = cache();
  read(fresh, ids, 0, cut);
  std::map<std::string, Tensor> saved;
  {
    const std::vector<int64_t> head(ids.begin(), ids.begin() + cut);
    Cache first = cache();
    read(first, head, 0, cut);
    for (auto& [name, tensor] : first.save(0, static_cast<int64_t>(cut)))
      saved.emplace(name, tensor);
  }
  ASSERT_TRUE(resumed.load(0, static_cast<int64_t>(cut), saved));
  Cache whole = cache();
  read(whole, {ids.begin(), ids.begin() + cut}, 0, cut);
  EXPECT_EQ(read(resumed, ids, cut, 1), read(whole, ids, cut, 1));
}

TEST_F(VisualEqualities, ARefinedBlockLeavesNoTrace) {
  const std::vector<int64_t> ids = sequence_with_clip(config_, kClip);
  const size_t start = 13 + 31, end = start + 31;  // <frame> 1 and its cells
  Cache plain = cache(), refined = cache();
  const std::vector<float> expected = read(plain, ids, 0, 13);
  read(refined, ids, 0, 13);
  for (size_t at = 13; at < start; ++at) {
    Batch batch;
    batch.append(0, static_cast<int64_t>(at), {ids[at]});
    model_->states(batch, plain);
    model_->states(batch, refined);
  }
  for (int pass = 0; pass < 3; ++pass) {
    std::vector<int64_t> block(ids.begin() + start, ids.begin() + end);
    for (size_t i = 1 + static_cast<size_t>(pass); i < block.size(); i += 3)
      block[i] = config_.visual.mask_id;
    Batch batch;
    batch.append(0, static_cast<int64_t>(start), block, /*two_way=*/true);
    batch.wanted = {0};
    model_->states(batch, refined);
  }
  EXPECT_EQ(read(refined, ids, start, 10), read(plain, ids, start, 10));
}

TEST_F(VisualEqualities, ABlockSeesItselfBothWays) {
  const std::vector<int64_t> ids = sequence_with_clip(config_, kClip);
  const size_t start = 13, end = start + 31;
  const auto first_row = [&](int64_t last_cell) {
    Cache own = cache();
    read(own, ids, 0, start);  // also reads on; the block is read again below
    std::vector<int64_t> block(ids.begin() + start, ids.begin() + end);
    block.back() = last_cell;
    Batch batch;
    batch.append(0, static_cast<int64_t>(start), block, /*two_way=*/true);
    batch.wanted = {0};
    const Tensor state = model_->states(batch, own);
    return std::vector<float>(state.data<float>(), state.data<float>() + state.count());
  };
  EXPECT_NE(first_row(config_.visual.mask_id), first_row(ids[end - 1]));
}

// The window has 16 positions, a frame 31: the same cell of the frame before is 31 back.
TEST_F(VisualEqualities, TheFrameBeforeIsInSightHoweverLargeItIs) {
  const std::vector<int64_t> ids = sequence_with_clip(config_, kClip);
  const int64_t frame1 = 13 + 31;
  // Cell (2, 2) of frame 1 sees rows 1 … 3 and columns 1 … 3 of frame 0, and its window.
  const int64_t cell = frame1 + 1 + 2 * 5 + 2;
  std::vector<int64_t> expected;
  for (int64_t y = 1; y <= 3; ++y)
    for (int64_t x = 1; x <= 3; ++x)
      if (14 + y * 5 + x < cell - 15) expected.push_back(14 + y * 5 + x);
  EXPECT_EQ(expected.size(), 9u);
  for (int64_t p = cell - 15; p <= cell; ++p) expected.push_back(p);
  EXPECT_EQ(window_of(ids, cell), expected);
  // A corner has fewer neighbours; a first frame has no frame before it.
  EXPECT_EQ(window_of(ids, frame1 + 1).size(), 16u + 4);
  EXPECT_EQ(window_of(ids, 14 + 20).size(), 16u);
  // And what it sees is used: another source, another state.
  std::vector<int64_t> changed = ids;
  changed[14 + 1 * 5 + 1] = changed[14];
  config_.index_topk = 1;  // whatever the indexer finds, it is not this
  Cache a = cache(), b = cache();
  const std::vector<float> before = read(a, ids, 0, ids.size());
  const std::vector<float> after = read(b, changed, 0, ids.size());
  const size_t width = static_cast<size_t>(config_.width), at = static_cast<size_t>(cell) * width;
  EXPECT_FALSE(std::equal(before.begin() + static_cast<long>(at),
                          before.begin() + static_cast<long>(at + width),
                          after.begin() + static_cast<long>(at)));
}

TEST_F(VisualEqualities, TextAloneHasOneDimensionalPositions) {
  Batch batch;
  batch.append(0, 0, {40, 41, 42, 43});
  Cache own = cache();
  own.note(batch);
  const Tensor positions = own.plan(batch).positions;
  EXPECT_EQ(positions.shape(), (Shape{4, 3}));
  for (int64_t i = 0; i < 12; ++i) EXPECT_EQ(positions.data<int64_t>()[i], i / 3);
}

// Groups of codes are rows of head and embedding, and blocks of scales do not follow the cuts.
TEST_F(VisualEqualities, AQuantisedHeadIsRefusedByName) {
  const auto source = [](const TensorSpec& spec) -> Result<Weight> {
    if (spec.name != "head.weight") return random_weight(spec);
    const Tensor scales = Tensor::zeros(DType::f8_e8m0, {spec.shape[0], spec.shape[1] / 32});
    return Weight{Tensor::zeros(DType::f8_e4m3, spec.shape), scales, 1, 32, true};
  };
  std::vector<int32_t> ids(static_cast<size_t>(config_.vocab), 0);
  ids[0] = static_cast<int32_t>(config_.engram.compressed_vocab - 1);
  const Result<std::unique_ptr<Model>> model = Model::create(config_, source, *ops_, {}, ids);
  ASSERT_FALSE(model);
  EXPECT_EQ(model.error().message, "tensor head.weight is quantised, expected BF16 or F32");
}

}  // namespace
}  // namespace hadal
