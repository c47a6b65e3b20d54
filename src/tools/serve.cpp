// SPDX-License-Identifier: MIT
// `hadal serve`: listens, opens the model, serves until it is told to stop, and drains.
#include "tools/serve.h"

#include <pthread.h>
#include <signal.h>

#include <CLI/CLI.hpp>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <ctime>
#include <filesystem>
#include <future>
#include <memory>
#include <optional>

#include "engine/fingerprint.h"
#include "model/figures.h"
#include "serve/api.h"
#include "serve/file_store.h"
#include "serve/loading_door.h"
#include "serve/slot_worker.h"
#include "serve/video_store.h"
#include "tools/keys.h"
#include "tools/machine.h"
#include "tools/open_model.h"
#include "tools/options.h"
#include "tools/output.h"
#include "tools/serve_artist.h"
#include "tools/serve_viewer.h"
#include "tools/version.h"

namespace hadal {
namespace {

constexpr uint16_t kUsualPort = 8080;
constexpr int64_t kUsualSlots = 4;
// Most tokens of prompts in a step; beside answers the scheduler takes fewer.
constexpr int64_t kUsualSlice = 256;
// What a client's last bytes may take once everything is answered.
constexpr std::chrono::seconds kFarewellTime{3};

struct ServeChoice {
  ModelChoice model;
  HttpServerOptions http;
  std::string data, thinking = "auto";
  std::optional<double> temperature;
  int64_t slots = kUsualSlots, slice = kUsualSlice, max_output = 4096, body_mb = 64;
  int64_t drain_seconds = 30, request_seconds = 3600, prefix_mb = 512, disk_mb = 4096;
  int64_t video_mb = 2048, video_hours = 24;
  int64_t file_mb = 128, file_picture_mb = 32, files_gb = 25, files = 10'000;
  QueueLimits queue;
  std::string metrics = "both";
  bool strict_reasoning = false;
};

// SIGINT and SIGTERM wait for sigtimedwait() in this thread; threads made later inherit that.
sigset_t held_signals() {
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGINT);
  sigaddset(&signals, SIGTERM);
  return signals;
}

// True: a signal came within the time.
bool signal_within(const sigset_t& signals, std::chrono::milliseconds time) {
  const timespec limit{static_cast<time_t>(time.count() / 1000),
                       static_cast<long>(time.count() % 1000 * 1'000'000)};
  return sigtimedwait(&signals, nullptr, &limit) > 0;
}

// Waits until `done`; false if the time is over or a second signal asks for haste.
template <typename Done>
bool wait_until(const sigset_t& signals, std::chrono::seconds limit, const Done& done) {
  const auto end = std::chrono::steady_clock::now() + limit;
  while (!done()) {
    if (std::chrono::steady_clock::now() >= end) return false;
    if (signal_within(signals, std::chrono::milliseconds(50))) return false;
  }
  return true;
}

// The published models have 129,280 tokens; small ones were not taught to think, nor can they be
// let loose.
bool is_small(const OpenModel& open) {
  constexpr int64_t kSmallVocab = 100'000;
  return open.config().vocab <= kSmallVocab;
}

bool model_thinks(const ServeChoice& choice, const OpenModel& open) {
  return choice.thinking == "auto" ? !is_small(open) : choice.thinking == "on";
}

double usual_temperature(const ServeChoice& choice, const OpenModel& open) {
  constexpr double kSmall = 0.3;  // above it models/nano invents words
  return choice.temperature.value_or(is_small(open) ? kSmall : 1.0);
}

Status check_exposure(const ServeChoice& choice, Accounts& accounts) {
  if (choice.http.certificate.empty() != choice.http.key.empty())
    return fail("--tls-cert and --tls-key belong together");
  if (is_loopback(choice.http.address)) return Ok{};
  TRY(const bool keys, accounts.any_keys());
  if (!keys)
    return fail("--host ", choice.http.address,
                " is open to others, but there is no key yet; make one with hadal keys add");
  if (choice.http.certificate.empty())
    note_line("warning: without --tls-cert keys and conversations can be read on their way");
  return Ok{};
}

// From the first signal to the end: new requests are refused, running ones finish or are cut.
void drain(const ServeChoice& choice, const sigset_t& signals, Api& api, HttpServer& server) {
  note_line("draining; once more to stop at once");
  api.drain();
  server.drain();
  const auto answered = [&] { return api.answering() == 0; };
  if (!wait_until(signals, std::chrono::seconds(choice.drain_seconds), answered)) {
    api.cut();
    wait_until(signals, kFarewellTime, answered);
  }
  wait_until(signals, kFarewellTime, [&] { return server.counts().answering == 0; });
  // What is answered may still be on its way to a slow reader.
  wait_until(signals, kFarewellTime, [&] { return server.counts().connections == 0; });
}

// Beside the accounts.  Null: nothing is kept on disk, which costs time and nothing else.
std::unique_ptr<PrefixStore> open_store(const ServeChoice& choice, const OpenModel& open,
                                        const std::string& accounts,
                                        const std::string& fingerprint) {
  if (choice.disk_mb == 0) return nullptr;
  PrefixStoreOptions options;
  options.folder = (std::filesystem::path(accounts).parent_path() / "prefixes").string();
  options.fingerprint =
      fingerprint + "/" + numerics_of(*open.model, *open.ops) + "/" + program_version();
  options.budget_bytes = choice.disk_mb << 20;
  options.log = [](const std::string& line) { note_line("hadal: " + line); };
  Result<std::unique_ptr<PrefixStore>> store = PrefixStore::open(open.config(), options);
  if (store) return store.take();
  note_line("hadal: " + store.error().message + "; texts are not kept on disk");
  return nullptr;
}

// Beside the accounts; none for a model that does not film.
Result<std::unique_ptr<VideoStore>> open_videos(const ServeChoice& choice, const Artist* artist,
                                                const std::string& accounts) {
  if (!artist) return std::unique_ptr<VideoStore>();
  VideoStoreLimits limits;
  limits.files_bytes = choice.video_mb << 20;
  limits.kept_seconds = choice.video_hours * 3600;
  const std::filesystem::path folder = std::filesystem::path(accounts).parent_path() / "videos";
  return VideoStore::open(folder.string(), limits, std::time(nullptr));
}

// Beside the accounts.
Result<std::unique_ptr<FileStore>> open_files(const ServeChoice& choice,
                                              const std::string& accounts) {
  const FileStoreLimits limits{.file_bytes = choice.file_mb << 20,
                               .picture_bytes = choice.file_picture_mb << 20,
                               .files_of_one = choice.files,
                               .bytes_of_one = choice.files_gb << 30};
  const std::filesystem::path folder = std::filesystem::path(accounts).parent_path() / "files";
  return FileStore::open(folder.string(), limits);
}

MetricsNames metrics_names(const ServeChoice& choice) {
  if (choice.metrics == "both") return MetricsNames::both;
  if (choice.metrics == "all") return MetricsNames::all;
  return choice.metrics == "vllm" ? MetricsNames::vllm : MetricsNames::hadal;
}

HttpLimits limits_of(const ServeChoice& choice) {
  constexpr int64_t kFormBytes = 64 << 10;  // around the file
  HttpLimits limits = choice.http.limits;
  limits.body_bytes = choice.body_mb << 20;
  limits.upload_bytes = (choice.file_mb << 20) + kFormBytes;
  // At least one of the longest, whatever is chosen.
  limits.all_bodies_bytes =
      std::max({limits.all_bodies_bytes, limits.body_bytes, limits.upload_bytes});
  return limits;
}

// All that stands behind the door.  Later members use earlier ones.
struct Behind {
  OpenModel open;
  std::unique_ptr<PrefixStore> prefixes;
  std::unique_ptr<SlotWorker> worker;
  std::unique_ptr<Artist> artist;
  std::unique_ptr<Viewer> viewer;
  std::unique_ptr<VideoStore> videos;
  std::unique_ptr<FileStore> files;
  std::optional<ServedModel> model;
  std::unique_ptr<Api> api;
};

// Of the large matrices.
std::string quantization_of(const ModelConfig& config) {
  switch (config.weights) {
    case WeightFormat::bf16:
      return "bf16";
    case WeightFormat::fp8:
      return "fp8";
    case WeightFormat::fp8_fp4:
      return "fp8+fp4";  // experts
    case WeightFormat::fp4:
      return "fp4";
  }
  CHECK(false, "no such format");
}

Result<ServedModel> served_model(const ServeChoice& choice, const Behind& behind,
                                 const std::string& fingerprint) {
  const OpenModel& open = behind.open;
  const std::filesystem::path folder = std::filesystem::path(open.folder) / "";
  TRY(std::shared_ptr<AnswerForms> forms, AnswerForms::make(*open.tokenizer, open.config().vocab));
  return ServedModel{.id = folder.parent_path().filename().string(),
                     .end_ids = open.end_ids(),
                     .tokenizer = *open.tokenizer,
                     .worker = *behind.worker,
                     .dialect = open.dialect(),
                     .thinks = model_thinks(choice, open),
                     .temperature = usual_temperature(choice, open),
                     .top_p = open.config().family == Family::v41 ? 0.95 : 1.0,
                     .fingerprint = "fp_" + fingerprint,
                     .quantization = quantization_of(open.config()),
                     .created = std::time(nullptr),
                     .forms = std::move(forms),
                     .default_output = choice.max_output,
                     .viewer = behind.viewer.get()};
}

// On a thread of its own, while the server says how far it is.
Result<std::unique_ptr<Behind>> open_behind(const ServeChoice& choice, Accounts& accounts,
                                            const std::string& file, LoadingDoor& door) {
  auto behind = std::make_unique<Behind>();
  OpenOptions opening{.slots = choice.slots, .max_chunk = choice.slice, .stays = true};
  opening.progress = [&door](int64_t done, int64_t all) { door.progress(done, all); };
  TRY(behind->open, open_model(choice.model, opening));
  const OpenModel& open = behind->open;
  TRY(const std::string fingerprint, model_fingerprint(open.folder));
  behind->prefixes = open_store(choice, open, file, fingerprint);
  const SlotWorkerOptions serving{.queue = choice.queue,
                                  .prefixes = {.budget_bytes = choice.prefix_mb << 20},
                                  .store = behind->prefixes.get(),
                                  .weight_bytes = count_stored(open.config()).all_bytes()};
  behind->worker = std::make_unique<SlotWorker>(*open.model, *open.ops, *open.cache, serving);
  TRY(behind->artist, open_artist(choice.model));
  TRY(behind->viewer, open_viewer(choice.model));
  TRY(behind->videos, open_videos(choice, behind->artist.get(), file));
  TRY(behind->files, open_files(choice, file));
  TRY(ServedModel model, served_model(choice, *behind, fingerprint));
  behind->model.emplace(std::move(model));
  ApiOptions options{.request_time = std::chrono::seconds(choice.request_seconds)};
  options.artist = behind->artist.get();
  options.videos = behind->videos.get();
  options.files = behind->files.get();
  options.metrics = metrics_names(choice);
  options.strict_reasoning = choice.strict_reasoning;
  options.log = [](const std::string& line) { note_line("hadal: " + line); };
  behind->api = std::make_unique<Api>(*behind->model, accounts, options);
  return behind;
}

Result<int> serve(ServeChoice choice) {
  const sigset_t signals = held_signals();
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  signal(SIGPIPE, SIG_IGN);
  TRY(const std::string file, accounts_file(choice.data));
  TRY(const std::unique_ptr<Accounts> accounts, Accounts::open(file));
  TRY_STATUS(check_exposure(choice, *accounts));
  if (!choice.model.quiet) choice.http.log = [](const std::string& line) { note_line(line); };
  choice.http.limits = limits_of(choice);
  LoadingDoor door;
  TRY(const std::unique_ptr<HttpServer> server, HttpServer::start(choice.http, door));
  if (!choice.model.quiet)
    note_line("hadal: listens at " + server->url() + "; the model is loaded");

  std::future<Result<std::unique_ptr<Behind>>> loading =
      std::async(std::launch::async, [&] { return open_behind(choice, *accounts, file, door); });
  while (loading.wait_for(std::chrono::seconds(0)) != std::future_status::ready) {
    if (!signal_within(signals, std::chrono::milliseconds(20))) continue;
    // Nothing was promised to anybody yet, and a load cannot be called back.
    server->stop();
    std::_Exit(0);
  }
  TRY(const std::unique_ptr<Behind> behind, loading.get());
  Api& api = *behind->api;
  api.watch(server->counts());
  door.open(api);

  Output out;
  out.write("hadal serves " + behind->model->id + " at " + server->url() + "/v1\nchat at " +
            server->url() + "/\n");
  while (!signal_within(signals, std::chrono::hours(1))) {
  }
  drain(choice, signals, api, *server);
  server->stop();
  api.cut();               // from here on nothing asks the worker
  behind->worker.reset();  // its answers hold exchanges of the server, which goes last
  behind->api.reset();
  TRY_STATUS(out.finish());
  return 0;
}

void add_server_options(CLI::App& command, ServeChoice& choice) {
  choice.http.port = kUsualPort;
  command
      .add_option("--host", choice.http.address,
                  "Address to listen on; others than loopback "
                  "need a key")
      ->capture_default_str();
  command.add_option("--port", choice.http.port, "0: any that is free")->capture_default_str();
  command.add_option("--tls-cert", choice.http.certificate, "PEM file: serve TLS");
  command.add_option("--tls-key", choice.http.key, "PEM file: the certificate's key");
  command.add_option(
      "--data", choice.data,
      "Folder of accounts, files and videos (default: $HADAL_DATA, else ~/.local/share/hadal)");
  command.add_option("--max-connections", choice.http.limits.connections, "Open at once")
      ->check(CLI::Range(1, 65536))
      ->capture_default_str();
  command.add_option("--max-body", choice.body_mb, "Longest body of a request, in MiB")
      ->check(CLI::Range(1, 1024))
      ->capture_default_str();
  command
      .add_option("--drain", choice.drain_seconds, "Seconds that running answers get after SIGTERM")
      ->check(CLI::Range(0, 86400))
      ->capture_default_str();
}

void add_file_options(CLI::App& command, ServeChoice& choice) {
  command.add_option("--file-mb", choice.file_mb, "MiB of the largest file that may be sent")
      ->check(CLI::Range(1, 1024))
      ->capture_default_str();
  command.add_option("--file-picture-mb", choice.file_picture_mb, "… of the largest picture")
      ->check(CLI::Range(1, 1024))
      ->capture_default_str();
  command.add_option("--files", choice.files, "Files that a key may keep")
      ->check(CLI::Range(1, 1 << 20))
      ->capture_default_str();
  command.add_option("--files-gb", choice.files_gb, "GiB that they may take")
      ->check(CLI::Range(1, 1 << 20))
      ->capture_default_str();
}

void add_request_options(CLI::App& command, ServeChoice& choice) {
  command
      .add_option("--slots", choice.slots,
                  "Requests that are computed side by side; each "
                  "reserves a cache")
      ->check(CLI::Range(1, 1024))
      ->capture_default_str();
  command
      .add_option("--slice", choice.slice,
                  "Most tokens of prompts in one step; fewer while answers are being written")
      ->check(CLI::Range(1, 65536))
      ->capture_default_str();
  command
      .add_option("--prefix-cache", choice.prefix_mb,
                  "MiB for what was read once, so that it need not be read again; 0: none")
      ->check(CLI::Range(0, 1 << 24))
      ->capture_default_str();
  command
      .add_option("--prefix-disk", choice.disk_mb,
                  "MiB on disk for the same, beside the accounts; outlasts the program; 0: none")
      ->check(CLI::Range(0, 1 << 24))
      ->capture_default_str();
  command.add_option("--queue", choice.queue.most, "Requests that may wait")
      ->check(CLI::Range(1, 1 << 20))
      ->capture_default_str();
  command.add_option("--queue-per-key", choice.queue.most_of_one, "… of one key")
      ->check(CLI::Range(1, 1 << 20))
      ->capture_default_str();
  command
      .add_option("--max-output", choice.max_output,
                  "Tokens of an answer whose request names no limit")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  command
      .add_option("--request-time", choice.request_seconds,
                  "Seconds after which a request is given up")
      ->check(CLI::Range(1, 7 * 86400))
      ->capture_default_str();
  command.add_option("--video-mb", choice.video_mb, "MiB that finished videos may take on disk")
      ->check(CLI::Range(1, 1 << 24))
      ->capture_default_str();
  command.add_option("--video-hours", choice.video_hours, "Hours for which they can be fetched")
      ->check(CLI::Range(1, 8760))
      ->capture_default_str();
  add_file_options(command, choice);
  command
      .add_option(
          "--metrics", choice.metrics,
          "Prefix of metrics that vLLM has names for: hadal, vllm or both; all: llama.cpp's "
          "and SGLang's names, too")
      ->check(CLI::IsMember({"hadal", "vllm", "both", "all"}))
      ->capture_default_str();
  command
      .add_option("--thinking", choice.thinking,
                  "Whether the model thinks when a request does not say")
      ->check(CLI::IsMember({"auto", "on", "off"}))
      ->capture_default_str();
  command.add_flag("--strict-reasoning", choice.strict_reasoning,
                   "Refuse chats that, thinking, leave out the reasoning_content of a message with "
                   "tool_calls, as DeepSeek's service does");
  command
      .add_option("--temperature", choice.temperature,
                  "… of requests that name none (default: 1; 0.3 for small models)")
      ->check(CLI::Range(0.0, 2.0));
}

}  // namespace

void add_serve(CLI::App& program, Command& chosen) {
  CLI::App* command =
      program.add_subcommand("serve", "Answer requests of OpenAI's and Anthropic's APIs");
  auto choice = std::make_shared<ServeChoice>();
  add_server_options(*command, *choice);
  add_request_options(*command, *choice);
  add_model_options(*command, choice->model);
  command->footer(
      "Examples:\n"
      "  hadal serve\n"
      "  hadal serve --model /data/DeepSeek-V4-Flash --slots 8 --port 8000\n"
      "  hadal keys add ann && hadal serve --host 0.0.0.0 --tls-cert c.pem --tls-key k.pem");
  command->callback([choice, &chosen] { chosen = [choice] { return serve(*choice); }; });
}

}  // namespace hadal
