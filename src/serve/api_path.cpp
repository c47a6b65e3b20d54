// SPDX-License-Identifier: MIT
// Paths of the API.
#include "serve/api_path.h"

namespace hadal {
namespace {

bool takes_off(std::string_view& path, std::string_view prefix) {
  if (!path.starts_with(prefix) || path.size() <= prefix.size() || path[prefix.size()] != '/')
    return false;
  path.remove_prefix(prefix.size());
  return true;
}

}  // namespace

std::string_view plain_path(std::string_view path) {
  std::string_view rest = path;
  if (takes_off(rest, "/anthropic")) {
    takes_off(rest, "/v1");
    return rest.starts_with("/messages") ? rest : path;
  }
  takes_off(rest, "/beta");
  takes_off(rest, "/v1");
  return rest;
}

ErrorFamily family_of(std::string_view path) {
  if (path.starts_with("/sdapi/")) return ErrorFamily::a1111;
  return plain_path(path).starts_with("/messages") ? ErrorFamily::anthropic : ErrorFamily::openai;
}

}  // namespace hadal
