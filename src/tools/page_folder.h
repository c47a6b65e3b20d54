// SPDX-License-Identifier: MIT
// Folders of small web pages: NAME.html, and beside it what record.mjs made of it
// (scenes/page_recording.h).
//
//   TRY(const std::vector<std::string> names, pages_in("pages"));        // "pages/00000", …
//   TRY(const std::string html, page_text(names[0]));
//   TRY_STATUS(write_file("answers/" + page_stem(names[0]) + ".html", html));
//
// Any thread may use them.
#pragma once

#include <string>
#include <vector>

#include "base/result.h"

namespace hadal {

// Paths of the folder's pages without their ending, in order.  Refuses a folder without pages.
Result<std::vector<std::string>> pages_in(const std::string& folder);
std::string page_stem(const std::string& name);  // the last part of the path
// Refuses a page of more than 64 KiB; the grammar's have 300 bytes.
Result<std::string> page_text(const std::string& name);

Status make_folder(const std::string& folder);  // and those above it

}  // namespace hadal
