// SPDX-License-Identifier: MIT
// Formats as regular expressions.  Days are those that each month has; a 29th of February is
// written in any year.
#include "grammar/json_formats.h"

#include <array>
#include <utility>

namespace hadal {
namespace {

#define HADAL_DATE                                                                  \
  "[0-9]{4}-(?:(?:0[13578]|1[02])-(?:0[1-9]|[12][0-9]|3[01])|(?:0[469]|11)-(?:0[1-" \
  "9]|[12][0-9]|30)|02-(?:0[1-9]|1[0-9]|2[0-8]))"
#define HADAL_TIME                                                                  \
  "(?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](?:\\.[0-9]{1,9})?(?:Z|[+-](?:[01][0-" \
  "9]|2[0-3]):[0-5][0-9])"
#define HADAL_LABEL "[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
#define HADAL_HOST "(?:" HADAL_LABEL "\\.){0,8}" HADAL_LABEL
#define HADAL_BYTE "(?:25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])"
#define HADAL_WORD "[0-9A-Fa-f]{1,4}"
#define HADAL_URI_CHARACTER "(?:[A-Za-z0-9._~!$&'()*+,;=:@/-]|%[0-9A-Fa-f]{2})"

constexpr std::array<std::pair<std::string_view, std::string_view>, 9> kFormats = {{
    {"date", HADAL_DATE},                      // RFC 3339
    {"time", HADAL_TIME},                      // RFC 3339
    {"date-time", HADAL_DATE "T" HADAL_TIME},  // RFC 3339
    {"duration",                               // RFC 3339, appendix A
     "P(?:[0-9]{1,9}W|(?:[0-9]{1,9}Y(?:[0-9]{1,9}M(?:[0-9]{1,9}D)?)?|[0-9]{1,9}M(?:[0-9]{1,9}D)?|[0"
     "-9]{1,9}D)(?:T(?:[0-9]{1,9}H(?:[0-9]{1,9}M(?:[0-9]{1,9}S)?)?|[0-9]{1,9}M(?:[0-9]{1,9}S)?|[0-9"
     "]{1,9}S))?|T(?:[0-9]{1,9}H(?:[0-9]{1,9}M(?:[0-9]{1,9}S)?)?|[0-9]{1,9}M(?:[0-9]{1,9}S)?|[0-9]{"
     "1,9}S))"},
    {"email",  // RFC 5321, a dot-string at a domain
     "[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]{1,32}(?:\\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]{1,16}){0,2}@"
     "(?:" HADAL_LABEL "\\.){1,3}[A-Za-z]{2,24}"},
    {"hostname", HADAL_HOST},                                          // RFC 1123
    {"ipv4", HADAL_BYTE "(?:\\." HADAL_BYTE "){3}"},                   // RFC 2673
    {"uuid", "[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}"},  // RFC 4122
    {"uri",  // RFC 3986, with an authority
     "[A-Za-z][A-Za-z0-9+.-]{0,15}://(?:" HADAL_HOST ")(?::[0-9]{1,5})?(?:/" HADAL_URI_CHARACTER
     "*)?(?:\\?" HADAL_URI_CHARACTER "*)?(?:#" HADAL_URI_CHARACTER "*)?"},
}};

}  // namespace

std::string_view format_pattern(std::string_view format) {
  for (const auto& [name, pattern] : kFormats)
    if (name == format) return pattern;
  return {};
}

std::string known_formats() {
  std::string names;
  for (const auto& [name, pattern] : kFormats)
    names += (names.empty() ? "" : ", ") + std::string(name);
  return names;
}

}  // namespace hadal
