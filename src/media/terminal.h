// SPDX-License-Identifier: MIT
// A picture in a terminal that can show one, as a string of control sequences.
//
//   TerminalGraphics graphics = graphics_of_terminal(isatty(1), getenv_as_text);
//   if (graphics != TerminalGraphics::none) out << terminal_picture(picture, graphics);
//
// kitty: its graphics protocol, a PNG in base64 (sw.kovidgoyal.net/kitty/graphics-protocol).
// iTerm2: OSC 1337 with the same PNG.  sixel: DEC's, in 216 fixed colours, dithered; a pixel of the
// picture is a pixel of the screen.  The cursor ends on the line below.  Any thread.
#pragma once

#include <functional>
#include <string>

#include "base/result.h"
#include "media/picture.h"

namespace hadal {

enum class TerminalGraphics { none, kitty, iterm2, sixel };

// The value of an environment variable; empty when it is not set.
using Environment = std::function<std::string(const char* name)>;

// What the variables say the terminal is.  Behind tmux and screen: none, because they swallow the
// sequences, and the variables still name the terminal outside.
TerminalGraphics graphics_of_terminal(bool is_terminal, const Environment& environment);

Result<std::string> terminal_picture(const Picture& picture, TerminalGraphics graphics);

}  // namespace hadal
