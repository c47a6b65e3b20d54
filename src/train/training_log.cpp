// SPDX-License-Identifier: MIT
// Lines of the log, read back and written.
#include "train/training_log.h"

#include <cerrno>
#include <cstdio>
#include <cstring>

#include "base/file.h"
#include "base/json.h"

namespace hadal {

namespace {

constexpr int64_t kLogLimit = int64_t{1} << 30;  // four million lines

// The line's text as it was, if it is whole and of a step that is done.
std::optional<LogLine> read_line(const std::string& text, int64_t steps_done) {
  Result<nlohmann::json> json = parse_json(text, "log", {});
  if (!json || !json->is_object()) return std::nullopt;
  LogLine line;
  if (!json->contains("step") || !(*json)["step"].is_number_integer()) return std::nullopt;
  if (!json->contains("loss") || !(*json)["loss"].is_number()) return std::nullopt;
  line.step = (*json)["step"].get<int64_t>();
  line.loss = (*json)["loss"].get<double>();
  if (json->contains("valid") && (*json)["valid"].is_number())
    line.valid = (*json)["valid"].get<double>();
  if (line.step < 1 || line.step > steps_done) return std::nullopt;
  return line;
}

std::string format(const char* key, double value) {
  char text[64];
  std::snprintf(text, sizeof text, ",\"%s\":%.9g", key, value);
  return text;
}

std::string list(const char* key, const std::vector<double>& values) {
  std::string text = std::string(",\"") + key + "\":";
  for (size_t i = 0; i < values.size(); ++i) {
    char number[64];
    std::snprintf(number, sizeof number, "%c%.4f", i == 0 ? '[' : ',', values[i]);
    text += number;
  }
  return text + "]";
}

}  // namespace

Result<TrainingLog> TrainingLog::open(const std::string& path, int64_t steps_done) {
  TrainingLog log;
  log.path_ = path;
  std::string kept;
  if (steps_done > 0 && is_file(path)) {
    TRY(std::string text, read_file(path, kLogLimit));
    for (size_t begin = 0; begin < text.size();) {
      size_t end = text.find('\n', begin);
      if (end == std::string::npos) break;
      std::string line = text.substr(begin, end - begin);
      begin = end + 1;
      std::optional<LogLine> read = read_line(line, steps_done);
      if (!read) continue;
      log.lines_.push_back(*read);
      kept += line + "\n";
    }
  }
  TRY_STATUS(write_file(path, kept));
  log.file_.reset(std::fopen(path.c_str(), "ab"));
  if (!log.file_) return fail_machine(path, ": ", std::strerror(errno));
  return log;
}

Status TrainingLog::add(const StepReport& report, const std::optional<HeldOut>& held_out,
                        double tokens_per_second) {
  std::string line = "{\"step\":" + std::to_string(report.step) + format("loss", report.loss) +
                     ",\"tokens\":" + std::to_string(report.tokens) + format("rate", report.rate) +
                     format("norm", report.gradient_norm) + format("balance", report.balance) +
                     format("indexer", report.indexer);
  if (report.draft > 0) line += format("draft", report.draft);
  if (report.cells > 0)
    line += ",\"cells\":" + std::to_string(report.cells) + format("cell_loss", report.cell_loss);
  line += format("speed", tokens_per_second);
  if (held_out && held_out->tokens > 0) line += format("valid", held_out->loss());
  if (held_out && held_out->text_bytes > 0)
    line += format("bits_per_byte", held_out->bits_per_byte());
  if (held_out && !held_out->agreed.empty())
    line += list("agreed", held_out->agreed) + list("overlap", held_out->overlap);
  if (held_out && held_out->cells > 0) line += format("valid_cells", held_out->cell_loss());
  LogLine entry{report.step, report.loss, {}};
  if (held_out && held_out->tokens > 0) entry.valid = held_out->loss();
  return add(entry, line + "}");
}

Status TrainingLog::add(const LogLine& entry, const std::string& text) {
  const std::string line = text + "\n";
  bool written = std::fwrite(line.data(), 1, line.size(), file_.get()) == line.size();
  if (!written || std::fflush(file_.get()) != 0)
    return fail_machine(path_, ": ", std::strerror(errno));
  lines_.push_back(entry);
  return Ok{};
}

}  // namespace hadal
