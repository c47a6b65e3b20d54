// SPDX-License-Identifier: MIT
// Files over POSIX calls.
#include "base/file.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <filesystem>
#include <system_error>
#include <utility>

#include "base/memory_placement.h"

namespace hadal {
namespace {

std::string reason(int code) {
  return std::generic_category().message(code);
}

// Closes on every way out.
struct Descriptor {
  int number;
  ~Descriptor() {
    if (number >= 0) close(number);
  }
};

struct OpenFile {
  int descriptor;
  int64_t size;
};

// O_NONBLOCK: opening a pipe must not wait for its other end.
Result<OpenFile> open_regular(const std::string& path) {
  const int descriptor = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (descriptor < 0) return fail(path, ": cannot be opened: ", reason(errno));
  struct stat about {};
  if (fstat(descriptor, &about) != 0 || !S_ISREG(about.st_mode)) {
    close(descriptor);
    return fail(path, ": is not a regular file");
  }
  return OpenFile{descriptor, about.st_size};
}

constexpr size_t kLargePage = size_t{2} << 20;
constexpr int64_t kPart = int64_t{64} << 20;  // that is moved at once: what memory it takes twice

void* next_large_page(void* address) {
  const uintptr_t number = reinterpret_cast<uintptr_t>(address);
  return reinterpret_cast<void*>((number + kLargePage - 1) / kLargePage * kLargePage);
}

bool read_whole(int descriptor, int64_t begin, char* to, size_t count) {
  while (count > 0) {
    const ssize_t got = pread(descriptor, to, count, begin);
    if (got < 0 && errno == EINTR) continue;
    if (got == 0) errno = EIO;  // the file ends before
    if (got <= 0) return false;
    to += got;
    begin += got;
    count -= static_cast<size_t>(got);
  }
  return true;
}

}  // namespace

Result<std::shared_ptr<MappedFile>> MappedFile::open(const std::string& path) {
  TRY(const OpenFile file, open_regular(path));
  std::shared_ptr<MappedFile> mapped(new MappedFile(path, file.descriptor));
  if (file.size > 0) TRY_STATUS(mapped->map(file.size));
  return mapped;
}

MappedFile::~MappedFile() {
  if (room_.address) munmap(room_.address, room_.bytes);
  close(descriptor_);
}

Status MappedFile::map(int64_t size) {
  room_ = {.address = nullptr, .bytes = static_cast<size_t>(size) + kLargePage};
  void* const room =
      mmap(nullptr, room_.bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (room == MAP_FAILED)
    return fail_machine(path_, ": ", size, " bytes cannot be mapped: ", reason(errno));
  room_.address = room;
  void* const begin = next_large_page(room);
  if (mmap(begin, static_cast<size_t>(size), PROT_READ, MAP_PRIVATE | MAP_FIXED, descriptor_, 0) ==
      MAP_FAILED)
    return fail_machine(path_, ": ", size, " bytes cannot be mapped: ", reason(errno));
  bytes_ = static_cast<const char*>(begin);
  size_ = size;
  return Ok{};
}

Status MappedFile::move_into_memory(const std::function<bool(int64_t moved)>& go_on) {
  const int64_t whole = size_ / static_cast<int64_t>(kLargePage) * static_cast<int64_t>(kLargePage);
  for (int64_t begin = 0; begin < whole && go_on(begin); begin += kPart)
    TRY_STATUS(move_part(begin, std::min(kPart, whole - begin)));
  return Ok{};
}

// Read beside, then put in the place of the file's pages in one call: the system holds back whoever
// touches them meanwhile, and large pages between large pages are moved as they are.
Status MappedFile::move_part(int64_t begin, int64_t count) {
  const size_t bytes = static_cast<size_t>(count);
  void* const room = mmap(nullptr, bytes + kLargePage, PROT_READ | PROT_WRITE,
                          MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (room == MAP_FAILED)
    return fail_machine(path_, ": no memory for ", count, " bytes of it: ", reason(errno));
  char* const made = static_cast<char*>(next_large_page(room));
  const size_t before = static_cast<size_t>(made - static_cast<char*>(room));
  madvise(made, bytes, MADV_HUGEPAGE);
  machine_placement().spread(made, count);
  char* const place = const_cast<char*>(bytes_) + begin;
  const bool read =
      read_whole(descriptor_, begin, made, bytes) && mprotect(made, bytes, PROT_READ) == 0;
  const bool moved =
      read && mremap(made, bytes, bytes, MREMAP_MAYMOVE | MREMAP_FIXED, place) != MAP_FAILED;
  const int problem = errno;
  // What was in the place may be gone by then.
  if (read && !moved) mmap(place, bytes, PROT_READ, MAP_PRIVATE | MAP_FIXED, descriptor_, begin);
  // Once it is moved its old addresses are anybody's.
  if (before > 0) munmap(room, before);
  if (!moved) munmap(made, bytes);
  munmap(made + bytes, kLargePage - before);
  if (!moved) return fail_machine(path_, ": cannot be read into memory: ", reason(problem));
  posix_fadvise(descriptor_, begin, count, POSIX_FADV_DONTNEED);
  return Ok{};
}

bool is_file(const std::string& path) {
  std::error_code ignored;
  return std::filesystem::is_regular_file(path, ignored);
}

bool is_folder(const std::string& path) {
  std::error_code ignored;
  return std::filesystem::is_directory(path, ignored);
}

Result<std::string> read_file(const std::string& path, int64_t limit_bytes) {
  TRY(const OpenFile file, open_regular(path));
  const Descriptor closing{file.descriptor};
  if (file.size > limit_bytes)
    return fail(path, ": ", file.size, " bytes, at most ", limit_bytes, " are read");
  std::string bytes(static_cast<size_t>(file.size), '\0');
  size_t filled = 0;
  while (filled < bytes.size()) {
    const ssize_t got = read(file.descriptor, bytes.data() + filled, bytes.size() - filled);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return fail_machine(path, ": cannot be read: ", reason(errno));
    if (got == 0) return fail(path, ": ended after ", filled, " of ", bytes.size(), " bytes");
    filled += static_cast<size_t>(got);
  }
  return bytes;
}

Status write_file(const std::string& path, std::string_view bytes) {
  TRY(AtomicFile file, AtomicFile::create(path));
  TRY_STATUS(file.write(bytes.data(), static_cast<int64_t>(bytes.size())));
  return file.commit();
}

Result<AtomicFile> AtomicFile::create(const std::string& path) {
  // Renaming over a device or a pipe would put a file in its place.
  struct stat found;
  if (stat(path.c_str(), &found) == 0 && !S_ISREG(found.st_mode))
    return fail(path, ": exists and is no regular file");
  // Two writers of one path must not share a temporary file.
  static std::atomic<int64_t> serial{0};
  std::string temporary =
      path + "." + std::to_string(getpid()) + "-" + std::to_string(serial++) + ".partial";
  const int descriptor =
      ::open(temporary.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0666);
  if (descriptor < 0) return fail(temporary, ": cannot be written: ", reason(errno));
  return AtomicFile(path, std::move(temporary), descriptor);
}

AtomicFile::AtomicFile(AtomicFile&& other) noexcept
    : path_(std::move(other.path_)),
      temporary_(std::move(other.temporary_)),
      descriptor_(std::exchange(other.descriptor_, -1)) {}

AtomicFile::~AtomicFile() {
  if (descriptor_ < 0) return;
  close(descriptor_);
  unlink(temporary_.c_str());
}

Status AtomicFile::write(const void* bytes, int64_t count) {
  const char* next = static_cast<const char*>(bytes);
  while (count > 0) {
    // One call writes at most 2 GiB on Linux.
    const size_t asked = static_cast<size_t>(std::min<int64_t>(count, 1 << 30));
    const ssize_t written = ::write(descriptor_, next, asked);
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) return fail_machine(path_, ": cannot be written: ", reason(errno));
    next += written;
    count -= written;
  }
  return Ok{};
}

Status AtomicFile::commit() {
  if (fsync(descriptor_) != 0) return fail_machine(path_, ": cannot be written: ", reason(errno));
  const int closed = close(std::exchange(descriptor_, -1));
  if (closed != 0 || rename(temporary_.c_str(), path_.c_str()) != 0) {
    const int code = errno;
    unlink(temporary_.c_str());
    return fail_machine(path_, ": cannot be written: ", reason(code));
  }
  // The rename itself survives a power cut once the folder is on disk.
  const std::string folder = std::filesystem::path(path_).parent_path().string();
  const Descriptor parent{
      ::open(folder.empty() ? "." : folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC)};
  if (parent.number >= 0) fsync(parent.number);
  return Ok{};
}

}  // namespace hadal
