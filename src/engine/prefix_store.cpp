// SPDX-License-Identifier: MIT
// What was read, on disk: opening, finding, reading.  Writing is in prefix_store_write.cpp.
#include "engine/prefix_store.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <system_error>
#include <utility>

namespace hadal {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kEnding = ".prefixes";
constexpr size_t kDigits = 16;

// `count` bytes from `offset`; fewer where the file ends.
std::string read_at(int descriptor, int64_t offset, int64_t count) {
  std::string bytes(static_cast<size_t>(count), '\0');
  size_t done = 0;
  while (done < bytes.size()) {
    const ssize_t got = pread(descriptor, bytes.data() + done, bytes.size() - done,
                              static_cast<off_t>(offset) + static_cast<off_t>(done));
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) break;
    done += static_cast<size_t>(got);
  }
  bytes.resize(done);
  return bytes;
}

std::optional<uint64_t> number_of(const std::string& name) {
  if (name.size() != kDigits + kEnding.size() || !name.ends_with(kEnding)) return std::nullopt;
  uint64_t number = 0;
  const auto [end, error] = std::from_chars(name.data(), name.data() + kDigits, number, 16);
  if (error != std::errc() || end != name.data() + kDigits || number == 0) return std::nullopt;
  return number;
}

// The folder's lock, or why it could not be had.
Result<int> lock_folder(const std::string& folder) {
  std::error_code error;
  fs::create_directories(folder, error);
  if (error) return fail(folder, ": cannot be made: ", error.message());
  fs::permissions(folder, fs::perms::owner_all, error);
  const int lock = ::open((folder + "/lock").c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (lock < 0) return fail(folder, "/lock: ", std::strerror(errno));
  if (flock(lock, LOCK_EX | LOCK_NB) == 0) return lock;
  ::close(lock);
  return fail(folder, ": another program keeps its prefixes there");
}

bool begins_with(const std::vector<int64_t>& ids, const std::vector<int64_t>& marks,
                 const PrefixIndexPart& part) {
  if (part.to > static_cast<int64_t>(ids.size())) return false;
  for (int64_t at = part.from; at < part.to; ++at) {
    const auto& [id, mark] = part.tokens[static_cast<size_t>(at - part.from)];
    if (ids[static_cast<size_t>(at)] != id || marks[static_cast<size_t>(at)] != mark) return false;
  }
  return true;
}

}  // namespace

std::string PrefixStore::path_of(uint64_t number) const {
  char digits[kDigits + 1];
  std::snprintf(digits, sizeof digits, "%016llx", static_cast<unsigned long long>(number));
  return options_.folder + "/" + digits + std::string(kEnding);
}

Result<std::unique_ptr<PrefixStore>> PrefixStore::open(const ModelConfig& config,
                                                       PrefixStoreOptions options) {
  if (options.segment_bytes == 0) options.segment_bytes = options.budget_bytes / 16;
  TRY(const int lock, lock_folder(options.folder));
  std::unique_ptr<PrefixStore> store(new PrefixStore(config, std::move(options), lock));
  TRY_STATUS(store->open_segments());
  store->thread_ = std::thread([raw = store.get()] { raw->write_pending(); });
  return store;
}

PrefixStore::PrefixStore(const ModelConfig& config, PrefixStoreOptions options, int lock)
    : config_(config),
      options_(std::move(options)),
      lock_(lock),
      allowance_(static_cast<double>(options_.bytes_an_hour)),
      allowed_at_(options_.now()) {}

PrefixStore::~PrefixStore() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  changed_.notify_all();
  if (thread_.joinable()) thread_.join();
  for (const auto& [number, segment] : segments_)
    if (segment.descriptor >= 0) ::close(segment.descriptor);
  ::close(lock_);
}

// ---- opening

Status PrefixStore::open_segments() {
  std::error_code error;
  for (fs::directory_iterator at(options_.folder, error), end; !error && at != end;
       at.increment(error)) {
    const std::optional<uint64_t> number = number_of(at->path().filename().string());
    if (number) segments_[*number].number = *number;
  }
  if (error) return fail(options_.folder, ": ", error.message());
  for (auto& [number, segment] : segments_) scan(segment);
  make_room(0);
  return Ok{};
}

// Up to the first record that is not whole: behind it nobody can tell where the next one begins.
void PrefixStore::scan(Segment& segment) {
  const int file =
      ::open(path_of(segment.number).c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
  struct stat facts {};
  if (file < 0) return;
  if (fstat(file, &facts) != 0 || !S_ISREG(facts.st_mode)) {
    ::close(file);
    return;
  }
  segment.bytes = facts.st_size;
  if (!check_segment_head(read_at(file, 0, kSegmentHeadBytes), options_.fingerprint)) {
    ::close(file);
    return;
  }
  segment.descriptor = file;
  int64_t at = kSegmentHeadBytes;
  while (at < segment.bytes) {
    const Result<RecordSizes> sizes =
        read_record_head(read_at(file, at, kRecordHeadBytes), segment.bytes - at);
    if (!sizes) return;
    Result<PrefixIndexPart> index =
        read_index_part(read_at(file, at + kRecordHeadBytes, sizes->index_bytes + kSumBytes));
    if (index)
      add_record({index.take(),
                  segment.number,
                  at + sizes->tensors_at(),
                  sizes->tensor_bytes + kSumBytes,
                  {}});
    at += sizes->all();
  }
}

// A record whose parent is gone, or is not what it says, is left out.
void PrefixStore::add_record(Record record) {
  const PrefixIndexPart& index = record.index;
  const uint64_t id = index.id;
  next_id_ = std::max(next_id_, id + 1);
  if (records_.count(id) > 0) return;
  if (index.parent == 0) {
    roots_[index.partition].push_back(id);
  } else {
    const auto parent = records_.find(index.parent);
    const bool fits = parent != records_.end() && index.parent < id &&
                      parent->second.index.to == index.from &&
                      parent->second.index.partition == index.partition;
    if (!fits) return;
    parent->second.children.push_back(id);
  }
  records_.emplace(id, std::move(record));
}

// With all that builds on it.
void PrefixStore::forget(uint64_t id) {
  std::vector<uint64_t> going = {id};
  const auto first = records_.find(id);
  if (first == records_.end()) return;
  const PrefixIndexPart& index = first->second.index;
  if (index.parent == 0) {
    const auto root = roots_.find(index.partition);
    std::erase(root->second, id);
    if (root->second.empty()) roots_.erase(root);
  } else {
    std::erase(records_.at(index.parent).children, id);
  }
  while (!going.empty()) {
    const auto record = records_.find(going.back());
    going.pop_back();
    going.insert(going.end(), record->second.children.begin(), record->second.children.end());
    records_.erase(record);
  }
}

// ---- finding

std::vector<uint64_t> PrefixStore::chain_for(const std::string& partition,
                                             const std::vector<int64_t>& ids,
                                             const std::vector<int64_t>& marks, uint64_t oldest,
                                             const Usable& usable) const {
  const auto root = roots_.find(partition);
  if (root == roots_.end()) return {};
  const Record* best = nullptr;
  std::vector<uint64_t> candidates = root->second;
  while (!candidates.empty()) {
    const Record& record = records_.at(candidates.back());
    candidates.pop_back();
    if (record.segment < oldest || !begins_with(ids, marks, record.index)) continue;
    if ((!best || record.index.to > best->index.to) && usable(record)) best = &record;
    candidates.insert(candidates.end(), record.children.begin(), record.children.end());
  }
  std::vector<uint64_t> chain;
  while (best) {
    chain.push_back(best->index.id);
    best = best->index.parent == 0 ? nullptr : &records_.at(best->index.parent);
  }
  std::reverse(chain.begin(), chain.end());
  return chain;
}

PrefixStore::Found PrefixStore::find(const std::string& partition, const Wanted& wanted) const {
  const int64_t count = static_cast<int64_t>(wanted.ids.size());
  const std::lock_guard lock(mutex_);
  const Usable usable = [&](const Record& record) {
    return (record.index.to < count || record.index.has_logits) &&
           serves(config_, record.index.to, record.index.needed_from, wanted.needed_from);
  };
  Found found{0, chain_for(partition, wanted.ids, wanted.marks, 0, usable)};
  if (!found.records.empty()) found.length = records_.at(found.records.back()).index.to;
  return found;
}

void PrefixStore::forget(const Found& found) {
  const std::lock_guard lock(mutex_);
  if (!found.records.empty()) forget(found.records.front());
}

// ---- reading

Result<PrefixTensors> PrefixStore::tensors_of(const Record& record) const {
  const Segment& segment = segments_.at(record.segment);
  return read_tensors(read_at(segment.descriptor, record.tensors_at, record.tensor_bytes));
}

Result<SequenceState> PrefixStore::read(const Found& found, const Wanted& wanted) {
  const std::lock_guard lock(mutex_);
  std::vector<PrefixTensors> read;
  SequenceState state;
  for (const uint64_t id : found.records) {
    const auto record = records_.find(id);
    if (record == records_.end()) return fail("its segment was deleted meanwhile");
    Result<PrefixTensors> tensors = tensors_of(record->second);
    state.needed_from = record->second.index.needed_from;
    if (tensors) {
      read.push_back(tensors.take());
      continue;
    }
    const std::string where = path_of(record->second.segment);
    forget(id);
    return fail(where, ": ", tensors.error().message);
  }
  CHECK(!read.empty(), "nothing was found");
  state.ids.assign(wanted.ids.begin(), wanted.ids.begin() + found.length);
  state.marks.assign(wanted.marks.begin(), wanted.marks.begin() + found.length);
  state.logits_V = read.back().end.logits_V;
  state.tensors = std::move(read.back().end.rings);
  state.tensors["tokens"] = Tensor::of_ints({found.length}, state.ids);
  for (const auto& [name, first] : read.front().rows) {
    std::vector<const Tensor*> parts;
    for (const PrefixTensors& tensors : read)
      if (const auto part = tensors.rows.find(name); part != tensors.rows.end())
        parts.push_back(&part->second);
    state.tensors[name] = join_rows(parts);
    if (state.tensors[name].defined()) continue;
    forget(found.records.front());
    return fail("records of one text do not fit together at ", name);
  }
  return state;
}

// ---- figures

int64_t PrefixStore::bytes_on_disk() const {
  int64_t bytes = 0;
  for (const auto& [number, segment] : segments_) bytes += segment.bytes;
  return bytes;
}

int64_t PrefixStore::bytes() const {
  const std::lock_guard lock(mutex_);
  return bytes_on_disk();
}

int64_t PrefixStore::bytes_written() const {
  const std::lock_guard lock(mutex_);
  return written_;
}

int64_t PrefixStore::rows_written() const {
  const std::lock_guard lock(mutex_);
  return rows_written_;
}

int64_t PrefixStore::skipped() const {
  const std::lock_guard lock(mutex_);
  return skipped_;
}

}  // namespace hadal
