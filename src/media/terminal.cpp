// SPDX-License-Identifier: MIT
// Three protocols, one picture.
#include "media/terminal.h"

extern "C" {
#include <libavutil/base64.h>
}

#include <algorithm>
#include <cstdint>
#include <string_view>
#include <vector>

#include "media/palette.h"
#include "media/write.h"

namespace hadal {
namespace {

constexpr std::string_view kStringEnd = "\x1b\\";

std::string base64(std::string_view bytes) {
  std::string text(AV_BASE64_SIZE(bytes.size()), '\0');
  CHECK(av_base64_encode(text.data(), static_cast<int>(text.size()),
                         reinterpret_cast<const uint8_t*>(bytes.data()),
                         static_cast<int>(bytes.size())),
        bytes.size());
  text.pop_back();  // the terminating zero
  return text;
}

// Chunks of at most 4,096 characters; q=2: the terminal shall not answer.
std::string kitty(std::string_view png) {
  constexpr size_t kMostCharacters = 4096;
  const std::string text = base64(png);
  std::string out;
  for (size_t at = 0; at < text.size(); at += kMostCharacters) {
    const bool more = at + kMostCharacters < text.size();
    out += at == 0 ? "\x1b_Ga=T,f=100,q=2," : "\x1b_G";
    out += more ? "m=1;" : "m=0;";
    out += text.substr(at, kMostCharacters);
    out += kStringEnd;
  }
  return out + "\n";
}

std::string iterm2(std::string_view png, const Picture& picture) {
  return "\x1b]1337;File=inline=1;size=" + std::to_string(png.size()) +
         ";width=" + std::to_string(picture.width) + "px;height=" + std::to_string(picture.height) +
         "px:" + base64(png) + "\a\n";
}

// ---- sixel: bands of six rows; in a band, one pass for each colour (VT330/340 manual, chapter 14)

void append_run(std::string& out, char sixel, int64_t count) {
  constexpr int64_t kWorthIt = 4;  // "!4?" is as long as the three it replaces
  if (count >= kWorthIt)
    out += "!" + std::to_string(count) + sixel;
  else
    out.append(static_cast<size_t>(count), sixel);
}

// The columns of one colour in one band.
void append_pass(std::string& out, const std::vector<uint8_t>& indices, const Picture& picture,
                 int64_t top, size_t colour) {
  const int64_t rows = std::min<int64_t>(6, picture.height - top);
  char running = 0;
  int64_t count = 0;
  for (int64_t x = 0; x < picture.width; ++x) {
    int bits = 0;
    for (int64_t row = 0; row < rows; ++row)
      if (indices[static_cast<size_t>((top + row) * picture.width + x)] == colour) bits |= 1 << row;
    const char sixel = static_cast<char>('?' + bits);
    if (sixel != running) {
      append_run(out, running, count);
      running = sixel;
      count = 0;
    }
    ++count;
  }
  if (running != '?') append_run(out, running, count);
}

std::string sixel(const Picture& picture) {
  const Palette palette = cube_palette();
  const std::vector<uint8_t> indices = indices_of(picture, palette);
  std::string out =
      "\x1bP0;1;0q\"1;1;" + std::to_string(picture.width) + ";" + std::to_string(picture.height);
  const auto percent = [](uint8_t level) { return std::to_string((level * 100 + 127) / 255); };
  for (size_t i = 0; i < palette.size(); ++i)
    out += "#" + std::to_string(i) + ";2;" + percent(palette[i][0]) + ";" + percent(palette[i][1]) +
           ";" + percent(palette[i][2]);
  for (int64_t top = 0; top < picture.height; top += 6) {
    std::vector<bool> used(palette.size());
    const int64_t end = std::min(top + 6, picture.height) * picture.width;
    for (int64_t i = top * picture.width; i < end; ++i)
      used[indices[static_cast<size_t>(i)]] = true;
    for (size_t colour = 0; colour < palette.size(); ++colour) {
      if (!used[colour]) continue;
      out += "#" + std::to_string(colour);
      append_pass(out, indices, picture, top, colour);
      out += "$";
    }
    out += "-";
  }
  return out + std::string(kStringEnd) + "\n";
}

bool is_one_of(std::string_view name, std::initializer_list<std::string_view> names) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

}  // namespace

TerminalGraphics graphics_of_terminal(bool is_terminal, const Environment& environment) {
  const std::string term = environment("TERM"), program = environment("TERM_PROGRAM");
  const bool multiplexed = !environment("TMUX").empty() || !environment("STY").empty() ||
                           term.starts_with("screen") || term.starts_with("tmux");
  if (!is_terminal || multiplexed || is_one_of(term, {"", "dumb", "linux"}))
    return TerminalGraphics::none;
  if (is_one_of(term, {"xterm-kitty", "xterm-ghostty"}) || program == "ghostty" ||
      !environment("KITTY_WINDOW_ID").empty())
    return TerminalGraphics::kitty;
  if (is_one_of(program, {"iTerm.app", "WezTerm", "mintty"}) ||
      environment("LC_TERMINAL") == "iTerm2")
    return TerminalGraphics::iterm2;
  if (is_one_of(term, {"foot", "foot-extra", "mlterm", "contour", "yaft-256color"}) ||
      term.find("sixel") != std::string::npos || !environment("KONSOLE_VERSION").empty())
    return TerminalGraphics::sixel;
  return TerminalGraphics::none;
}

Result<std::string> terminal_picture(const Picture& picture, TerminalGraphics graphics) {
  if (graphics == TerminalGraphics::none)
    return fail("this terminal is not known to show pictures");
  if (picture.rgb.empty()) return fail("a picture without pixels cannot be shown");
  if (graphics == TerminalGraphics::sixel) return sixel(picture);
  Clip still;
  still.frames.push_back(picture);
  TRY(const std::string png, encode_media(still, FileKind::png));
  return graphics == TerminalGraphics::kitty ? kitty(png) : iterm2(png, picture);
}

}  // namespace hadal
