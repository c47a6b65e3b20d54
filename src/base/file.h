// SPDX-License-Identifier: MIT
// Files: mapped for reading, replaced as a whole when written.
//
//   TRY(std::shared_ptr<MappedFile> file, MappedFile::open(path));
//   TRY(AtomicFile file, AtomicFile::create(path));
//   TRY_STATUS(file.write(bytes, count));
//   TRY_STATUS(file.commit());                 // until here, `path` is as it was
//
// A mapping may be read from any thread; an AtomicFile belongs to one.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "base/result.h"

namespace hadal {

// A regular file, mapped read-only; pages come from disk when they are touched.  The file must
// not be cut while it is mapped: the system answers a read past its end with SIGBUS.
class MappedFile {
 public:
  static Result<std::shared_ptr<MappedFile>> open(const std::string& path);
  ~MappedFile();
  MappedFile(const MappedFile&) = delete;
  MappedFile& operator=(const MappedFile&) = delete;

  const char* bytes() const { return bytes_; }
  int64_t size() const { return size_; }

  // Moves the bytes into memory of its own, in pages of 2 MiB instead of 4 KiB, so that a walk over
  // them misses the processor's table of pages less often.  They stay where they are, and who reads
  // them meanwhile notices nothing.  Takes as much memory as the file is long, and gives the
  // system's copy back as it goes.  What is left of a last page stays mapped.
  // `go_on` is asked between parts, with the bytes that were moved; false ends it.
  // One caller at a time.  A failure leaves the bytes readable.
  Status move_into_memory(const std::function<bool(int64_t moved)>& go_on);

 private:
  struct Room {  // of addresses; the file begins at a large page of it
    void* address = nullptr;
    size_t bytes = 0;
  };
  MappedFile(std::string path, int descriptor) : path_(std::move(path)), descriptor_(descriptor) {}
  Status map(int64_t size);
  Status move_part(int64_t begin, int64_t count);

  std::string path_;
  int descriptor_;
  Room room_;
  const char* bytes_ = nullptr;
  int64_t size_ = 0;
};

bool is_file(const std::string& path);
bool is_folder(const std::string& path);

// The whole of a small file; one longer than `limit_bytes` is refused before it is read.
Result<std::string> read_file(const std::string& path, int64_t limit_bytes);
// Puts a whole file in the place of what was there, as an AtomicFile does.
Status write_file(const std::string& path, std::string_view bytes);

// Writes beside `path` and renames at the end; a crash or a full disk leaves the old file.
class AtomicFile {
 public:
  static Result<AtomicFile> create(const std::string& path);
  ~AtomicFile();  // without commit(): the new bytes are forgotten
  AtomicFile(AtomicFile&& other) noexcept;
  AtomicFile& operator=(AtomicFile&&) = delete;

  Status write(const void* bytes, int64_t count);
  Status commit();  // syncs the bytes, renames, syncs the folder

 private:
  AtomicFile(std::string path, std::string temporary, int descriptor)
      : path_(std::move(path)), temporary_(std::move(temporary)), descriptor_(descriptor) {}
  std::string path_;
  std::string temporary_;
  int descriptor_;  // -1: committed, failed or moved from
};

}  // namespace hadal
