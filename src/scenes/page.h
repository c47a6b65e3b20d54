// SPDX-License-Identifier: MIT
// Pages of a small grammar of HTML, and what a visitor does on them.
//
//   Page page = random_page(seed, Split::seen);
//   html(page);       // <body style="background:pink"><h1 style="color:blue">sun</h1>…</body>
//   TRY(Page same, parse_page(html(page)));
//   script(page, seed);                     // which clicks a recording shows
//
// A page is a heading and one part: a paragraph, a counter that counts clicks, two tabs, or a
// disclosure that opens.  The text is exactly what a browser gives back as the body's outerHTML,
// so a page that was understood can be compared letter by letter.
// Pure functions; any thread may use them.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "scenes/objects.h"

namespace hadal {

enum class PagePart { paragraph, counter, tabs, disclosure };
constexpr int64_t kPageParts = 4;

struct Page {
  std::string ground, ink;  // CSS colours of the body and the heading
  std::string heading;
  PagePart part = PagePart::paragraph;
  // paragraph: two words; counter: the button's; tabs: two labels, two texts; disclosure: label,
  // text.
  std::vector<std::string> words;
  int64_t start = 0;  // of the counter, 0 … 9
  bool operator==(const Page&) const = default;
};

std::string html(const Page& page);
Result<Page> parse_page(std::string_view html);

// One page in eight is kept away from training, by a hash of its text.
Split split_of(const Page& page);
Page random_page(uint64_t seed, Split split);

// A click on the page's clickable element `target` (buttons and summaries in their order), shown
// from frame `frame` on.
struct Click {
  int64_t frame = 0, target = 0;
  bool operator==(const Click&) const = default;
};
constexpr int64_t kPageFrames = 9;
std::vector<Click> script(const Page& page, uint64_t seed);

}  // namespace hadal
