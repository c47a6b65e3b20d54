// SPDX-License-Identifier: MIT
// Figures of one media file.
#include "tools/inspect_media.h"

#include <cmath>
#include <nlohmann/json.hpp>

#include "base/json.h"
#include "media/kind.h"
#include "media/read.h"

namespace hadal {
namespace {

using OrderedJson = nlohmann::ordered_json;

// 23.976, 8
double rounded(double value) {
  return std::round(value * 1000) / 1000;
}

OrderedJson info_json(const std::string& path, const MediaInfo& info) {
  OrderedJson figures = {{"name", path},
                         {"format", info.format},
                         {"width", info.width},
                         {"height", info.height},
                         {"frames", info.frames}};
  if (info.fps > 0) {
    figures["fps"] = rounded(info.fps);
    figures["seconds"] = rounded(static_cast<double>(info.frames) / info.fps);
  }
  figures["metadata"] = info.metadata;
  return figures;
}

void print_info(const OrderedJson& figures, std::ostream& out) {
  out << printable(figures["name"].get<std::string>()) << ": "
      << figures["format"].get<std::string>() << ", " << figures["width"] << " × "
      << figures["height"];
  if (figures.contains("fps"))
    out << ", " << figures["frames"] << (figures["frames"] == 1 ? " frame" : " frames") << ", "
        << figures["fps"].get<double>() << " a second, " << figures["seconds"].get<double>()
        << " s";
  out << "\n";
  for (const auto& [key, value] : figures["metadata"].items())
    out << "  " << printable(key) << " = " << printable(value.get<std::string>()) << "\n";
}

}  // namespace

bool is_media_name(std::string_view path) {
  return kind_of_name(path) != FileKind::unknown;
}

Result<int> inspect_media(const InspectOptions& options, std::ostream& out) {
  TRY(const MediaInfo info, read_media_info(options.path));
  const OrderedJson figures = info_json(options.path, info);
  if (options.json)
    out << figures.dump(2, ' ', false, OrderedJson::error_handler_t::replace) << "\n";
  else
    print_info(figures, out);
  return 0;
}

}  // namespace hadal
