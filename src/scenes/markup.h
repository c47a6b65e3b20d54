// SPDX-License-Identifier: MIT
// HTML brought to one form, so that texts that mean the same are the same.
//
//   TRY(std::string one, normalised_markup("<P Class=b  id='a'>x  y</P>"));
//   // <p class="b" id="a">x y</p>
//
// Names become lower case, attributes are sorted and quoted, white space between words becomes one
// blank and vanishes beside tags, comments vanish.  What a browser repairs (elements left open) is
// refused: a browser's outerHTML has none.  The text is hostile: bounded in length and depth.
// Pure; any thread may use it.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"

namespace hadal {

Result<std::string> normalised_markup(std::string_view html);

}  // namespace hadal
