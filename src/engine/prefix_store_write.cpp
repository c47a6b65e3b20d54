// SPDX-License-Identifier: MIT
// Writing of what was read: by a thread of its own, within budgets of bytes and of writing.
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "engine/prefix_store.h"

namespace hadal {
namespace {

// What may wait in memory for a slow disk.
constexpr int64_t kMostPendingBytes = int64_t{256} << 20;

bool write_all(int file, const std::string& bytes) {
  size_t done = 0;
  while (done < bytes.size()) {
    const ssize_t put = ::write(file, bytes.data() + done, bytes.size() - done);
    if (put < 0 && errno == EINTR) continue;
    if (put < 0) return false;
    done += static_cast<size_t>(put);
  }
  return true;
}

int64_t bytes_of(const SequenceState& state) {
  int64_t bytes = static_cast<int64_t>(state.ids.size()) * 16;
  for (const auto& [name, tensor] : state.tensors) bytes += tensor.bytes();
  return bytes;
}

// What of these rows belongs to tokens from `from` on.
NamedParts rows_from(const ModelConfig& config, const NamedParts& rows, int64_t from) {
  NamedParts part;
  for (const auto& [name, tensor] : rows) {
    const int64_t first = from / tokens_a_row(config, name);
    part.emplace(name, tensor.rows(first, tensor.size(0) - first));
  }
  return part;
}

}  // namespace

void PrefixStore::keep(const std::string& partition, SequenceState state) {
  if (state.ids.empty()) return;
  const int64_t bytes = bytes_of(state);
  {
    const std::lock_guard lock(mutex_);
    if (pending_bytes_ + bytes > kMostPendingBytes) {
      ++skipped_;
      return;
    }
    pending_bytes_ += bytes;
    pending_.push_back({partition, std::move(state), bytes});
  }
  changed_.notify_all();
}

void PrefixStore::flush() {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [this] { return pending_.empty() && !writing_; });
}

// The writer's thread.
void PrefixStore::write_pending() {
  std::unique_lock lock(mutex_);
  while (true) {
    changed_.wait(lock, [this] { return stopping_ || !pending_.empty(); });
    if (pending_.empty()) return;
    Pending pending = std::move(pending_.front());
    pending_.pop_front();
    writing_ = true;
    lock.unlock();
    const int64_t bytes = pending.bytes;
    write(std::move(pending));
    lock.lock();
    pending_bytes_ -= bytes;
    writing_ = false;
    changed_.notify_all();
  }
}

// The segments that will be deleted next: what builds on them would soon be lost with them.
uint64_t PrefixStore::oldest_to_build_on() const {
  if (bytes_on_disk() < options_.budget_bytes / 2) return 0;
  auto segment = segments_.begin();
  std::advance(segment, segments_.size() / 4);
  return segment == segments_.end() ? 0 : segment->first;
}

void PrefixStore::write(Pending pending) {
  const SequenceState& state = pending.state;
  PrefixIndexPart index;
  index.to = static_cast<int64_t>(state.ids.size());
  index.needed_from = state.needed_from;
  index.has_logits = state.logits_V.defined();
  index.partition = pending.partition;
  {
    const std::lock_guard lock(mutex_);
    const std::vector<uint64_t> base =
        chain_for(pending.partition, state.ids, state.marks, oldest_to_build_on(),
                  [](const Record&) { return true; });
    if (!base.empty()) {
      index.parent = base.back();
      index.from = records_.at(index.parent).index.to;
    }
    if (index.from == index.to) return;  // it is there
    index.id = next_id_++;
  }
  for (int64_t at = index.from; at < index.to; ++at)
    index.tokens.emplace_back(state.ids[static_cast<size_t>(at)],
                              state.marks[static_cast<size_t>(at)]);
  PrefixParts parts = parts_of(config_, state);
  NamedParts rows = rows_from(config_, parts.rows, index.from);
  int64_t row_bytes = 0;
  for (const auto& [name, tensor] : rows) row_bytes += tensor.bytes();
  const std::string bytes = encode_record(index, {std::move(rows), std::move(parts.end)});
  const std::optional<int64_t> at = append(bytes);
  if (!at) return;
  const Result<RecordSizes> sizes = read_record_head(bytes, static_cast<int64_t>(bytes.size()));
  CHECK(sizes, sizes.error().message);
  const std::lock_guard lock(mutex_);
  rows_written_ += row_bytes;
  add_record({std::move(index),
              open_segment_,
              *at + sizes->tensors_at(),
              sizes->tensor_bytes + kSumBytes,
              {}});
}

bool PrefixStore::may_write(int64_t bytes) {
  const auto now = options_.now();
  const std::chrono::duration<double> passed = now - allowed_at_;
  const double most = static_cast<double>(options_.bytes_an_hour);
  allowed_at_ = now;
  allowance_ = std::min(most, allowance_ + passed.count() * most / 3600);
  if (allowance_ < static_cast<double>(bytes)) return false;
  allowance_ -= static_cast<double>(bytes);
  return true;
}

// At the end of the open segment; where that is.
std::optional<int64_t> PrefixStore::append(const std::string& bytes) {
  const int64_t count = static_cast<int64_t>(bytes.size());
  int file = -1;
  int64_t at = 0;
  {
    const std::lock_guard lock(mutex_);
    if (count > options_.budget_bytes / 2 || !may_write(count)) {
      ++skipped_;
      return std::nullopt;
    }
    const auto open = segments_.find(open_segment_);
    const bool full = open == segments_.end() ||
                      open->second.bytes + count > std::max(options_.segment_bytes, count);
    if (full && !begin_segment()) return std::nullopt;
    make_room(count);
    file = segments_.at(open_segment_).descriptor;
    at = segments_.at(open_segment_).bytes;
  }
  // Not synced: what a crash of the machine tears apart, the checksums find.
  const bool whole = write_all(file, bytes);
  const int error = errno;
  const bool restored = whole || ftruncate(file, static_cast<off_t>(at)) == 0;
  const std::lock_guard lock(mutex_);
  if (whole) {
    segments_.at(open_segment_).bytes += count;
    written_ += count;
    return at;
  }
  complain(path_of(open_segment_) + ": " + std::strerror(error));
  if (!restored) open_segment_ = 0;
  ++skipped_;
  return std::nullopt;
}

bool PrefixStore::begin_segment() {
  const uint64_t number = segments_.empty() ? 1 : segments_.rbegin()->first + 1;
  const std::string path = path_of(number);
  const int file = ::open(path.c_str(), O_RDWR | O_CREAT | O_EXCL | O_APPEND | O_CLOEXEC, 0600);
  const std::string head = encode_segment_head(options_.fingerprint);
  if (file < 0 || !write_all(file, head)) {
    complain(path + ": " + std::strerror(errno));
    if (file >= 0) {
      ::close(file);
      ::unlink(path.c_str());
    }
    return false;
  }
  segments_[number] = {number, static_cast<int64_t>(head.size()), file};
  open_segment_ = number;
  return true;
}

// Deletes the oldest segments, but not the one that is written.
void PrefixStore::make_room(int64_t bytes) {
  while (bytes_on_disk() + bytes > options_.budget_bytes && !segments_.empty() &&
         segments_.begin()->first != open_segment_)
    forget_segment(segments_.begin()->first);
}

void PrefixStore::forget_segment(uint64_t number) {
  std::vector<uint64_t> going;
  for (const auto& [id, record] : records_)
    if (record.segment == number) going.push_back(id);
  for (const uint64_t id : going) forget(id);
  const Segment& segment = segments_.at(number);
  if (segment.descriptor >= 0) ::close(segment.descriptor);
  ::unlink(path_of(number).c_str());
  segments_.erase(number);
}

// Once: a full disk stays full, and nobody wants to read it a thousand times.
void PrefixStore::complain(const std::string& what) {
  if (std::exchange(complained_, true)) return;
  options_.log(what + "; texts are not kept on disk");
}

}  // namespace hadal
