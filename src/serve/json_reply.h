// SPDX-License-Identifier: MIT
// A whole answer in JSON, and the header that names what of its request was not honoured.
//
//   reply_json(*asked.exchange, {{"object", "list"}, …}, ignored_headers(call.ignored));
//
// Any thread.
#pragma once

#include <string>
#include <vector>

#include "serve/exchange.h"
#include "serve/header_list.h"
#include "serve/reply_writer.h"

namespace hadal {

inline void reply_json(Exchange& exchange, const OrderedJson& body,
                       std::vector<HttpHeader> headers = {}, int status = 200) {
  exchange.reply({.status = status, .body = dump_json(body), .headers = std::move(headers)});
}

inline std::vector<HttpHeader> ignored_headers(const std::vector<std::string>& ignored) {
  if (ignored.empty()) return {};
  return {{"x-hadal-ignored-fields", header_list(ignored)}};
}

}  // namespace hadal
