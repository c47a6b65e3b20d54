// SPDX-License-Identifier: MIT
// The trainer on tiny models: it learns, it stops where it must, it goes on exactly.
#include "train/trainer.h"

#include <sys/wait.h>

#include <cmath>
#include <csignal>
#include <fstream>

#include "base/file.h"
#include "base/safetensors.h"
#include "model/model.h"
#include "ops/ops.h"
#include "testing.h"
#include "train/loss_plot.h"
#include "train/training_log.h"

namespace hadal {
namespace {

using testing::any_token_map;
using testing::Folder;
using testing::open_trainer;
using testing::tiny_run;

std::vector<StepReport> run(Trainer& trainer, int64_t until) {
  std::vector<StepReport> reports;
  while (trainer.steps_done() < until) {
    Result<StepReport> report = trainer.step();
    EXPECT_TRUE(report) << report.error().message;
    if (!report) break;
    reports.push_back(*report);
  }
  return reports;
}

// Every document begins with 0 and a second token that cannot be foreseen; all else can.
TEST(TrainerTest, LearnsABatchByHeart) {
  Folder folder;
  TrainConfig config = tiny_run(folder, "v41-tiny", {"steps=45", "decay_start=22"});
  std::unique_ptr<Trainer> trainer = open_trainer(config);
  std::vector<StepReport> reports = run(*trainer, 45);
  EXPECT_GT(reports.front().loss, 5);
  Result<HeldOut> held_out = trainer->validate(1 << 20);
  ASSERT_TRUE(held_out);
  double guess =
      std::log(testing::kDocuments) * testing::kDocuments / static_cast<double>(held_out->tokens);
  EXPECT_LT(held_out->loss() - guess, 0.1) << "last step " << reports.back().loss;
}

TEST(TrainerTest, IndexerComesToKnowWhereAttentionLooks) {
  Folder folder;
  TrainConfig config =
      tiny_run(folder, "v41-tiny", {"steps=25", "decay_start=25", "indexer_dense_steps=25"});
  std::vector<StepReport> reports = run(*open_trainer(config), 25);
  EXPECT_GT(reports.front().indexer, 0);
  config = tiny_run(folder, "v41-tiny",
                    {"steps=25", "decay_start=25", "indexer_dense_steps=25", "indexer_weight=0.0"});
  EXPECT_EQ(run(*open_trainer(config), 1).front().indexer, 0);
  EXPECT_LT(reports.back().indexer, 0.8 * reports.front().indexer);
}

TEST(TrainerTest, BiasEvensOutTheLoads) {
  Folder folder;
  auto last_balance = [&](const char* speed) {
    TrainConfig config =
        tiny_run(folder, "v41-tiny",
                 {"steps=20", "balance_weight=0.0001", std::string("balance_speed=") + speed});
    return run(*open_trainer(config), 20).back().balance;
  };
  EXPECT_LT(last_balance("0.02"), last_balance("0.0"));
}

TEST(TrainerTest, TrainsTheExtraTokenBlockOfV4) {
  Folder folder;
  TrainConfig config = tiny_run(folder, "v4-tiny", {"steps=20"});
  std::vector<StepReport> reports = run(*open_trainer(config), 20);
  EXPECT_GT(reports.front().draft, 4);
  EXPECT_LT(reports.back().draft, 0.8 * reports.front().draft);
}

TEST(TrainerTest, StopsWithTheNameOfWhatIsNotFinite) {
  Folder folder;
  TrainConfig config = tiny_run(folder, "v41-tiny", {"warmup_steps=0"});
  config.learning_rate = 1e30;  // the second step meets weights whose squares overflow
  std::unique_ptr<Trainer> trainer = open_trainer(config);
  Result<StepReport> report = trainer->step();
  for (int i = 0; i < 3 && report; ++i) report = trainer->step();
  ASSERT_FALSE(report);
  EXPECT_NE(report.error().message.find("layers."), std::string::npos) << report.error().message;
  EXPECT_NE(report.error().message.find("step "), std::string::npos);
}

// What a process that is killed between two saves leaves behind, and what comes of it.
TEST(TrainerTest, GoesOnExactlyAfterAKill) {
  Folder folder;
  TrainConfig config = tiny_run(folder, "v41-tiny", {"steps=9"});
  TrainConfig whole = config;
  whole.out = folder / "whole";
  std::vector<StepReport> unbroken = run(*open_trainer(whole), 9);

  pid_t child = fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    std::unique_ptr<Trainer> trainer = open_trainer(config);
    run(*trainer, 4);
    if (!trainer->save_state()) _exit(1);
    run(*trainer, 6);  // two steps that are lost
    kill(getpid(), SIGKILL);
  }
  int status = 0;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  ASSERT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);

  std::unique_ptr<Trainer> trainer = open_trainer(config);
  Result<bool> found = trainer->resume();
  ASSERT_TRUE(found) << found.error().message;
  ASSERT_TRUE(*found);
  EXPECT_EQ(trainer->steps_done(), 4);
  std::vector<StepReport> rest = run(*trainer, 9);
  ASSERT_EQ(rest.size(), 5u);
  for (size_t i = 0; i < rest.size(); ++i) {
    EXPECT_EQ(rest[i].loss, unbroken[i + 4].loss) << "step " << rest[i].step;
    EXPECT_EQ(rest[i].gradient_norm, unbroken[i + 4].gradient_norm);
  }
}

TEST(TrainerTest, RefusesAStateOfAnotherRun) {
  Folder folder;
  TrainConfig config = tiny_run(folder, "v41-tiny");
  std::unique_ptr<Trainer> trainer = open_trainer(config);
  run(*trainer, 1);
  ASSERT_TRUE(trainer->save_state());
  config.seed = 2;
  Result<bool> found = open_trainer(config)->resume();
  ASSERT_FALSE(found);
  EXPECT_NE(found.error().message.find("seed"), std::string::npos) << found.error().message;
}

TEST(TrainerTest, KeepsTheLastTwoStates) {
  Folder folder;
  std::unique_ptr<Trainer> trainer = open_trainer(tiny_run(folder, "v41-tiny"));
  for (int i = 1; i <= 3; ++i) {
    run(*trainer, i);
    ASSERT_TRUE(trainer->save_state());
  }
  EXPECT_FALSE(is_file(folder / "out/state-1.safetensors"));
  EXPECT_TRUE(is_file(folder / "out/state-2.safetensors"));
  EXPECT_TRUE(is_file(folder / "out/state-3.safetensors"));
}

// Mean loss of the reference back end, from the files alone.
double reference_loss(const std::string& model_folder, const TrainConfig& config) {
  std::unique_ptr<Ops> ops = make_reference_ops();
  Result<std::unique_ptr<Model>> model = Model::open(model_folder, *ops, {}, any_token_map(config));
  EXPECT_TRUE(model) << model.error().message;
  if (!model) return NAN;
  Shard shard = Shard::open(config.valid[0]).take();
  double nats = 0;
  int64_t tokens = 0, vocab = (*model)->config().vocab;
  for (int64_t d = 0; d < shard.documents(); ++d) {
    Cache cache((*model)->config(), *ops, {.slots = 1, .max_positions = 64, .max_chunk = 64});
    std::span<const int32_t> ids = shard.tokens(d);
    Batch batch;
    batch.append(0, 0, std::vector<int64_t>(ids.begin(), ids.end()));
    for (int64_t row = 0; row + 1 < batch.rows(); ++row) batch.wanted.push_back(row);
    Tensor logits = (*model)->forward(batch, cache);
    for (int64_t row : batch.wanted) {
      const float* out = logits.data<float>() + row * vocab;
      double sum = 0;
      for (int64_t v = 0; v < vocab; ++v) sum += std::exp(static_cast<double>(out[v]));
      nats += std::log(sum) - static_cast<double>(out[ids[static_cast<size_t>(row + 1)]]);
      ++tokens;
    }
  }
  return nats / static_cast<double>(tokens);
}

TEST(TrainerTest, CheckpointIsAModelOfTheSameLoss) {
  Folder folder;
  // Plain weights: BF16 costs three digits.  FP8 and FP4 are held to their own rounding.
  for (auto [golden, tolerance] : {std::pair<const char*, double>{"v41-tiny", 0.02},
                                   {"v4-tiny", 0.02},
                                   {"v41-tiny-fp8", 0.4}}) {
    TrainConfig config = tiny_run(folder, golden, {"steps=8", "decay_start=4"});
    std::unique_ptr<Trainer> trainer = open_trainer(config);
    run(*trainer, 8);
    Result<HeldOut> held_out = trainer->validate(1 << 20);
    ASSERT_TRUE(held_out);
    ASSERT_TRUE(trainer->export_model(folder / golden));
    EXPECT_NEAR(reference_loss(folder / golden, config), held_out->loss(), tolerance) << golden;
  }
}

// A run may begin with a published model: FP8 and FP4 weights are what they stand for.  Inputs that
// such weights round where the model runs stay f32 here, which costs a hundredth.
TEST(TrainerTest, BeginsWithAPublishedModel) {
  Folder folder;
  for (auto [golden, tolerance] :
       {std::pair<const char*, double>{"v4-tiny", 1e-3}, {"v41-tiny-fp8", 0.05}}) {
    TrainConfig config = tiny_run(folder, golden, {"steps=4", "decay_start=2"});
    std::unique_ptr<Trainer> first = open_trainer(config);
    run(*first, 4);
    ASSERT_TRUE(first->export_model(folder / golden));
    const double fresh = open_trainer(config)->validate(1 << 20)->loss();
    config.start_from = folder / golden;
    const Result<HeldOut> begun = open_trainer(config)->validate(1 << 20);
    ASSERT_TRUE(begun) << begun.error().message;
    EXPECT_NEAR(begun->loss(), reference_loss(folder / golden, config), tolerance) << golden;
    EXPECT_GT(fresh, begun->loss() + 0.3) << golden;
  }
  TrainConfig other = tiny_run(folder, "v41-tiny");
  other.start_from = folder / "v4-tiny";
  EXPECT_FALSE(Trainer::create(other, any_token_map(other)));
}

TEST(TrainerTest, RefusesShardsOfALargerVocabulary) {
  Folder folder;
  TrainConfig config = tiny_run(folder, "v41-tiny");
  ShardWriter writer("test", 100000);
  writer.add(std::vector<int32_t>{0, 1}, 1);
  ASSERT_TRUE(writer.write(folder / "train.shard"));
  Result<std::unique_ptr<Trainer>> trainer = Trainer::create(config, any_token_map(config));
  ASSERT_FALSE(trainer);
  EXPECT_NE(trainer.error().message.find("vocabulary"), std::string::npos);
}

TEST(TrainConfigTest, RefusesWhatItDoesNotKnow) {
  Folder folder;
  std::string begin =
      R"({"model": ")" + testing::golden_config("v41-tiny") + R"(", "train": ["a"], "out": "b")";
  auto message = [&](const std::string& more, const std::vector<std::string>& settings) {
    Result<TrainConfig> config =
        TrainConfig::parse(begin + more + "}", folder / "c.json", settings);
    return config ? "" : config.error().message;
  };
  EXPECT_EQ(message("", {}), "");
  EXPECT_NE(message(R"(, "stepz": 3)", {}).find("stepz"), std::string::npos);
  EXPECT_NE(message(R"(, "steps": 0)", {}).find("steps"), std::string::npos);
  EXPECT_NE(message(R"(, "steps": "ten")", {}).find("steps"), std::string::npos);
  EXPECT_NE(message("", {"steps"}).find("key=value"), std::string::npos);
  EXPECT_NE(message("", {"out=[1]"}).find("out"), std::string::npos);
  EXPECT_NE(message(R"(, "rounding": "up")", {}).find("rounding"), std::string::npos);
}

TEST(TrainConfigTest, ChangesTheModel) {
  Folder folder;
  TrainConfig config =
      tiny_run(folder, "v41-tiny", {R"(model_changes={"text_config":{"scoring_func":"softmax"}})"});
  Result<ModelConfig> model = config.model_config();
  ASSERT_TRUE(model) << model.error().message;
  EXPECT_EQ(model->scoring, Scoring::softmax);
}

StepReport report_of(int64_t step, double loss) {
  StepReport report;
  report.step = step;
  report.loss = loss;
  report.tokens = 10;
  return report;
}

TEST(TrainingLogTest, CutsOffWhatCameAfterTheState) {
  Folder folder;
  std::string path = folder / "log.jsonl";
  {
    TrainingLog log = TrainingLog::open(path, 0).take();
    for (int64_t step = 1; step <= 5; ++step)
      ASSERT_TRUE(log.add(report_of(step, 1.0 / static_cast<double>(step)), {}, 100));
  }
  std::ofstream(path, std::ios::app) << R"({"step":6,"lo)";  // a line that a crash cut short
  Result<TrainingLog> log = TrainingLog::open(path, 3);
  ASSERT_TRUE(log);
  ASSERT_EQ(log->lines().size(), 3u);
  EXPECT_NEAR(log->lines()[2].loss, 1.0 / 3, 1e-8);
  ASSERT_TRUE(log->add(report_of(4, 0.5), {}, 100));
  Result<std::string> text = read_file(path, 1 << 20);
  ASSERT_TRUE(text);
  EXPECT_EQ(std::count(text->begin(), text->end(), '\n'), 4);
}

TEST(LossPlotTest, DrawsWhatThereIs) {
  EXPECT_NE(loss_plot("none", {}).find("</svg>"), std::string::npos);
  std::string svg = loss_plot("a<b", {{1, 8.5, {}}, {2, 6.0, 6.5}, {3, 4.0, {}}});
  EXPECT_NE(svg.find("a&lt;b"), std::string::npos);
  EXPECT_NE(svg.find("class='valid'"), std::string::npos);
  EXPECT_EQ(svg.find("nan"), std::string::npos);
  EXPECT_EQ(svg.find("inf"), std::string::npos);
}

}  // namespace
}  // namespace hadal
