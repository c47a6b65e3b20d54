// SPDX-License-Identifier: MIT
// The prefix store: what was read stays read when the program starts again.
//
//   TRY(auto store, PrefixStore::open(config, {.folder = "…/prefixes", .fingerprint = "…"}));
//   PrefixStore::Found found = store->find("ann", wanted);
//   Result<SequenceState> state = store->read(found, wanted);  // an error: as if nothing was found
//   store->keep("ann", sequence.save(length));                 // written by a thread of its own
//
// Segments of records (prefix_record.h) to which is only ever added.  A record holds what of a text
// is new since another record, so a conversation is written once however long it grows.  Opening
// reads the index parts; tensors are read, and their checksum compared, when they are wanted.  What
// is damaged, cut or of another model is never used: a record that fails is forgotten with all that
// builds on it.
//
// Beyond the byte budget the oldest segment is deleted.  A budget of writing per hour keeps a disk
// from being worn out: beyond it, and while the writer is behind, texts are not kept.  A full disk
// loses the record, nothing else.  One program a folder; a second one is refused.
// find(), read() and keep() belong to one thread; figures may be asked for from any.
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "base/result.h"
#include "engine/prefix_record.h"

namespace hadal {

struct PrefixStoreOptions {
  std::string folder;       // made if it is not there; readable by its owner alone
  std::string fingerprint;  // of model, engine and numerics, at most 64 bytes
  int64_t budget_bytes = int64_t{4} << 30;
  // 96 GB a day at most: a disk rated for 600 TB lasts for 17 years.
  int64_t bytes_an_hour = int64_t{4} << 30;
  // What one deletion gives back: a sixteenth of the budget is forgotten at once.
  int64_t segment_bytes = 0;  // 0: a sixteenth of the budget
  std::function<void(const std::string& line)> log = [](const std::string&) {};
  std::function<std::chrono::steady_clock::time_point()> now = std::chrono::steady_clock::now;
};

class PrefixStore {
 public:
  struct Found {
    int64_t length = 0;  // tokens of the prompt; 0: none
    std::vector<uint64_t> records;
  };

  static Result<std::unique_ptr<PrefixStore>> open(const ModelConfig& config,
                                                   PrefixStoreOptions options);
  ~PrefixStore();  // what waits to be written is written

  Found find(const std::string& partition, const Wanted& wanted) const;
  Result<SequenceState> read(const Found& found, const Wanted& wanted);
  // It did not fit after all.
  void forget(const Found& found);
  void keep(const std::string& partition, SequenceState state);
  // Until nothing waits to be written.
  void flush();

  int64_t bytes() const;          // on disk, other models' segments too
  int64_t bytes_written() const;  // since it was opened
  int64_t rows_written() const;   // of these, bytes of rows that grow with a text
  int64_t skipped() const;        // states that the budget of writing, or its speed, left out

 private:
  struct Segment {
    uint64_t number = 0;
    int64_t bytes = 0;
    int descriptor = -1;  // -1: of another model; counted and deleted in turn, never read
  };
  struct Record {
    PrefixIndexPart index;
    uint64_t segment = 0;
    int64_t tensors_at = 0, tensor_bytes = 0;  // with their checksum
    std::vector<uint64_t> children;
  };
  struct Pending {
    std::string partition;
    SequenceState state;
    int64_t bytes = 0;
  };

  PrefixStore(const ModelConfig& config, PrefixStoreOptions options, int lock);
  Status open_segments();
  void scan(Segment& segment);
  std::string path_of(uint64_t number) const;

  void add_record(Record record);
  void forget(uint64_t id);
  void forget_segment(uint64_t number);
  using Usable = std::function<bool(const Record&)>;
  // The chain of records whose tokens `ids` begin with, as long as its end may be used.  Records of
  // segments before `oldest` do not count.
  std::vector<uint64_t> chain_for(const std::string& partition, const std::vector<int64_t>& ids,
                                  const std::vector<int64_t>& marks, uint64_t oldest,
                                  const Usable& usable) const;
  Result<PrefixTensors> tensors_of(const Record& record) const;

  void write_pending();
  void write(Pending pending);
  bool may_write(int64_t bytes);
  uint64_t oldest_to_build_on() const;
  std::optional<int64_t> append(const std::string& bytes);
  bool begin_segment();
  void make_room(int64_t bytes);
  int64_t bytes_on_disk() const;
  void complain(const std::string& what);

  const ModelConfig& config_;
  const PrefixStoreOptions options_;
  const int lock_;  // of the folder, held while this lives

  mutable std::mutex mutex_;  // over all below; the writer's thread lets go of it to write
  std::condition_variable changed_;
  std::map<uint64_t, Segment> segments_;  // oldest first
  std::map<uint64_t, Record> records_;
  std::map<std::string, std::vector<uint64_t>> roots_;  // by partition: records without a parent
  uint64_t next_id_ = 1, open_segment_ = 0;             // 0: none is open for writing
  std::deque<Pending> pending_;
  int64_t pending_bytes_ = 0, written_ = 0, rows_written_ = 0, skipped_ = 0;
  double allowance_ = 0;  // bytes that may be written now
  std::chrono::steady_clock::time_point allowed_at_;
  bool stopping_ = false, writing_ = false, complained_ = false;
  std::thread thread_;
};

}  // namespace hadal
